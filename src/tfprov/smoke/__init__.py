"""The smoke test: checks that run inside an environment, and the verdict on it."""
