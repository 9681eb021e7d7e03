"""Builds wheels from sources: unpacks or checks them out, and builds each once in an environment of its own."""
