"""From any log to the cause, its evidence and the next step: one classifier for the ladder and for `explain`."""
