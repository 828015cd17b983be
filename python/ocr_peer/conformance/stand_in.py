"""A committee with keys of its own, for vectors of the plugin that state no keys: its reports do not depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ocr_peer import crypto
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.protocol.attestation import committee_keys
from ocr_peer.protocol.config import (
    MAX_ORACLES,
    SECOND,
    CommitteeConfig,
    ConfigDigest,
    Duration,
    OracleId,
    OracleIdentity,
    ReportFormat,
)
from ocr_peer.protocol.report import AttributedObservation, RoundTag

__all__ = ["median_plugin", "signed_request"]


def median_plugin(
    *,
    n: int,
    f: int,
    digest: ConfigDigest,
    reporting_plugin_config: bytes,
    onchain_config: bytes,
    report_format: ReportFormat = ReportFormat.OCR2,
) -> MedianPlugin:
    """The plugin as a node starts it under this configuration.

    Raises:
        InputError: one of the two configurations is malformed.
    """
    oracles = _identities()[:n]
    config = CommitteeConfig(
        config_digest=digest,
        f=f,
        oracles=oracles,
        delta_progress=Duration(30 * SECOND),
        delta_resend=Duration(10 * SECOND),
        delta_round=SECOND,
        delta_grace=SECOND,
        delta_stage=SECOND,
        r_max=254,
        stage_sizes=(1,) * n,
        reporting_plugin_config=reporting_plugin_config,
        max_duration_query=Duration(0),
        max_duration_observation=SECOND,
        max_duration_report=SECOND,
        max_duration_should_accept=SECOND,
        max_duration_should_transmit=SECOND,
        onchain_config=onchain_config,
        report_format=report_format,
    )
    return MedianPlugin(config, committee_keys(config))


def signed_request(
    digest: ConfigDigest, tag: RoundTag, bodies: Sequence[tuple[bytes, int]]
) -> list[AttributedObservation]:
    """The leader's request over (observation, observer), each signed by the stand-in that it names."""
    return [
        AttributedObservation(
            body,
            _signers()[observer].sign_observation(digest, tag.epoch, tag.round, b"", body),
            OracleId(observer),
        )
        for body, observer in bodies
    ]


@cache
def _signers() -> tuple[crypto.OffchainSigner, ...]:
    return tuple(crypto.OffchainSigner(_seed(oracle)) for oracle in range(MAX_ORACLES))


@cache
def _identities() -> tuple[OracleIdentity, ...]:
    return tuple(
        OracleIdentity(
            offchain_public_key=signer.public_key,
            onchain_signing_address=crypto.secp256k1_address(_seed(oracle)),
            peer_id=f"stand-in {oracle}",
            transmit_account=f"stand-in {oracle}",
        )
        for oracle, signer in enumerate(_signers())
    )


def _seed(oracle: int) -> bytes:
    return bytes([oracle + 1]) * 32
