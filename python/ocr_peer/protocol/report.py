"""Observations, reports and their attestations. Layouts: libocr `evmreportcodec` and `types.ReportContext`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from ocr_peer.protocol.config import ConfigDigest, OracleId

__all__ = [
    "NO_EXTRA_HASH",
    "AttestedReport",
    "AttributedObservation",
    "AttributedSignature",
    "BuiltReport",
    "ReportContext",
    "RequestRefused",
    "RoundTag",
]

NO_EXTRA_HASH = bytes(32)
"""The h of packed reports, whose signatures do not cover it."""


class RoundTag(NamedTuple):
    """Names one round: (epoch, round), ordered as the contract orders them."""

    epoch: int
    round: int


@dataclass(frozen=True, slots=True)
class AttributedObservation:
    """One oracle's signed observation as a report request carries it."""

    observation: bytes
    signature: bytes
    """ed25519, 64 bytes where well-formed."""
    observer: OracleId


@dataclass(frozen=True, slots=True)
class AttributedSignature:
    """One oracle's on-chain signature: 65 bytes r ‖ s ‖ v, v in {0, 1}."""

    signature: bytes
    signer: OracleId


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What a report's signatures bind it to, beside its bytes."""

    config_digest: ConfigDigest
    epoch: int
    round: int
    extra_hash: bytes
    """h, 32 bytes: SHA-256 over the round's inputs; zero in the packed format."""

    @property
    def tag(self) -> RoundTag:
        """The round that made the report."""
        return RoundTag(self.epoch, self.round)


@dataclass(frozen=True, slots=True)
class BuiltReport:
    """What a follower derives from a valid report request; every honest oracle derives the same."""

    report: bytes
    extra_hash: bytes
    signing_hash: bytes
    """32 bytes that the on-chain signature covers."""
    median: int
    observations_timestamp: int
    """Unix seconds."""
    left_out: tuple[OracleId, ...]
    """Observers whose validly signed body does not decode; they stay in OCR2's `extra_hash` only."""


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A report request that no honest oracle answers."""

    rule: str
    oracle: OracleId | None = None
    """Whose part of the request broke the rule, where it is one oracle's."""


@dataclass(frozen=True, slots=True)
class AttestedReport:
    """A final report: a quorum's signatures over report and context."""

    context: ReportContext
    report: bytes
    signatures: tuple[AttributedSignature, ...]

    def with_signatures(self, count: int) -> AttestedReport:
        """The same with the first `count` signatures only: a contract takes a fixed number of them."""
        return replace(self, signatures=self.signatures[:count])
