"""Models: pictures and captions into unit vectors."""
