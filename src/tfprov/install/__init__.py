"""Putting locked files into an empty environment, offline."""
