"""Virtual time: what happens next, and how often what happened."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from typing import Any

from ocr_peer.protocol.config import Instant
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.committee import SIMULATION_START

__all__ = ["Calendar", "Counts"]


_MOST_REASONS = 256
"""Reasons may hold numbers that a liar chose."""


class Counts:
    """What happened, in numbers."""

    __slots__ = ("accepted", "crashes", "evidence", "finalized", "peer_faults", "sent", "steps")

    def __init__(self) -> None:
        self.evidence = 0
        """Proofs of equivocation that honest oracles hold."""
        self.peer_faults: Counter[str] = Counter()
        """What honest oracles counted against others, by oracle and rule."""
        self.sent: Counter[str] = Counter()
        """Messages by kind, one for each recipient."""
        self.steps = self.crashes = self.accepted = 0
        self.finalized: set[tuple[int, RoundTag]] = set()
        """(generation, round) that any honest oracle took for final."""

    def count_fault(self, oracle: int, reason: str) -> None:
        """An honest oracle counted something against `oracle`; rare rules share a line in the end."""
        name = f"oracle {oracle}: {reason}"
        if name not in self.peer_faults and len(self.peer_faults) >= _MOST_REASONS:
            name = "others"
        self.peer_faults[name] += 1


class Calendar:
    """Actions by time; those of one instant happen in the order in which they were planned."""

    def __init__(self) -> None:
        self.now = SIMULATION_START
        self.elapsed = 0
        """Nanoseconds since the start."""
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0

    def at(self, elapsed: int, action: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at a time; what is planned first happens first."""
        self._sequence += 1
        heapq.heappush(self._heap, (max(elapsed, self.elapsed), self._sequence, action, arguments))

    def advance(self, until: int) -> bool:
        """Let the next thing happen, unless that is later than `until`."""
        if not self._heap or self._heap[0][0] > until:
            self._move_to(until)
            return False
        elapsed, _, action, arguments = heapq.heappop(self._heap)
        self._move_to(elapsed)
        action(*arguments)
        return True

    def _move_to(self, elapsed: int) -> None:
        self.elapsed = elapsed
        self.now = Instant(SIMULATION_START + elapsed)
