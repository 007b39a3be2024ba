"""A page to look at runs: local, read-only."""
