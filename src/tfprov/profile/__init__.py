"""What is asked: a TOML file becomes frozen records."""
