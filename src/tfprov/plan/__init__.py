"""What will be done: interpreter, release and variant, decided together."""
