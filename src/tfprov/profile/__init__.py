"""Reads a profile, a TOML file, into frozen records."""
