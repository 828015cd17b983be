"""Independent random streams of one seed."""

from __future__ import annotations

import random

from ocr_peer import crypto

__all__ = ["Streams"]


class Streams:
    """One stream per purpose, so that taking a fault away leaves the other draws as they were.

    That is what lets a failing schedule be shrunk: a single shared stream would turn into another run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def octets(self, name: str, index: int = 0) -> bytes:
        """32 bytes that only the seed, the name and the index decide."""
        return crypto.blake3(f"ocr-peer simulation/{self._seed}/{name}/{index}".encode())

    def stream(self, name: str, index: int = 0) -> random.Random:
        """A generator of its own."""
        return random.Random(int.from_bytes(self.octets(name, index)))  # noqa: S311 simulated chance
