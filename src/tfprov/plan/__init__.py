"""The plan: interpreter, release and variant, decided together."""
