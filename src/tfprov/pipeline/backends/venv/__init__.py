"""Virtual environments: locked by uv, made by virtualenv."""
