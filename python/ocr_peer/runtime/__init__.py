"""Runs the pure protocol on trio: the ports it needs, and the one task that owns an oracle."""
