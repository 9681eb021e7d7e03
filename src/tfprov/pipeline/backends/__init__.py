"""What makes environments of a kind: one room for each, behind one protocol."""
