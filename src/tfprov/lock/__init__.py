"""Locks: the exact files of an environment, resolved, written to a standard file and read back."""
