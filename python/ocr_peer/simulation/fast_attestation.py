"""Keyed fakes of the signatures, for long runs: the same verdicts at a hundredth of the cost.

A fake signature is a BLAKE3 hash over the signer's secret and exactly what the real one covers, at the
real one's length. Only this committee's simulation knows the secrets, so nobody can forge one: an oracle
that is handed a signature decides about it as it would about a real one. Reports, extra hashes and signing
hashes are the native module's own; only signatures differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from ocr_peer import crypto
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.median.report import decode_report, encode_report
from ocr_peer.protocol.attestation import report_signing_hash
from ocr_peer.protocol.config import CommitteeConfig, OracleId, ReportFormat
from ocr_peer.protocol.report import (
    NO_EXTRA_HASH,
    AttributedObservation,
    AttributedSignature,
    BuiltReport,
    RequestRefused,
    RoundTag,
)

__all__ = ["FastAttestation", "FastMedianPlugin"]

_REMEMBERED = 64
"""Requests whose report is remembered: every oracle of a committee builds the same one."""


def _observation_signature(secret: bytes, digest: bytes, tag: RoundTag, query: bytes, body: bytes) -> bytes:
    head = b"%s%s%d/%d/%d:" % (secret, digest, tag.epoch, tag.round, len(query))
    return crypto.blake3(head + query + body) * 2


class FastAttestation:
    """One oracle's fake keys, and the committee's for verification."""

    def __init__(self, config: CommitteeConfig, secrets: Sequence[bytes], own_id: int) -> None:
        self._config = config
        self._digest = config.config_digest
        self._secrets = secrets
        self._own = secrets[own_id]

    def sign_observation(self, tag: RoundTag, query: bytes, observation: bytes) -> bytes:
        """64 bytes."""
        return _observation_signature(self._own, self._digest, tag, query, observation)

    def verify_observation(self, tag: RoundTag, query: bytes, observation: AttributedObservation) -> bool:
        """Whether the observer made it; an index without oracle signs nothing."""
        if not 0 <= observation.observer < len(self._secrets):
            return False
        secret = self._secrets[observation.observer]
        made = _observation_signature(secret, self._digest, tag, query, observation.observation)
        return made == observation.signature

    def sign_report(self, tag: RoundTag, built: BuiltReport) -> bytes:
        """65 bytes."""
        return _report_signature(self._own, self.signing_hash(tag, built.extra_hash, built.report))

    def signing_hash(self, tag: RoundTag, extra_hash: bytes, report: bytes) -> bytes:
        """The real one."""
        return report_signing_hash(self._config, tag, extra_hash, report)

    def verify_report_signature(self, signing_hash: bytes, signature: AttributedSignature) -> bool:
        """Whether the signer made it; an index without oracle signs nothing."""
        if not 0 <= signature.signer < len(self._secrets):
            return False
        return _report_signature(self._secrets[signature.signer], signing_hash) == signature.signature


def _report_signature(secret: bytes, signing_hash: bytes) -> bytes:
    return crypto.blake3(secret + signing_hash) * 2 + b"\x00"


class FastMedianPlugin(MedianPlugin):
    """The median plugin, its report requests checked against fake signatures."""

    def __init__(
        self, config: CommitteeConfig, committee: crypto.Committee, attestation: FastAttestation
    ) -> None:
        super().__init__(config, committee)
        self._config = config
        self._n, self._f = config.n, config.f
        self._attestation = attestation
        self._built: dict[
            tuple[RoundTag, bytes, tuple[AttributedObservation, ...]], BuiltReport | RequestRefused
        ] = {}

    def build_report(
        self, tag: RoundTag, query: bytes, observations: Sequence[AttributedObservation]
    ) -> BuiltReport | RequestRefused:
        """The native call's rules in its order (`rust/ocr_crypto/src/follower.rs`), with fake signatures."""
        key = (tag, query, tuple(observations))
        known = self._built.get(key)
        if known is None:
            known = self._refusal(tag, query, observations) or self._build(tag, query, observations)
            if len(self._built) >= _REMEMBERED:
                del self._built[next(iter(self._built))]
            self._built[key] = known
        return known

    def _refusal(
        self, tag: RoundTag, query: bytes, observations: Sequence[AttributedObservation]
    ) -> RequestRefused | None:
        if len(observations) > self._n:
            return RequestRefused("too_many_observations")
        seen: set[int] = set()
        for item in observations:
            if not 0 <= item.observer < self._n:
                return RequestRefused("observer_out_of_range", item.observer)
            if item.observer in seen:
                return RequestRefused("duplicate_observer", item.observer)
            seen.add(item.observer)
        if len(observations) <= 2 * self._f:
            return RequestRefused("too_few_observations")
        for item in observations:
            if not self._attestation.verify_observation(tag, query, item):
                return RequestRefused("invalid_signature", item.observer)
        return RequestRefused("query_not_empty") if query else None

    def _build(
        self, tag: RoundTag, query: bytes, observations: Sequence[AttributedObservation]
    ) -> BuiltReport | RequestRefused:
        bodies: list[tuple[int, bytes, bytes, int]] = []
        left_out: list[OracleId] = []
        for item in observations:
            body = crypto.decode_observation(item.observation)
            if body is None:
                left_out.append(item.observer)
            else:
                bodies.append((body[0], body[1], body[2], item.observer))
        if len(bodies) <= self._f:
            return RequestRefused("too_few_decodable")
        config = self._config
        report = encode_report(bodies, config.report_format)
        extra_hash = NO_EXTRA_HASH
        if config.report_format is ReportFormat.OCR2:
            pairs = [(item.observation, item.observer) for item in observations]
            extra_hash = crypto.inputs_hash(query, pairs)
        said = decode_report(report, config.report_format)
        return BuiltReport(
            report=report,
            extra_hash=extra_hash,
            signing_hash=report_signing_hash(config, tag, extra_hash, report),
            median=said.median,
            observations_timestamp=said.timestamp,
            left_out=tuple(left_out),
        )
