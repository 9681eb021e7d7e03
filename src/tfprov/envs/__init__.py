"""Environments on disk: generations, and the link to the verified one."""
