"""What people and machines see of a run: terminal, plain lines, JSON."""
