"""What is tried after a failure, in which order."""
