"""The fault campaign: runs that are harmed in every way that a seed draws, and must come to their end whole."""
