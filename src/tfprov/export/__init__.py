"""Environments as images, archives and modules: what somebody uses who has no tfprov."""
