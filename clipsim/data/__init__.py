"""What the package ships beside code: names, captions, embeddings and calibrations."""
