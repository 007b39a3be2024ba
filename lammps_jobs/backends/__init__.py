"""Places where runs run: what they must offer, and the two that this library brings."""
