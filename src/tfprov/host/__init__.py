"""Facts of the machine, each with its source."""
