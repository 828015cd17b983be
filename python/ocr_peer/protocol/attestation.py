"""An oracle's own keys and its committee's, as the protocol's `Attestation`."""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.protocol.config import CommitteeConfig, ReportFormat
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature, BuiltReport, RoundTag

__all__ = ["CommitteeAttestation", "committee_keys", "report_signing_hash"]


def committee_keys(config: CommitteeConfig) -> crypto.Committee:
    """The committee's verification keys in the native module's form."""
    return crypto.Committee(
        config.config_digest,
        config.f,
        [identity.offchain_public_key for identity in config.oracles],
        [identity.onchain_signing_address for identity in config.oracles],
        report_format=config.report_format,
    )


def report_signing_hash(config: CommitteeConfig, tag: RoundTag, extra_hash: bytes, report: bytes) -> bytes:
    """The 32 bytes that signatures of a report cover; those of a packed report do not cover `extra_hash`."""
    digest = config.config_digest
    if config.report_format is ReportFormat.PACKED:
        return crypto.packed_signing_hash(digest, tag.epoch, tag.round, report)
    return crypto.report_signing_hash(digest, tag.epoch, tag.round, extra_hash, report)


class CommitteeAttestation:
    """Real signatures: ed25519 over observations, secp256k1 over reports."""

    def __init__(
        self,
        config: CommitteeConfig,
        committee: crypto.Committee,
        *,
        offchain: crypto.OffchainSigner,
        onchain: crypto.OnchainSigner,
    ) -> None:
        self._config = config
        self._committee = committee
        self._offchain = offchain
        self._onchain = onchain

    def sign_observation(self, tag: RoundTag, query: bytes, observation: bytes) -> bytes:
        """64-byte ed25519 signature."""
        return self._offchain.sign_observation(
            self._config.config_digest, tag.epoch, tag.round, query, observation
        )

    def verify_observation(self, tag: RoundTag, query: bytes, observation: AttributedObservation) -> bool:
        """Go's verdict on the signature."""
        return self._committee.verify_observation(
            tag.epoch, tag.round, query, observation.observation, observation.observer, observation.signature
        )

    def sign_report(self, tag: RoundTag, built: BuiltReport) -> bytes:
        """65-byte secp256k1 signature."""
        digest = self._config.config_digest
        if self._config.report_format is ReportFormat.PACKED:
            return self._onchain.sign_packed_report(digest, tag.epoch, tag.round, built.report)
        return self._onchain.sign_report(digest, tag.epoch, tag.round, built.extra_hash, built.report)

    def signing_hash(self, tag: RoundTag, extra_hash: bytes, report: bytes) -> bytes:
        """`report_signing_hash` of this committee."""
        return report_signing_hash(self._config, tag, extra_hash, report)

    def verify_report_signature(self, signing_hash: bytes, signature: AttributedSignature) -> bool:
        """The contract's verdict: `ecrecover` yields the signer's address."""
        return self._committee.verify_report_signature(signing_hash, signature.signer, signature.signature)
