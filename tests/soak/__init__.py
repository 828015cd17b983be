"""A committee and a chain that are disturbed for as long as one likes, and a verdict over what reached the chain.

`python -m tests.soak --rounds 1000 --seed 1`; see docs/testing.md.
"""
