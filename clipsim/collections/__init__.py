"""Pictures on disk: embedded once, searched many times."""
