"""Bundles: everything that a machine without network needs, in one folder or one archive."""
