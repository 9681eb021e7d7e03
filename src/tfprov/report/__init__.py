"""Output for people and machines: terminal, plain lines, pages, JSON."""
