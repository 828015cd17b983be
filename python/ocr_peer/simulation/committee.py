"""A simulated committee's configurations and keys, all from the seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ocr_peer import crypto
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.protocol.attestation import CommitteeAttestation, committee_keys
from ocr_peer.protocol.config import (
    MILLISECOND,
    SECOND,
    CommitteeConfig,
    ConfigDigest,
    Duration,
    Instant,
    OracleIdentity,
    PrivateConfig,
    ReportFormat,
)
from ocr_peer.protocol.plugin import Attestation
from ocr_peer.protocol.schedule import Schedule
from ocr_peer.simulation.fast_attestation import FastAttestation, FastMedianPlugin
from ocr_peer.simulation.streams import Streams

__all__ = ["SIMULATION_START", "Committee", "Timing", "form_committee", "unservable"]

SIMULATION_START = Instant(1_700_000_000 * SECOND)


def _milliseconds(count: int) -> Duration:
    return Duration(count * MILLISECOND)


@dataclass(frozen=True, slots=True)
class Timing:
    """What scenarios like to vary of a configuration."""

    delta_progress: Duration = field(default=_milliseconds(5000))
    delta_resend: Duration = field(default=_milliseconds(2000))
    delta_round: Duration = field(default=_milliseconds(1000))
    delta_grace: Duration = field(default=_milliseconds(100))
    delta_stage: Duration = field(default=_milliseconds(2000))
    r_max: int = 5
    budget: Duration = field(default=_milliseconds(500))
    """For each of observation, report, acceptance and transmission."""
    alpha_report_ppb: int = 0
    alpha_infinite: bool = False
    delta_c: Duration = field(default=_milliseconds(10_000))
    minimum: int = 1
    maximum: int = 10**12
    stage_sizes: tuple[int, ...] | None = None
    """One oracle a stage, unless given."""


@dataclass(frozen=True, slots=True)
class Committee:
    """One configuration with everybody's keys."""

    config: CommitteeConfig
    private: PrivateConfig
    plugin: MedianPlugin
    attestations: tuple[Attestation, ...]
    """By oracle id."""
    schedule: Schedule


def form_committee(
    streams: Streams,
    n: int,
    f: int,
    *,
    timing: Timing,
    generation: int,
    fast: bool,
    unique: bool,
    report_format: ReportFormat = ReportFormat.OCR2,
) -> Committee:
    """The committee of the generation-th configuration; oracles keep their keys from one to the next."""
    offchain = [streams.octets("offchain", oracle) for oracle in range(n)]
    onchain = [streams.octets("onchain", oracle) for oracle in range(n)]
    identities = _fake_identities(offchain, onchain) if fast else _identities(offchain, onchain)
    digest = b"\x00\x01" + streams.octets("digest", generation)[2:]
    config = replace(
        _config(digest, f, timing, identities), unique_reports=unique, report_format=report_format
    )
    config.check()
    private = PrivateConfig(
        streams.octets("leader key", generation)[:16], streams.octets("transmission key", generation)[:16]
    )
    keys = committee_keys(config)
    attestations: tuple[Attestation, ...]
    plugin: MedianPlugin
    if fast:
        fakes = tuple(FastAttestation(config, offchain, oracle) for oracle in range(n))
        attestations, plugin = fakes, FastMedianPlugin(config, keys, fakes[0])
    else:
        plugin = MedianPlugin(config, keys)
        attestations = tuple(
            CommitteeAttestation(
                config,
                keys,
                offchain=crypto.OffchainSigner(offchain[oracle]),
                onchain=crypto.OnchainSigner(onchain[oracle]),
            )
            for oracle in range(n)
        )
    return Committee(config, private, plugin, attestations, Schedule(config, private))


def unservable(committee: Committee) -> Committee:
    """The same with an f that no oracle accepts: no contract of ours would, but others may be laxer."""
    return replace(committee, config=replace(committee.config, f=committee.config.n))


def _identities(offchain: list[bytes], onchain: list[bytes]) -> tuple[OracleIdentity, ...]:
    return tuple(
        OracleIdentity(
            crypto.ed25519_public_key(seed),
            crypto.secp256k1_address(secret),
            f"peer{index}",
            f"0x{index:040x}",
        )
        for index, (seed, secret) in enumerate(zip(offchain, onchain, strict=True))
    )


def _fake_identities(offchain: list[bytes], onchain: list[bytes]) -> tuple[OracleIdentity, ...]:
    # Nothing verifies against these; they only have to differ.
    return tuple(
        OracleIdentity(crypto.blake3(seed), crypto.blake3(secret)[:20], f"peer{index}", f"0x{index:040x}")
        for index, (seed, secret) in enumerate(zip(offchain, onchain, strict=True))
    )


def _config(digest: bytes, f: int, timing: Timing, identities: tuple[OracleIdentity, ...]) -> CommitteeConfig:
    offchain_config = MedianOffchainConfig(
        alpha_report_infinite=timing.alpha_infinite,
        alpha_report_ppb=timing.alpha_report_ppb,
        alpha_accept_infinite=timing.alpha_infinite,
        alpha_accept_ppb=timing.alpha_report_ppb,
        delta_c=timing.delta_c,
    )
    return CommitteeConfig(
        config_digest=ConfigDigest(digest),
        f=f,
        oracles=identities,
        delta_progress=timing.delta_progress,
        delta_resend=timing.delta_resend,
        delta_round=timing.delta_round,
        delta_grace=timing.delta_grace,
        delta_stage=timing.delta_stage,
        r_max=timing.r_max,
        stage_sizes=timing.stage_sizes or (1,) * len(identities),
        reporting_plugin_config=offchain_config.encode(),
        max_duration_query=Duration(0),
        max_duration_observation=timing.budget,
        max_duration_report=timing.budget,
        max_duration_should_accept=timing.budget,
        max_duration_should_transmit=timing.budget,
        onchain_config=MedianLimits(timing.minimum, timing.maximum).encode(),
    )
