"""The public face: clusters, runs and their status."""
