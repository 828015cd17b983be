"""Faults as data: who, when, what. A plan is drawn from the seed or read from a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import Duration

__all__ = ["FOREVER", "MILLION", "Behaviour", "Fault", "FaultKind", "FaultPlan", "check_plan"]

FOREVER = Duration(2**62)
MILLION = 1_000_000
"""Drifts are in parts per million."""
_START = Duration(0)


class FaultKind(StrEnum):
    """What goes wrong. The comments name what `who`, `amount` and `probability` mean."""

    DELAY = "delay"  # who sends; up to `amount` more, with `probability`
    LOSS = "loss"  # who sends; each message with `probability`
    DUPLICATE = "duplicate"  # who sends; `amount` more copies, with `probability`
    PARTITION = "partition"  # who is on one side; nothing crosses
    CRASH = "crash"  # who; at the `amount`-th effect boundary after `start`, or as the (`amount`+1)-th of
    # `messages` leaves, which then reaches `to` only; back at `stop`
    PAUSE = "pause"  # who handles nothing in between
    SKEW = "skew"  # whose clock is `amount` off, from the next start of the process on
    DRIFT = "drift"  # whose clock gains `amount` millionths in between, and keeps what it gained
    DISK = "disk"  # whose writes fail; the oracle is mute until `stop`
    ROLLBACK = "rollback"  # who restarts from an old snapshot; counts as faulty
    RPC_DOWN = "rpc-down"  # whose chain reads time out
    RPC_STALE = "rpc-stale"  # whose chain reads are `amount` old
    NOT_MINED = "not-mined"  # whose transactions vanish
    REORG = "reorg"  # at `start`, the newest `amount` reports vanish from the chain
    SOURCE_DOWN = "source-down"  # whose observations fail
    SOURCE_VALUE = "source-value"  # whose sources say `amount`: an honest oracle, a wrong source
    REQUEST_ROUND = "request-round"  # at `start`, somebody calls requestNewRound
    INVALID_CONFIG = "invalid-config"  # from `start` to `stop` the contract has one that none can serve
    RECONFIGURE = "reconfigure"  # at `start`; oracles learn it within `amount`
    BYZANTINE = "byzantine"  # who follows `behaviour` instead of the protocol


class Behaviour(StrEnum):
    """What a Byzantine oracle does; everything else it does as an honest one."""

    SILENT = "silent"
    """Says nothing."""
    LIE = "lie"
    """Observes the extremes of int192, and impossible times."""
    EQUIVOCATE = "equivocate"
    """Tells different oracles different things."""
    WITHHOLD = "withhold"
    """Keeps final reports back, and releases them to the chain much later."""
    REPLAY = "replay"
    """Repeats what others said before, as its own."""
    FLOOD = "flood"
    """Wishes for far epochs, and fills the others' buffers."""
    FORGE = "forge"
    """Asks for reports over broken collections, and makes up signatures."""
    FUZZ = "fuzz"
    """Sends damaged and random bytes."""
    COLLUDE = "collude"
    """All colluders lie alike, and their leader leaves out who contradicts."""
    CERTIFY = "certify"
    """Certifies an invented report together with its like; takes more than f of them."""
    SLOW = "slow"
    """Leads every round at just under ΔProgress."""
    OMIT = "omit"
    """Leaves the same f oracles out whenever it leads."""
    USURP = "usurp"
    """Sends leaders' messages without leading."""
    OVERRUN = "overrun"
    """As a leader, asks at once for round r_max + 1 and above."""
    TWO_ROUNDS = "two-rounds"
    """Asks different followers to observe for different rounds."""
    TWO_REQUESTS = "two-requests"
    """Asks different followers for reports over different collections, and makes both final if it can."""
    TWO_OBSERVATIONS = "two-observations"
    """Signs a second observation in each round, and sends both to all."""
    SHORT_REQUEST = "short-request"
    """Asks for reports over 2f observations."""
    TWICE_AN_OBSERVER = "twice-an-observer"
    """Asks for reports over collections that list an observer twice."""
    UNKNOWN_OBSERVER = "unknown-observer"
    """Names oracle n, or 255, as an observer."""
    FORGED_OBSERVATION = "forged-observation"
    """Puts an honest oracle's name to something else than it signed."""
    ROUND_REPLAY = "round-replay"
    """Puts an observation into its requests that its observer signed for another round of the epoch."""
    EPOCH_REPLAY = "epoch-replay"
    """The same, signed for another epoch."""
    DIGEST_REPLAY = "digest-replay"
    """The same, signed under another configuration."""
    SHUFFLED_REQUEST = "shuffled-request"
    """Lists the observations in any order, and finishes the round with what followers make of that."""
    BAD_ATTESTATION = "bad-attestation"
    """Makes up the signatures under its reports."""
    OTHER_REPORT = "other-report"
    """Signs another report than its leader's."""
    FAR_FINAL = "far-final"
    """Sends final reports of far epochs, signed by itself only."""
    LAST_EPOCH = "last-epoch"
    """Wishes for epoch 2³²-1."""
    RISING_EPOCHS = "rising-epochs"
    """Wishes for one more epoch with every step."""
    FUTURE_ROUNDS = "future-rounds"
    """Fills the buffers that others keep for coming epochs."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, for some oracles, for some time."""

    what: FaultKind
    who: tuple[int, ...] = ()
    start: Duration = _START
    """Since the start of the simulation."""
    stop: Duration = FOREVER
    probability: float = 1.0
    amount: int = 0
    """A duration in nanoseconds or a number, as the kind says."""
    messages: tuple[str, ...] = ()
    """Only messages of these kinds; all, if empty."""
    to: tuple[int, ...] = ()
    """Only messages to these oracles; all, if empty."""
    behaviour: Behaviour | None = None

    def describe(self) -> str:
        """One line for people."""
        parts = [self.what.value if self.behaviour is None else f"{self.what} ({self.behaviour})"]
        if self.who:
            parts.append("of " + ",".join(map(str, self.who)))
        end = "on" if self.stop >= FOREVER else f"to {self.stop / 1e9:.3f} s"
        parts.append(f"from {self.start / 1e9:.3f} s {end}")
        if self.probability < 1:
            parts.append(f"with probability {self.probability:.2f}")
        if self.amount:
            parts.append(f"amount {self.amount}")
        if self.messages:
            parts.append("messages " + ",".join(self.messages))
        if self.to:
            parts.append("to " + ",".join(map(str, self.to)))
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Everything that goes wrong in one run."""

    faults: tuple[Fault, ...] = ()

    def of(self, *kinds: FaultKind) -> tuple[Fault, ...]:
        """The faults of these kinds, in the plan's order."""
        return tuple(fault for fault in self.faults if fault.what in kinds)

    def byzantine(self) -> dict[int, Behaviour]:
        """Behaviour by oracle."""
        return {
            oracle: fault.behaviour
            for fault in self.of(FaultKind.BYZANTINE)
            if fault.behaviour is not None
            for oracle in fault.who
        }

    def faulty(self) -> frozenset[int]:
        """Oracles of which nothing is promised: Byzantine ones, and those that forget their votes."""
        forgetful = {oracle for fault in self.of(FaultKind.ROLLBACK) for oracle in fault.who}
        return frozenset(forgetful | self.byzantine().keys())

    def stabilisation(self) -> Duration:
        """When the last fault that can end has ended (GST)."""
        ends = [0]
        for fault in self.faults:
            ends.append(fault.start if fault.stop >= FOREVER else max(fault.start, fault.stop))
            if fault.what in (FaultKind.RECONFIGURE, FaultKind.INVALID_CONFIG):
                ends.append(ends[-1] + fault.amount)
        return Duration(max(ends))

    def without(self, index: int) -> FaultPlan:
        """All but one."""
        return FaultPlan(self.faults[:index] + self.faults[index + 1 :])

    def with_replaced(self, index: int, **changes: object) -> FaultPlan:
        """One of them changed."""
        changed = replace(self.faults[index], **changes)  # type: ignore[arg-type]
        return FaultPlan((*self.faults[:index], changed, *self.faults[index + 1 :]))


def check_plan(plan: FaultPlan, n: int) -> None:
    """Refuse what names oracles that do not exist, and clocks that go backwards.

    Raises:
        InputError: names the fault and the oracle, or the drift.
    """
    for position, fault in enumerate(plan.faults, start=1):
        if fault.what is FaultKind.DRIFT and not -MILLION < fault.amount < MILLION:
            raise InputError(
                f"fault {position}: ppm",
                fault.amount,
                "the clock would stand still, or race",
                "stay below a million",
            )
        for oracle in (*fault.who, *fault.to):
            if not 0 <= oracle < n:
                raise InputError(
                    f"fault {position}: who", oracle, f"oracles are 0 … {n - 1}", "name one of them"
                )
