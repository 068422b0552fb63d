"""A gallery of pictures, or captions, into vectors, a batch at a time."""
