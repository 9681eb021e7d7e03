"""Moving bytes: the only stage that does."""
