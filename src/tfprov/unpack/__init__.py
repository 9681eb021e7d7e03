"""Wheels become folders of unpacked files, by hash, from which environments are linked."""
