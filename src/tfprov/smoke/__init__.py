"""The proof: checks that run inside the new environment."""
