"""What the owner of a feed does: take in the oracles' identities, deploy an aggregator, configure and read it.

`docs/contract.md` is the guide, `docs/identity.md` describes the identity files.
"""
