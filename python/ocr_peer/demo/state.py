"""What the demo knows of its committee: folded from the nodes' log lines and the chain."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from ocr_peer.demo.audit import AnswerAudit
from ocr_peer.demo.processes import LogLine
from ocr_peer.median.config import decode_int192
from ocr_peer.protocol.effects import MilestoneKind

__all__ = ["MILESTONES", "CommitteeState", "OracleState", "SeenAnswer", "percentile"]

_PHASES = {
    MilestoneKind.EPOCH_ENTERED: "waiting",
    MilestoneKind.ROUND_STARTED: "leading",
    MilestoneKind.OBSERVATION_REQUESTED: "observing",
    MilestoneKind.OBSERVATION_SENT: "observed",
    MilestoneKind.OBSERVATION_FAILED: "no data",
    MilestoneKind.REPORT_REQUESTED: "checking",
    MilestoneKind.REPORT_SIGNED: "signed",
    MilestoneKind.REPORT_SKIPPED: "skipped",
    MilestoneKind.FINALIZED: "final",
}

MILESTONES = frozenset(kind.value for kind in MilestoneKind)
"""Log lines that are steps of a round."""

_ROUND_STARTS = 4096
"""Start times of rounds kept for the latency of answers to come."""


@dataclass(slots=True)
class OracleState:
    """One oracle as its own log tells it."""

    up: bool = False
    oracle: int | None = None
    peers: int = 0
    epoch: int = 0
    leader: int | None = None
    round: int = 0
    phase: str = "starting"
    last_observation: int | None = None
    observations_sent: int = 0
    included: int = 0
    """Reports on chain that hold its observation."""
    transmissions: int = 0


@dataclass(frozen=True, slots=True)
class SeenAnswer:
    """An audited answer, and when this process first saw its block."""

    audit: AnswerAudit
    seen_mono_ns: int
    latency_ms: float | None
    """From the leader's request to this sight of the block; `None` if the request was not logged."""


@dataclass(slots=True)
class CommitteeState:
    """The whole committee; oracles by oracle id."""

    oracles: list[OracleState]
    answers: deque[SeenAnswer] = field(default_factory=lambda: deque(maxlen=10_000))
    answer_count: int = 0
    problems: list[str] = field(default_factory=list)
    median_mismatches: int = 0
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    """Latest happenings, for people."""
    round_starts: dict[tuple[int, int], int] = field(default_factory=dict)
    _changed: trio.Event = field(default_factory=trio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, looking again whenever something was folded in."""
        while not condition():
            await self._changed.wait()

    def tell_change(self) -> None:
        """Wake everybody who waits for something to happen."""
        self._changed.set()
        self._changed = trio.Event()

    def fold(self, oracle: int, line: LogLine) -> None:
        """Take one log line of an oracle in."""
        self._fold(self.oracles[oracle], line)
        self.tell_change()

    def _fold(self, state: OracleState, line: LogLine) -> None:
        event = str(line.get("event"))
        if event == "peers":
            state.peers = int(line["connected"])
            return
        if event not in MILESTONES:
            return
        kind = MilestoneKind(event)
        tag = (int(line["epoch"]), int(line["round"]))
        state.phase = _PHASES.get(kind, state.phase)
        match kind:
            case MilestoneKind.EPOCH_ENTERED:
                state.epoch, state.round, state.leader = tag[0], 0, int(line["leader"])
            case MilestoneKind.ROUND_STARTED:
                self.round_starts[tag] = int(line["mono_ns"])
                while len(self.round_starts) > _ROUND_STARTS:
                    del self.round_starts[next(iter(self.round_starts))]
            case MilestoneKind.OBSERVATION_REQUESTED:
                state.epoch, state.round = tag
            case MilestoneKind.OBSERVATION_SENT:
                state.observations_sent += 1
                state.last_observation = _observed_value(line["observation"])
            case _:
                pass

    def add_answer(self, audit: AnswerAudit) -> SeenAnswer:
        """Take one answer on chain in."""
        now = time.monotonic_ns()
        start = self.round_starts.get((audit.epoch, audit.round))
        answer = SeenAnswer(audit, now, None if start is None else (now - start) / 1e6)
        self.answers.append(answer)
        self.answer_count += 1
        self.median_mismatches += audit.answer != audit.median
        self.problems.extend(audit.problems)
        self.oracles[audit.transmitter].transmissions += 1
        for observer in audit.observers:
            self.oracles[observer].included += 1
        self.tell_change()
        return answer

    @property
    def epoch(self) -> int:
        """Highest epoch that any oracle is in."""
        return max(state.epoch for state in self.oracles)

    @property
    def leader(self) -> int | None:
        """Leader of that epoch."""
        return max(self.oracles, key=lambda state: state.epoch).leader

    def latencies_ms(self) -> list[float]:
        """Latencies of the answers kept, ascending."""
        return sorted(answer.latency_ms for answer in self.answers if answer.latency_ms is not None)


def percentile(ascending: list[float], share: float) -> float | None:
    """Nearest-rank percentile; `None` of nothing."""
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def _observed_value(encoded: str) -> int | None:
    # The body's second field is the value: tag 0x12, length 24, then the int192.
    data = bytes.fromhex(encoded)
    start = data.find(b"\x12\x18")
    return decode_int192(data[start + 2 : start + 26]) if start >= 0 and len(data) >= start + 26 else None
