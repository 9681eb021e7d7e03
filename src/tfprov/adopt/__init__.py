"""Environments that tfprov did not make: what they are, what is wrong with them, what was once asked for."""
