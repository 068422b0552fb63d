"""Vectors into scores: cosines, percentiles, verdicts."""
