"""The backends: one subpackage for each kind of environment, behind one protocol."""
