"""Exports of environments as images, archives and modules, for users without tfprov."""
