"""The command line: parse, call, render, exit."""

from tfprov.cli.main import main

__all__ = ["main"]
