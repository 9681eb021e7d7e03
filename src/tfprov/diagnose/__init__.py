"""Finds the cause of a failure in a log, with its evidence and the next step; used by the ladder and by `explain`."""
