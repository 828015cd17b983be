"""What one machine of the core stands on in a direct test: keys that can be read, and a plugin that obeys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from ocr_peer.protocol.config import SECOND, CommitteeConfig, ConfigDigest, Duration, Instant, OracleId
from ocr_peer.protocol.effects import Effect, Milestone, MilestoneKind, PeerFault, Persist
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.plugin import SizeLimits
from ocr_peer.protocol.report import (
    AttestedReport,
    AttributedObservation,
    AttributedSignature,
    BuiltReport,
    ReportContext,
    RequestRefused,
    RoundTag,
)

NOW = Instant(1_700_000_000 * SECOND)

E = TypeVar("E")


def after(seconds: float) -> Instant:
    """A moment so many seconds after `NOW`."""
    return Instant(NOW + int(seconds * SECOND))


def only(kind: type[E], effects: Sequence[object]) -> list[E]:
    """The effects of one kind, in order."""
    return [effect for effect in effects if isinstance(effect, kind)]


def records(effects: list[Effect]) -> list[object]:
    """What is made durable, in order."""
    return [effect.record for effect in only(Persist, effects)]


def blamed(effects: list[Effect]) -> list[int]:
    """Who is at fault, in order."""
    return [fault.oracle for fault in only(PeerFault, effects)]


def told(effects: list[Effect]) -> list[tuple[MilestoneKind, RoundTag]]:
    """The milestones, in order."""
    return [(milestone.kind, milestone.tag) for milestone in only(Milestone, effects)]


def details(effects: list[Effect]) -> dict[str, object]:
    """What the milestones say."""
    return {key: value for milestone in only(Milestone, effects) for key, value in milestone.detail}


def observation(oracle: int, tag: RoundTag, body: bytes = b"seen") -> AttributedObservation:
    """As `oracle` signs it."""
    return AttributedObservation(body, observation_signature(oracle, tag, body), OracleId(oracle))


def observation_signature(oracle: int, tag: RoundTag, body: bytes) -> bytes:
    """Names signer, round and content."""
    return b"%d signs observation %d/%d %s" % (oracle, tag.epoch, tag.round, body)


def signing_hash(tag: RoundTag, extra_hash: bytes, report: bytes) -> bytes:
    """What a report's signatures cover."""
    return hashlib.sha256(b"%d/%d" % (tag.epoch, tag.round) + extra_hash + report).digest()


def report_signature(oracle: int, covered: bytes) -> AttributedSignature:
    """As `oracle` signs a report."""
    return AttributedSignature(b"%d signs report " % oracle + covered, OracleId(oracle))


class ReadableKeys:
    """The protocol's `Attestation` of oracle `own_id`, without cryptography."""

    def __init__(self, own_id: int) -> None:
        self.own_id = own_id

    def sign_observation(self, tag: RoundTag, query: bytes, observation: bytes) -> bytes:
        assert query == b""
        return observation_signature(self.own_id, tag, observation)

    def verify_observation(self, tag: RoundTag, query: bytes, observation: AttributedObservation) -> bool:
        expected = observation_signature(observation.observer, tag, observation.observation)
        return query == b"" and observation.signature == expected

    def sign_report(self, tag: RoundTag, built: BuiltReport) -> bytes:
        return report_signature(self.own_id, built.signing_hash).signature

    def signing_hash(self, tag: RoundTag, extra_hash: bytes, report: bytes) -> bytes:
        return signing_hash(tag, extra_hash, report)

    def verify_report_signature(self, signing_hash: bytes, signature: AttributedSignature) -> bool:
        return signature == report_signature(signature.signer, signing_hash)


class ObedientPlugin:
    """Answers as the test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.limits = SizeLimits(query=3, observation=10, report=20)
        self.refusal: RequestRefused | None = None
        self.due = True
        self.acceptable = True
        self.transmittable = True
        self.built: list[tuple[RoundTag, bytes, tuple[AttributedObservation, ...]]] = []
        self.last_accepted: list[AttestedReport | None] = []

    def build_report(
        self, tag: RoundTag, query: bytes, observations: Sequence[AttributedObservation]
    ) -> BuiltReport | RequestRefused:
        self.built.append((tag, query, tuple(observations)))
        return self.refusal or built_report(tag)

    def should_report(self, tag: RoundTag, built: BuiltReport, chain: ChainView | None) -> bool:
        return self.due

    def should_accept(
        self, report: AttestedReport, chain: ChainView, last_accepted: AttestedReport | None
    ) -> bool:
        self.last_accepted.append(last_accepted)
        return self.acceptable

    def should_transmit(self, report: AttestedReport, chain: ChainView) -> bool:
        return self.transmittable


def built_report(tag: RoundTag) -> BuiltReport:
    """The report that every oracle builds for a round."""
    report, extra_hash = b"report %d/%d" % (tag.epoch, tag.round), bytes(32)
    return BuiltReport(report, extra_hash, signing_hash(tag, extra_hash, report), 42, 1_700_000_000, ())


def attested(config: CommitteeConfig, tag: RoundTag) -> AttestedReport:
    """A final report with a quorum's signatures."""
    built = built_report(tag)
    signatures = tuple(report_signature(oracle, built.signing_hash) for oracle in range(config.report_quorum))
    context = ReportContext(config.config_digest, tag.epoch, tag.round, built.extra_hash)
    return AttestedReport(context, built.report, signatures)


def view(config: CommitteeConfig, epoch: int, round_: int, digest: bytes | None = None) -> ChainView:
    """The chain after the transmission of a round."""
    return ChainView(
        ConfigDigest(digest or config.config_digest), epoch, round_, 42, 1_700_000_000, None, 0, 0, NOW
    )


class Turns:
    """A schedule that can be read: oracle `epoch % n` leads, oracle i transmits in stage i - attempt."""

    def __init__(self, config: CommitteeConfig, *, never: frozenset[int] = frozenset()) -> None:
        self._config = config
        self._never = never

    def leader(self, epoch: int) -> OracleId:
        return OracleId(epoch % self._config.n)

    def stage(self, tag: RoundTag, oracle: OracleId, attempt: int) -> int | None:
        return None if oracle in self._never else (oracle - attempt) % self._config.n

    def delay(self, stage: int) -> Duration:
        return Duration(stage * self._config.delta_stage)
