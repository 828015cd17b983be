"""Links between oracles: when a message arrives, how often, or not at all."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ocr_peer.protocol.config import MILLISECOND
from ocr_peer.simulation.faults import FOREVER, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.streams import Streams

__all__ = ["Links"]

_NEAREST = 5 * MILLISECOND
_SPREAD = 45 * MILLISECOND
"""A healthy link takes 5 to 50 ms, each message anew: messages overtake each other."""


class Links:
    """The delays of every message, from one stream per sender."""

    def __init__(self, plan: FaultPlan, n: int, streams: Streams) -> None:
        self._faults = plan.of(FaultKind.DELAY, FaultKind.LOSS, FaultKind.DUPLICATE, FaultKind.PARTITION)
        self._dice = [streams.stream("link", sender) for sender in range(n)]
        self._active: tuple[Fault, ...] = ()
        self._changes_at = 0

    def delays(self, sender: int, to: int, kind: str, elapsed: int) -> Sequence[int]:
        """Nanoseconds after which copies of a message arrive; none is a loss."""
        if elapsed >= self._changes_at:
            self._advance(elapsed)
        dice = self._dice[sender]
        base = _NEAREST + int(dice.random() * _SPREAD)
        if not self._active:
            return (base,)
        return self._disturbed(sender, to, kind, base)

    def _disturbed(self, sender: int, to: int, kind: str, base: int) -> Sequence[int]:
        dice = self._dice[sender]
        copies = [base]
        for fault in self._active:
            if fault.what is FaultKind.PARTITION:
                if (sender in fault.who) != (to in fault.who):
                    return ()
                continue
            if not _concerns(fault, sender, to, kind) or dice.random() >= fault.probability:
                continue
            if fault.what is FaultKind.LOSS:
                return ()
            if fault.what is FaultKind.DELAY:
                copies = [copy + _draw(dice, fault.amount) for copy in copies]
            else:
                copies += [base + _draw(dice, 10 * _SPREAD) for _ in range(fault.amount)]
        return copies

    def _advance(self, elapsed: int) -> None:
        self._active = tuple(fault for fault in self._faults if fault.start <= elapsed < fault.stop)
        borders = [border for fault in self._faults for border in (fault.start, fault.stop)]
        self._changes_at = min((border for border in borders if border > elapsed), default=FOREVER)


def _concerns(fault: Fault, sender: int, to: int, kind: str) -> bool:
    if fault.who and sender not in fault.who:
        return False
    if fault.to and to not in fault.to:
        return False
    return not fault.messages or kind in fault.messages


def _draw(dice: random.Random, most: int) -> int:
    return int(dice.random() * most)
