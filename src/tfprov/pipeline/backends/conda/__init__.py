"""Conda environments: solved and linked by the worker of `tfprov.conda`, with wheels beside the conda packages."""
