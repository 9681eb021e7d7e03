"""Lock files: resolving the exact files of an environment, writing them in the standard format, and reading them."""
