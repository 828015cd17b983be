"""A committee's configuration as the protocol sees it, and the checks that make it safe to run.

Source of the rules: libocr `offchainreporting2plus/internal/config/ocr2config/public_config.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from ocr_peer.errors import InputError

__all__ = [
    "MAX_ORACLES",
    "MILLISECOND",
    "SECOND",
    "CommitteeConfig",
    "ConfigDigest",
    "Duration",
    "Instant",
    "OracleId",
    "OracleIdentity",
    "PrivateConfig",
    "ReportFormat",
    "earliest",
]

OracleId = NewType("OracleId", int)
"""Index of an oracle in the `signers` list of the contract's configuration, 0 … n-1."""

ConfigDigest = NewType("ConfigDigest", bytes)
"""32 bytes that name one configuration of one contract on one chain."""

Instant = NewType("Instant", int)
"""Nanoseconds since the Unix epoch; never goes backwards within one process."""

Duration = NewType("Duration", int)
"""Nanoseconds."""

MILLISECOND = Duration(1_000_000)
SECOND = Duration(1_000_000_000)

MAX_ORACLES = 31
"""The contract packs observer ids and signer counters into single words (libocr `types.MaxOracles`)."""


class ReportFormat(StrEnum):
    """How a report's bytes and what is signed over them are laid out; each aggregator contract takes one."""

    OCR2 = "ocr2"
    """The deployed OCR2 aggregators' and aggregator A's: ABI-encoded, the report context in what is signed."""
    PACKED = "packed"
    """Aggregator B's (docs/contract-b.md): widths as needed, no extra hash."""


_MIN_INTERVAL = Duration(200 * MILLISECOND)


def earliest(*deadlines: Instant | None) -> Instant | None:
    """The first of the deadlines that are set."""
    first: Instant | None = None
    for deadline in deadlines:
        if deadline is not None and (first is None or deadline < first):
            first = deadline
    return first


@dataclass(frozen=True, slots=True)
class OracleIdentity:
    """The public side of one committee member; keys are raw bytes."""

    offchain_public_key: bytes
    """ed25519, 32 bytes: signs observations."""
    onchain_signing_address: bytes
    """20 bytes: the secp256k1 address whose signature the contract checks."""
    peer_id: str
    """libp2p and ragep2p peer id, `12D3KooW…`."""
    transmit_account: str
    """Checksummed hex address of the account that pays for transactions."""


