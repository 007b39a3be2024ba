"""Rehearsals: whether, and how truly, a script survives the loss of its machine."""
