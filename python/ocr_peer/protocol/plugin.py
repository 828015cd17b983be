"""The seam between the protocol and what it reports on, and the keys it signs with. Pure parts only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.report import (
    AttestedReport,
    AttributedObservation,
    AttributedSignature,
    BuiltReport,
    RequestRefused,
    RoundTag,
)

__all__ = ["Attestation", "ReportingPlugin", "SizeLimits"]


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Largest byte lengths of a plugin's query, observation and report."""

    query: int
    observation: int
    report: int


class Attestation(Protocol):
    """Signs with the oracle's own keys and verifies with the committee's, all for one config digest."""

    def sign_observation(self, tag: RoundTag, query: bytes, observation: bytes) -> bytes:
        """64-byte ed25519 signature."""
        ...

    def verify_observation(self, tag: RoundTag, query: bytes, observation: AttributedObservation) -> bool:
        """Whether the observer signed this observation for this round; same verdict on every oracle."""
        ...

    def sign_report(self, tag: RoundTag, built: BuiltReport) -> bytes:
        """65-byte secp256k1 signature."""
        ...

    def signing_hash(self, tag: RoundTag, extra_hash: bytes, report: bytes) -> bytes:
        """The 32 bytes that a report's signatures cover."""
        ...

    def verify_report_signature(self, signing_hash: bytes, signature: AttributedSignature) -> bool:
        """Whether the contract would accept this signature as the signer's."""
        ...


class ReportingPlugin(Protocol):
    """What a feed observes, how observations become a report, and when a report is worth its gas."""

    limits: SizeLimits

    def build_report(
        self, tag: RoundTag, query: bytes, observations: Sequence[AttributedObservation]
    ) -> BuiltReport | RequestRefused:
        """Check every signature and build the report; the same bytes on every oracle, or the same refusal."""
        ...

    def should_report(self, tag: RoundTag, built: BuiltReport, chain: ChainView | None) -> bool:
        """Whether the report says something that the chain should know."""
        ...

    def should_accept(
        self, report: AttestedReport, chain: ChainView, last_accepted: AttestedReport | None
    ) -> bool:
        """Whether a final report is worth transmitting at all."""
        ...

    def should_transmit(self, report: AttestedReport, chain: ChainView) -> bool:
        """Whether an accepted report is still worth transmitting when its turn comes."""
        ...
