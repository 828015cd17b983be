"""A committee in memory: real oracles, real signatures, real bytes; virtual time and a chain of one register.

Everything is decided by the arguments, so a test that fails fails again.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from ocr_peer import crypto
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig, encode_int192
from ocr_peer.median.plugin import MedianPlugin, report_median
from ocr_peer.protocol.attestation import CommitteeAttestation, committee_keys
from ocr_peer.protocol.config import (
    SECOND,
    CommitteeConfig,
    ConfigDigest,
    Duration,
    Instant,
    OracleId,
    OracleIdentity,
    PrivateConfig,
    ReportFormat,
)
from ocr_peer.protocol.effects import (
    Broadcast,
    Effect,
    Milestone,
    MilestoneKind,
    Observe,
    PeerFault,
    Persist,
    ReadChain,
    Send,
    Transmit,
)
from ocr_peer.protocol.events import (
    ChainRead,
    ChainView,
    Event,
    MessageReceived,
    ObservationMade,
    Start,
    StoredState,
    TimeAdvanced,
)
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import Message
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.simulation.durable import written
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message

EPOCH_START = Instant(1_700_000_000 * SECOND)
MS = Duration(1_000_000)

Delays = Callable[[OracleId, OracleId, Message], Iterable[int]]
"""Delivery times of one message after sending, ns; none is a loss, two are a duplicate."""


def _seed(*parts: object) -> bytes:
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()


@dataclass
class Keys:
    """The signing keys of one oracle."""

    offchain: bytes
    onchain: bytes


def member_keys(oracle: int) -> Keys:
    """Deterministic keys of test oracle number `oracle`."""
    return Keys(_seed("offchain", oracle), _seed("onchain", oracle))


def committee_config(n: int, f: int, **changes: object) -> CommitteeConfig:
    """A brisk test configuration."""
    identities = tuple(
        OracleIdentity(
            crypto.ed25519_public_key(member_keys(i).offchain),
            crypto.secp256k1_address(member_keys(i).onchain),
            f"12D3KooWtest{i}",
            "0x" + _seed("transmitter", i)[:20].hex(),
        )
        for i in range(n)
    )
    config = CommitteeConfig(
        config_digest=ConfigDigest(b"\x00\x01" + _seed("digest")[2:]),
        f=f,
        oracles=identities,
        delta_progress=Duration(5 * SECOND),
        delta_resend=Duration(2 * SECOND),
        delta_round=Duration(SECOND),
        delta_grace=Duration(100 * MS),
        delta_stage=Duration(2 * SECOND),
        r_max=5,
        stage_sizes=(1,) * n,
        reporting_plugin_config=MedianOffchainConfig(False, 0, False, 0, Duration(10 * SECOND)).encode(),
        max_duration_query=Duration(0),
        max_duration_observation=Duration(500 * MS),
        max_duration_report=Duration(500 * MS),
        max_duration_should_accept=Duration(500 * MS),
        max_duration_should_transmit=Duration(500 * MS),
        onchain_config=MedianLimits(1, 10**12).encode(),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


@dataclass
class Register:
    """The aggregator reduced to what the protocol reads."""

    config_digest: ConfigDigest
    accepted: list[tuple[Instant, OracleId, AttestedReport]] = field(default_factory=list)
    stale: int = 0
    refuse_from: frozenset[OracleId] = frozenset()
    """Transmitters whose transactions never land."""
    readable: bool = True
    report_format: ReportFormat = ReportFormat.OCR2

    def view(self, now: Instant) -> ChainView | None:
        """The state as an oracle reads it."""
        if not self.readable:
            return None
        if not self.accepted:
            return ChainView(self.config_digest, 0, 0, 0, 0, None, 0, 0, now)
        at, _, report = self.accepted[-1]
        tag = report.context.tag
        return ChainView(
            self.config_digest,
            tag.epoch,
            tag.round,
            report_median(report.report, self.report_format),
            at // SECOND,
            None,
            0,
            0,
            now,
        )

    def transmit(self, oracle: OracleId, report: AttestedReport, now: Instant) -> None:
        """Take the report if it is newer than the latest."""
        if oracle in self.refuse_from:
            return
        latest = self.accepted[-1][2].context.tag if self.accepted else RoundTag(0, 0)
        if report.context.tag <= latest:
            self.stale += 1
            return
        self.accepted.append((now, oracle, report))


class Committee:
    """n oracles, a network with the delays that a test gives it, and a chain."""

    def __init__(self, n: int = 4, f: int = 1, *, delays: Delays | None = None, **changes: object) -> None:
        self.config = committee_config(n, f, **changes)
        self.private = PrivateConfig(_seed("leader key")[:16], _seed("transmission key")[:16])
        self.now = EPOCH_START
        self.chain = Register(self.config.config_digest, report_format=self.config.report_format)
        self.observe: Callable[[OracleId, RoundTag], int | None] = lambda oracle, tag: (
            100_000 + 10 * oracle + tag.round
        )
        self.delays: Delays = delays or (lambda *_: (5 * MS,))
        self.milestones: list[tuple[Instant, OracleId, Milestone]] = []
        self.faults: list[tuple[OracleId, PeerFault]] = []
        self.evidence: list[tuple[OracleId, Evidence]] = []
        self.sent: list[tuple[OracleId, OracleId | None, Message]] = []
        self.stored: list[StoredState] = [StoredState() for _ in range(n)]
        self.fail_writes: set[OracleId] = set()
        self.oracles: dict[OracleId, Oracle] = {}
        self._queue: list[tuple[int, int, OracleId, int, Event]] = []
        self._sequence = count()
        self._life = dict.fromkeys(range(n), 0)

    def start(self, *oracles: int) -> None:
        """Start the given oracles, or all, from what they have stored."""
        started = [OracleId(index) for index in oracles or range(self.config.n)]
        for oracle_id in started:
            self._life[oracle_id] += 1
            self.oracles[oracle_id] = self._oracle(oracle_id)
        for oracle_id in started:
            self._step(oracle_id, Start(self.stored[oracle_id], self.chain.view(self.now)))

    def kill(self, *oracles: int) -> None:
        """Stop at once; what is not stored is lost."""
        for index in oracles:
            self.oracles.pop(OracleId(index), None)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let virtual time pass; true as soon as `until` holds."""
        end = self.now + int(seconds * SECOND)
        while not until():
            due = self._next_due()
            if due is None or due > end:
                self.now = Instant(end)
                return until()
            self.now = Instant(max(self.now, due))
            self._advance()
        return True

    def inject(self, to: int, event: Event) -> list[Effect]:
        """Hand one oracle an event now."""
        return self._step(OracleId(to), event)

    def answers(self) -> list[int]:
        """Medians accepted on chain, in order."""
        return [
            report_median(report.report, self.config.report_format) for _, _, report in self.chain.accepted
        ]

    def reached(self, kind: MilestoneKind, oracle: int | None = None) -> list[RoundTag]:
        """Rounds in which an oracle, or any, reached the milestone."""
        return [m.tag for _, who, m in self.milestones if m.kind is kind and oracle in (None, who)]

    def _oracle(self, oracle_id: OracleId) -> Oracle:
        keys, committee = member_keys(oracle_id), committee_keys(self.config)
        attestation = CommitteeAttestation(
            self.config,
            committee,
            offchain=crypto.OffchainSigner(keys.offchain),
            onchain=crypto.OnchainSigner(keys.onchain),
        )
        plugin = MedianPlugin(self.config, committee)
        return Oracle(self.config, self.private, oracle_id, attestation=attestation, plugin=plugin)

    def _next_due(self) -> int | None:
        deadlines = [d for oracle in self.oracles.values() if (d := oracle.next_deadline()) is not None]
        return min([*deadlines, *(self._queue[:1] and [self._queue[0][0]])], default=None)

    def _advance(self) -> None:
        if self._queue and self._queue[0][0] <= self.now:
            _, _, oracle_id, life, event = heapq.heappop(self._queue)
            if oracle_id in self.oracles and life == self._life[oracle_id]:
                self._step(oracle_id, event)
            return
        for oracle_id, oracle in sorted(self.oracles.items()):
            deadline = oracle.next_deadline()
            if deadline is not None and deadline <= self.now:
                self._step(oracle_id, TimeAdvanced())
                return

    def _later(self, delay: int, to: OracleId, event: Event) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._sequence), to, self._life[to], event))

    def _step(self, oracle_id: OracleId, event: Event) -> list[Effect]:
        effects = self.oracles[oracle_id].step(event, self.now)
        for effect in effects:
            if isinstance(effect, Persist) and oracle_id in self.fail_writes:
                self.kill(oracle_id)
                break
            self._carry_out(oracle_id, effect)
        return effects

    def _carry_out(self, oracle_id: OracleId, effect: Effect) -> None:
        match effect:
            case Persist(record):
                if isinstance(record, Evidence):
                    self.evidence.append((oracle_id, record))
                self.stored[oracle_id] = written(self.stored[oracle_id], [record])
            case Send(to, message):
                self.sent.append((oracle_id, to, message))
                self._deliver(oracle_id, to, message)
            case Broadcast(message):
                self.sent.append((oracle_id, None, message))
                for to in range(self.config.n):
                    if to != oracle_id:
                        self._deliver(oracle_id, OracleId(to), message)
            case Observe(tag):
                value = self.observe(oracle_id, tag)
                observation = None
                if value is not None:
                    observation = crypto.encode_observation(
                        self.now // SECOND, encode_int192(value), bytes(24)
                    )
                self._later(20 * MS, oracle_id, ObservationMade(tag, observation))
            case ReadChain(tag):
                self._later(10 * MS, oracle_id, ChainRead(tag, self.chain.view(self.now)))
            case Transmit(report):
                self.chain.transmit(oracle_id, report, self.now)
            case Milestone():
                self.milestones.append((self.now, oracle_id, effect))
            case PeerFault():
                self.faults.append((oracle_id, effect))

    def _deliver(self, sender: OracleId, to: OracleId, message: Message) -> None:
        decoded = decode_message(encode_message(message))
        assert not isinstance(decoded, Undecodable)
        assert decoded == message
        for delay in self.delays(sender, to, message):
            self._later(delay, to, MessageReceived(sender, decoded))
