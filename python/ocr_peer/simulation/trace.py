"""The canonical record of a run: one line per event, folded into a digest."""

from __future__ import annotations

from typing import NamedTuple

from ocr_peer import crypto

__all__ = ["Entry", "Trace"]

_FOLD = 512


class Entry(NamedTuple):
    """Something that happened; a message's arrival knows when it left."""

    elapsed: int
    """Nanoseconds since the start."""
    oracle: int
    """-1 for the chain and the world."""
    verb: str
    peer: int
    text: str
    sent: int


class Trace:
    """Entries, in order. The digest covers all; `keep` says whether they also stay in memory."""

    def __init__(self, *, keep: bool) -> None:
        self.entries: list[Entry] = []
        self.length = 0
        self._keep = keep
        self._pending: list[str] = []
        self._folded = b""

    def add(
        self, elapsed: int, oracle: int, verb: str, peer: int = -1, text: str = "", *, sent: int = -1
    ) -> None:
        """Record one entry."""
        pending = self._pending
        pending.append(f"{elapsed} {oracle} {verb} {peer} {text} {sent}")
        self.length += 1
        if self._keep:
            self.entries.append(Entry(elapsed, oracle, verb, peer, text, sent))
        if len(pending) >= _FOLD:
            self._fold()

    def digest(self) -> str:
        """BLAKE3 over all lines; equal on every machine for equal seeds."""
        self._fold()
        return self._folded.hex()

    def _fold(self) -> None:
        if self._pending:
            self._folded = crypto.blake3(self._folded + "\n".join(self._pending).encode())
            self._pending = []
