"""Virtual time: what happens next, and how often what happened."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from ocr_peer.protocol.config import Instant
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.committee import SIMULATION_START

__all__ = ["Calendar", "Counts"]


class Counts:
    """What happened, in numbers."""

    __slots__ = ("accepted", "crashes", "deliveries", "faults_seen", "finalized", "sends", "steps")

    def __init__(self) -> None:
        self.steps = self.sends = self.deliveries = self.crashes = self.accepted = self.faults_seen = 0
        self.finalized: set[tuple[int, RoundTag]] = set()
        """(generation, round) that any honest oracle took for final."""


class Calendar:
    """Actions by time; those of one instant happen in the order in which they were planned."""

    def __init__(self) -> None:
        self.now = SIMULATION_START
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0

    @property
    def elapsed(self) -> int:
        """Nanoseconds since the start."""
        return self.now - SIMULATION_START

    def at(self, elapsed: int, action: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at a time; what is planned first happens first."""
        self._sequence += 1
        heapq.heappush(self._heap, (max(elapsed, self.elapsed), self._sequence, action, arguments))

    def advance(self, until: int) -> bool:
        """Let the next thing happen, unless that is later than `until`."""
        if not self._heap or self._heap[0][0] > until:
            self.now = Instant(SIMULATION_START + until)
            return False
        elapsed, _, action, arguments = heapq.heappop(self._heap)
        self.now = Instant(SIMULATION_START + elapsed)
        action(*arguments)
        return True
