"""One oracle's process: its lives, its disk, its clock, and a twin that must do exactly the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ocr_peer.errors import InvariantError
from ocr_peer.protocol.config import Instant, OracleId
from ocr_peer.protocol.effects import Effect
from ocr_peer.protocol.events import Event, StoredState
from ocr_peer.protocol.finalizer import CERTIFICATES_COMPARED
from ocr_peer.protocol.oracle import FUTURE_MESSAGES_PER_SENDER, Oracle
from ocr_peer.protocol.plugin import Attestation
from ocr_peer.protocol.reconfiguration import Reconfiguration
from ocr_peer.protocol.report import BuiltReport, RoundTag
from ocr_peer.protocol.transmission import MAX_PENDING
from ocr_peer.simulation.committee import Committee
from ocr_peer.simulation.faults import MILLION

__all__ = ["Life", "Node", "Signed", "SigningRecord", "over_bound"]

_REPLAY_AFTER = 256
"""Steps that are recorded before the twin repeats them: bounds the memory of a long run."""


@dataclass(frozen=True, slots=True)
class Signed:
    """One payload that an oracle's key signed."""

    kind: str
    tag: RoundTag
    payload: bytes


class SigningRecord:
    """An attestation that remembers what it signed until somebody asks."""

    def __init__(self, attestation: Attestation) -> None:
        self._attestation = attestation
        self.verify_observation = attestation.verify_observation
        self.signing_hash = attestation.signing_hash
        self.verify_report_signature = attestation.verify_report_signature
        self.signed: list[Signed] = []

    def sign_observation(self, tag: RoundTag, query: bytes, observation: bytes) -> bytes:
        """Sign and remember."""
        self.signed.append(Signed("observation", tag, observation))
        return self._attestation.sign_observation(tag, query, observation)

    def sign_report(self, tag: RoundTag, built: BuiltReport) -> bytes:
        """Sign and remember."""
        self.signed.append(Signed("report", tag, built.extra_hash + built.report))
        return self._attestation.sign_report(tag, built)


class Life:
    """An oracle from one start to the next crash."""

    def __init__(self, committee: Committee, own_id: int, *, replayed: bool) -> None:
        self.committee = committee
        self.signing = SigningRecord(committee.attestations[own_id])
        self.oracle = _oracle(committee, own_id, self.signing)
        self._twin = _oracle(committee, own_id, committee.attestations[own_id]) if replayed else None
        self._history: list[tuple[Event, Instant, Sequence[Effect]]] = []
        self._steps = 0

    def step(self, event: Event, now: Instant) -> Sequence[Effect]:
        """One step of the protocol, recorded."""
        effects = self.oracle.step(event, now)
        if self._twin is not None:
            self._history.append((event, now, effects))
            if len(self._history) >= _REPLAY_AFTER:
                self.replay()
        return effects

    def replay(self) -> None:
        """Repeat the recorded steps on an oracle of its own (I9).

        Raises:
            InvariantError: the same events led to other effects.
        """
        twin = self._twin
        if twin is None:
            return
        for event, now, effects in self._history:
            again = twin.step(event, now)
            self._steps += 1
            if again != effects:
                raise InvariantError(f"step {self._steps}, {event}: first {effects}, replayed {again}")
        self._history.clear()


@dataclass(slots=True)
class Node:
    """What survives of an oracle when its process does not."""

    oracle_id: OracleId
    byzantine: bool
    honest: bool
    """Held to the invariants: neither Byzantine nor robbed of its votes."""
    life: Life | None = None
    lives: int = 0
    """Also the number of the current life; results of an earlier one are void."""
    reconfiguration: Reconfiguration[int] | None = None
    """Follows the contract's configurations while the process is up."""
    generation: int = 0
    """The configuration that is stored."""
    published: int = 0
    """The newest one that the chain has told of."""
    disks: dict[int, StoredState] = field(default_factory=dict)
    """By generation, as the store is keyed by config digest."""
    snapshot: dict[int, StoredState] = field(default_factory=dict)
    """What a rollback goes back to."""
    disk_fails: bool = False
    clock_offset: int = 0
    next_clock_offset: int = 0
    armed: int | None = None
    """Real time of the wake-up that is under way."""
    drift_ppm: int = 0
    drift_since: int = 0
    """Real time since which the clock gains on it, or loses."""
    boundaries_to_crash: int | None = None
    crash_before: tuple[str, ...] = ()
    """Dies as one of these leaves: kinds of messages, or `Transmit`."""
    crash_skips: int = 0
    """How many of them leave before."""
    crash_reaches: tuple[int, ...] = ()
    """Who still gets the last one."""
    paused_until: int = 0

    def state(self) -> StoredState:
        """What the disk holds for the current configuration."""
        return self.disks.get(self.generation) or StoredState()

    def clock(self, now: int) -> Instant:
        """What the oracle takes for the time."""
        if self.drift_ppm:
            return Instant(now + self.clock_offset + (now - self.drift_since) * self.drift_ppm // MILLION)
        return Instant(now + self.clock_offset)

    def real_time(self, clock: int) -> int:
        """The first moment at which the oracle's clock shows `clock`."""
        if not self.drift_ppm:
            return clock - self.clock_offset
        ahead = clock - self.clock_offset - self.drift_since
        return self.drift_since - (-ahead * MILLION // (MILLION + self.drift_ppm))

    def drift(self, ppm: int, now: int) -> None:
        """From now on the clock gains `ppm` millionths; what it gained before stays."""
        self.clock_offset = self.clock(now) - now
        self.drift_ppm, self.drift_since = ppm, now

    def reaches_crash(self) -> bool:
        """Whether the process dies at this effect boundary."""
        if self.boundaries_to_crash is None:
            return False
        self.boundaries_to_crash -= 1
        return self.boundaries_to_crash < 0

    def reaches_crash_before(self, name: str) -> bool:
        """Whether the process dies while this message, or transaction, leaves."""
        if name not in self.crash_before:
            return False
        self.crash_skips -= 1
        return self.crash_skips < 0


def over_bound(oracle: Oracle, sender: int | None) -> str | None:
    """Which of the oracle's buffers is larger than it may be (I8)."""
    # The core's memory is nobody else's business; that it is bounded is exactly what is asked here.
    if sender is not None and len(oracle._future[sender]) > FUTURE_MESSAGES_PER_SENDER:  # noqa: SLF001
        return f"{len(oracle._future[sender])} messages of coming epochs from {sender}"  # noqa: SLF001
    finalizer, candidates = oracle._finalizer, oracle._transmission._candidates  # noqa: SLF001
    if len(finalizer._finalized) > finalizer.window:  # noqa: SLF001
        return f"{len(finalizer._finalized)} final rounds remembered"  # noqa: SLF001
    if len(finalizer._compared) > CERTIFICATES_COMPARED:  # noqa: SLF001
        return f"{len(finalizer._compared)} final reports held for comparison"  # noqa: SLF001
    if len(candidates) > MAX_PENDING:
        return f"{len(candidates)} reports under way"
    return None


def _oracle(committee: Committee, own_id: int, attestation: Attestation) -> Oracle:
    return Oracle(
        committee.config,
        committee.private,
        OracleId(own_id),
        attestation=attestation,
        plugin=committee.plugin,
    )
