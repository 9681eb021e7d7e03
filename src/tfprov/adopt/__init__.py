"""Reads environments that tfprov did not make, finds their defects, and infers the profile to recreate them."""
