"""Installing locked files into an empty environment, offline."""
