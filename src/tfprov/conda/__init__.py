"""Conda environments without conda: a worker process solves and links by py-rattler, and locks by conda-lock."""
