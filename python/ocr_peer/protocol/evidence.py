"""Proof that an oracle lied: two different payloads that its key signed for one round.

Anyone can check a proof: it carries the key, and nothing but that key's own signatures convicts. A proof
against an oracle that did not lie cannot be made by others, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ocr_peer import crypto
from ocr_peer.protocol.config import CommitteeConfig, ConfigDigest, OracleId, ReportFormat
from ocr_peer.protocol.messages import Final, ReportReq
from ocr_peer.protocol.report import AttributedObservation, RoundTag

__all__ = [
    "Evidence",
    "EvidenceKind",
    "SignedPayload",
    "differing_observations",
    "differing_reports",
    "holds",
]


_DIGEST_PREFIX = b"\x00\x01"
"""Begins every digest of a configuration on an EVM chain (libocr `types.ConfigDigestPrefixEVM`)."""


class EvidenceKind(StrEnum):
    """What was signed twice."""

    OBSERVATION = "observation"
    """The payload is the observation's bytes; signed with the off-chain key."""
    REPORT = "report"
    """The payload is h (32 bytes) ‖ the report's bytes; signed with the on-chain key."""
    PACKED_REPORT = "packed_report"
    """The payload is the bytes of aggregator B's report; signed with the on-chain key."""


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """What an oracle put its name to, and the signature (64 or 65 bytes)."""

    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """`oracle`, under this configuration, signed two different payloads of one kind for one round."""

    config_digest: ConfigDigest
    oracle: OracleId
    key: bytes
    """The ed25519 public key (32 bytes) for observations, the signing address (20 bytes) for reports."""
    kind: EvidenceKind
    tag: RoundTag
    first: SignedPayload
    second: SignedPayload

    @classmethod
    def of_observations(
        cls,
        config: CommitteeConfig,
        tag: RoundTag,
        first: AttributedObservation,
        second: AttributedObservation,
    ) -> Evidence:
        """Two observations of one observer for one round, both signatures verified."""
        return cls(
            config.config_digest,
            first.observer,
            config.oracles[first.observer].offchain_public_key,
            EvidenceKind.OBSERVATION,
            tag,
            SignedPayload(first.observation, first.signature),
            SignedPayload(second.observation, second.signature),
        )

    @property
    def accusation(self) -> str:
        """What the oracle did, as a fault to be counted."""
        return f"signed two different {self.kind.replace('_', ' ')}s for one round"


def differing_observations(
    first: ReportReq, second: ReportReq
) -> Iterator[tuple[AttributedObservation, AttributedObservation]]:
    """Pairs that two requests of one round quote of the same observer; signatures are not looked at."""
    quoted = {item.observer: item for item in first.observations}
    for item in second.observations:
        known = quoted.get(item.observer)
        if known is not None and known.observation != item.observation:
            yield known, item


def differing_reports(config: CommitteeConfig, first: Final, second: Final) -> list[Evidence]:
    """Against all who signed both of two verified final reports of one round, if the reports differ."""
    packed = config.report_format is ReportFormat.PACKED
    kind = EvidenceKind.PACKED_REPORT if packed else EvidenceKind.REPORT
    # Only what is signed convicts, and h is not in the packed format.
    payloads = [item.report if packed else item.extra_hash + item.report for item in (first, second)]
    if payloads[0] == payloads[1]:
        return []
    signed_first = {item.signer: item.signature for item in first.signatures}
    return [
        Evidence(
            config.config_digest,
            item.signer,
            config.oracles[item.signer].onchain_signing_address,
            kind,
            RoundTag(first.epoch, first.round),
            SignedPayload(payloads[0], signed_first[item.signer]),
            SignedPayload(payloads[1], item.signature),
        )
        for item in second.signatures
        if item.signer in signed_first
    ]


def holds(evidence: Evidence) -> bool:
    """Whether the key did sign both payloads, and they differ. Needs nothing but the evidence itself."""
    if evidence.first.payload == evidence.second.payload:
        return False
    verifies = _VERIFIES[evidence.kind]
    try:
        return verifies(evidence, evidence.first) and verifies(evidence, evidence.second)
    except (ValueError, OverflowError):
        # A key, digest or hash of the wrong length, an epoch or round out of range.
        return False


def _observation_verifies(evidence: Evidence, item: SignedPayload) -> bool:
    if crypto.ed25519_key_weakness(evidence.key) is not None:
        # Anyone can make signatures that such a key verifies; they convict nobody.
        return False
    committee = crypto.Committee(evidence.config_digest, 0, [evidence.key], [bytes(20)])
    tag = evidence.tag
    return committee.verify_observation(tag.epoch, tag.round, b"", item.payload, 0, item.signature)


def _report_verifies(evidence: Evidence, item: SignedPayload) -> bool:
    tag, extra_hash, report = evidence.tag, item.payload[:32], item.payload[32:]
    signing_hash = crypto.report_signing_hash(
        evidence.config_digest, tag.epoch, tag.round, extra_hash, report
    )
    return crypto.recover_address(signing_hash, item.signature) == evidence.key


def _packed_report_verifies(evidence: Evidence, item: SignedPayload) -> bool:
    if not evidence.config_digest.startswith(_DIGEST_PREFIX):
        # What is signed for the OCR2 format begins with the report's hash: two rounds of one report would
        # otherwise look like two packed reports of a configuration with that hash as its digest.
        return False
    tag = evidence.tag
    signing_hash = crypto.packed_signing_hash(evidence.config_digest, tag.epoch, tag.round, item.payload)
    return crypto.recover_address(signing_hash, item.signature) == evidence.key


_VERIFIES = {
    EvidenceKind.OBSERVATION: _observation_verifies,
    EvidenceKind.REPORT: _report_verifies,
    EvidenceKind.PACKED_REPORT: _packed_report_verifies,
}
