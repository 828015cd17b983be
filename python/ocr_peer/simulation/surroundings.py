"""What the world outside the committee does to one oracle: sources, endpoints, transactions, as planned."""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.median.config import encode_int192
from ocr_peer.protocol.config import MILLISECOND, SECOND, Instant
from ocr_peer.protocol.events import ChainView
from ocr_peer.simulation.chain import Chain
from ocr_peer.simulation.faults import Fault, FaultKind, FaultPlan
from ocr_peer.simulation.streams import Streams

__all__ = ["Surroundings"]

_PRICE = 100_000
_JITTER = 40


class Surroundings:
    """Answers by oracle and time; each oracle has its own stream."""

    def __init__(self, plan: FaultPlan, n: int, streams: Streams) -> None:
        self._dice = [streams.stream("surroundings", oracle) for oracle in range(n)]
        self._faults: dict[FaultKind, tuple[Fault, ...]] = {kind: plan.of(kind) for kind in FaultKind}

    def observation(self, oracle: int, clock: Instant, elapsed: int) -> tuple[bytes | None, int]:
        """What the oracle's source says, and how long it takes."""
        dice = self._dice[oracle]
        # A price that all can see, within a few units, moving by up to some thousandths a second.
        value = _PRICE + (elapsed // SECOND * 37) % 997 + int(dice.random() * _JITTER)
        latency = int((20 + dice.random() * 180) * MILLISECOND)
        if self._active(FaultKind.SOURCE_DOWN, oracle, elapsed) is not None:
            return None, latency
        wrong = self._active(FaultKind.SOURCE_VALUE, oracle, elapsed)
        if wrong is not None:
            value = wrong.amount
        return crypto.encode_observation(clock // SECOND, encode_int192(value), bytes(24)), latency

    def chain_view(
        self, oracle: int, chain: Chain, now: Instant, clock: Instant, elapsed: int
    ) -> tuple[ChainView | None, int]:
        """What the oracle's endpoint answers, and how long it takes; `None` is a timeout."""
        latency = int((10 + self._dice[oracle].random() * 90) * MILLISECOND)
        if self._active(FaultKind.RPC_DOWN, oracle, elapsed) is not None:
            return None, latency
        stale = self._active(FaultKind.RPC_STALE, oracle, elapsed)
        if stale is not None:
            return chain.view(clock, Instant(now - stale.amount)), latency
        return chain.view(clock), latency

    def mined_after(self, oracle: int, elapsed: int) -> int | None:
        """How long the oracle's transaction takes; `None` if it vanishes."""
        dice = self._dice[oracle]
        latency = int((200 + dice.random() * 800) * MILLISECOND)
        lost = self._active(FaultKind.NOT_MINED, oracle, elapsed)
        if lost is not None and dice.random() < lost.probability:
            return None
        return latency

    def _active(self, kind: FaultKind, oracle: int, elapsed: int) -> Fault | None:
        for fault in self._faults[kind]:
            if fault.start <= elapsed < fault.stop and (not fault.who or oracle in fault.who):
                return fault
        return None
