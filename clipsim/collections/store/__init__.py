"""The files of a collection."""
