"""The profile: a TOML file becomes frozen records."""
