"""Conda environments: solved and linked by the worker in `tfprov.conda`, with wheels in addition to conda packages."""
