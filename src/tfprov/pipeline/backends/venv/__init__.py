"""Virtual environments: resolved and locked with uv, created with virtualenv."""
