"""Output for people and machines: terminal, plain text, HTML pages, JSON, files for CI systems."""
