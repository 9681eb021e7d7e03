"""What the machine is: facts, each with its source."""
