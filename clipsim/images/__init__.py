"""Pictures from files, bytes, addresses: found, read, and made upright RGB."""
