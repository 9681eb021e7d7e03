"""Facts about the machine, each with its source."""
