"""The exact files: made by a resolver, kept in a standard file, read back."""
