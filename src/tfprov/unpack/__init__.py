"""Unpacks wheels into folders named by hash, from which environments are linked."""
