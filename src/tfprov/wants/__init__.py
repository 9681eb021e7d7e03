"""Reads the files in which projects list their dependencies: one reader per format, the same records from all of them.

Readers decide nothing: they report what a file requests, and where.
"""