@dataclass(frozen=True, slots=True)
class CommitteeConfig:
    """Everything public that the oracles of one configuration agree on."""

    config_digest: ConfigDigest
    f: int
    oracles: tuple[OracleIdentity, ...]
    delta_progress: Duration
    delta_resend: Duration
    delta_round: Duration
    delta_grace: Duration
    delta_stage: Duration
    r_max: int
    stage_sizes: tuple[int, ...]
    """S: how many oracles transmit in each stage."""
    reporting_plugin_config: bytes
    max_duration_query: Duration
    max_duration_observation: Duration
    max_duration_report: Duration
    max_duration_should_accept: Duration
    max_duration_should_transmit: Duration
    onchain_config: bytes
    unique_reports: bool = False
    """Whether at most one report per round can become final: a larger quorum of signatures.

    A constant of the plugin in libocr and nowhere in the configuration's bytes, so that all oracles of
    a committee must be told alike, by their jobs.
    """
    report_format: ReportFormat = ReportFormat.OCR2
    """What the contract takes; not in the configuration's bytes either."""

    @property
    def n(self) -> int:
        """Number of oracles."""
        return len(self.oracles)

    @property
    def report_quorum(self) -> int:
        """Signatures that make a report final: f+1, or ⌊(n+f)/2⌋+1 where reports are unique.

        Two quorums of the latter size share f+1 oracles, an honest one among them, and that one signs
        one report per round.
        """
        return (self.n + self.f) // 2 + 1 if self.unique_reports else self.f + 1

    @property
    def contract_signatures(self) -> int:
        """Signatures that a transmission carries: the deployed contract takes exactly f+1."""
        return self.f + 1

    @property
    def observation_quorum(self) -> int:
        """Observations a report must be built from: 2f+1."""
        return 2 * self.f + 1

    @property
    def delta_round_max(self) -> Duration:
        """How long a round may take before its leader abandons it and a follower refuses it.

        Our own addition to OCR2, local to each oracle: upstream a lost message costs the rest of the epoch.
        """
        budget = (
            self.delta_round + self.delta_grace + self.max_duration_observation + self.max_duration_report
        )
        floor = max(self.delta_round, self.delta_grace + self.max_duration_observation)
        bounded = max(floor, min(self.delta_progress // 2, budget))
        return Duration(min(bounded, self.delta_progress - 1))

    @property
    def transmit_window(self) -> Duration:
        """Time from finalisation until the last stage of the schedule has had its turn."""
        return Duration((len(self.stage_sizes) + 1) * self.delta_stage)

    def check(self) -> None:
        """Refuse a configuration that could not run, or would not be safe.

        Raises:
            InputError: names the field, the value and the rule.
        """
        _check_members(self)
        _check_timing(self)


@dataclass(frozen=True, slots=True)
class PrivateConfig:
    """What only the committee's members know: the keys of leader election and of the schedule."""

    leader_key: bytes
    """16 bytes."""
    transmission_key: bytes
    """16 bytes."""

    def __repr__(self) -> str:
        return "PrivateConfig(…)"


def _check_members(config: CommitteeConfig) -> None:
    n, f = config.n, config.f
    if n > MAX_ORACLES:
        raise InputError("oracles", n, f"a committee has at most {MAX_ORACLES}", "configure fewer oracles")
    if f < 0 or n <= 3 * f:
        raise InputError(
            "f", f, f"n = {n} oracles tolerate at most f = {max(0, (n - 1) // 3)}", "lower f or add oracles"
        )
    columns: dict[str, list[bytes | str]] = {
        "offchain_public_keys": [identity.offchain_public_key for identity in config.oracles],
        "signers": [identity.onchain_signing_address for identity in config.oracles],
        "peer_ids": [identity.peer_id for identity in config.oracles],
        "transmitters": [identity.transmit_account for identity in config.oracles],
    }
    for name, values in columns.items():
        first_seen: dict[bytes | str, int] = {}
        for index, value in enumerate(values):
            if value in first_seen:
                shown = value if isinstance(value, str) else "0x" + value.hex()
                raise InputError(
                    f"{name}[{index}]",
                    shown,
                    f"oracle {first_seen[value]} has the same",
                    "give every oracle its own",
                )
            first_seen[value] = index


def _check_timing(config: CommitteeConfig) -> None:
    for name in ("delta_progress", "delta_resend"):
        value = getattr(config, name)
        if value < _MIN_INTERVAL:
            raise InputError(
                name, f"{value} ns", "less than 200 ms floods the committee", "set at least 200 ms"
            )
    for name in ("delta_round", "delta_grace", "delta_stage"):
        if getattr(config, name) < 0:
            raise InputError(name, getattr(config, name), "a negative duration", "set 0 or more")
    if config.delta_round >= config.delta_progress:
        raise InputError(
            "delta_round",
            f"{config.delta_round} ns",
            f"not below delta_progress = {config.delta_progress} ns",
            "lower it",
        )
    budget = config.max_duration_query + config.max_duration_observation + config.max_duration_report
    if budget >= config.delta_progress:
        raise InputError(
            "max_duration_query + observation + report",
            f"{budget} ns",
            f"not below delta_progress = {config.delta_progress} ns",
            "lower the budgets",
        )
    if not 0 < config.r_max < 255:
        raise InputError("r_max", config.r_max, "a round is one byte", "set 1 … 254")
    if len(config.stage_sizes) >= 1000:
        raise InputError("s", len(config.stage_sizes), "too many stages", "use fewer than 1000")
    for index, size in enumerate(config.stage_sizes):
        if not 0 <= size <= MAX_ORACLES:
            raise InputError(
                f"s[{index}]", size, f"not in 0 … {MAX_ORACLES}", "set the number of oracles of the stage"
            )
