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

    __slots__ = ("accepted", "crashes", "finalized", "sends", "steps")

    def __init__(self) -> None:
        self.steps = self.sends = self.crashes = self.accepted = 0
        self.finalized: set[tuple[int, RoundTag]] = set()
        """(generation, round) that any honest oracle took for final."""


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
