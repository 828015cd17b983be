"""What an aggregator tells its consumers of freshness, and whether its committee's configuration keeps it.

`heartbeat()` and `maxAge()` are functions of this project's aggregators (docs/invariants.md, F1 to F4); the
deployed OCR2 aggregators have neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from ocr_peer.durations import SECOND_NS, format_duration
from ocr_peer.evm.abi import Function
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.quantity import data_from_hex, to_hex
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer
from ocr_peer.median.config import MedianOffchainConfig
from ocr_peer.protocol.config import CommitteeConfig, Duration

__all__ = [
    "HEARTBEAT",
    "MAX_AGE",
    "SET_HEARTBEAT",
    "SET_MAX_AGE",
    "Freshness",
    "FreshnessConflict",
    "conflicts",
    "landing_time",
    "read_freshness",
]

HEARTBEAT: Final = Function("heartbeat", (), ("uint32",))
MAX_AGE: Final = Function("maxAge", (), ("uint24",))
SET_HEARTBEAT: Final = Function("setHeartbeat", ("uint32",))
SET_MAX_AGE: Final = Function("setMaxAge", ("uint24",))


@dataclass(frozen=True, slots=True)
class Freshness:
    """Both in seconds; `None` where the contract has no such function, 0 where the owner set none."""

    heartbeat_s: int | None
    max_age_s: int | None


@dataclass(frozen=True, slots=True)
class FreshnessConflict:
    """A value on chain that does not fit the configuration."""

    function: str
    value_s: int
    problem: str
    """For people, one line, with what to do."""


async def read_freshness(rpc: ChainAccess, contract: bytes) -> Freshness:
    """Ask the contract, 20 bytes, for both.

    Raises:
        OperatingError: the endpoint does not answer.
    """
    address = to_hex(contract)
    outcomes = await rpc.batch(
        [
            ("eth_call", ({"to": address, "data": to_hex(function.encode_call())}, "latest"))
            for function in (HEARTBEAT, MAX_AGE)
        ]
    )
    heartbeat, max_age = (
        _seconds(function, outcome) for function, outcome in zip((HEARTBEAT, MAX_AGE), outcomes, strict=True)
    )
    return Freshness(heartbeat, max_age)


def landing_time(config: CommitteeConfig) -> Duration:
    """How old a report's observations may be when the last oracle of the schedule has had its turn.

    The slowest way: the observation takes its whole budget, so do grace, report and acceptance, and no
    transmitter but the last brings it on chain, within the last stage.
    """
    whole = [total >= config.n for total in accumulate(config.stage_sizes)]
    stages = whole.index(True) + 1 if True in whole else len(config.stage_sizes)
    before = (
        config.max_duration_observation
        + config.delta_grace
        + config.max_duration_report
        + config.max_duration_should_accept
        + config.max_duration_should_transmit
    )
    return Duration(before + stages * config.delta_stage)


def conflicts(freshness: Freshness, config: CommitteeConfig) -> list[FreshnessConflict]:
    """Where the contract and a checked configuration contradict each other.

    Raises:
        InputError: the plugin's part of the configuration cannot be read.
    """
    found = []
    heartbeat, max_age = freshness.heartbeat_s, freshness.max_age_s
    delta_c = MedianOffchainConfig.decode(config.reporting_plugin_config).delta_c
    if heartbeat and heartbeat * SECOND_NS != delta_c:
        problem = (
            f"consumers read a heartbeat of {format_duration(heartbeat * SECOND_NS)} off the contract, and the "
            f"configuration's deltaC is {format_duration(delta_c) if delta_c >= 0 else f'{delta_c} ns'}: have the "
            "owner change either (contract set-freshness, or set-config)"
        )
        found.append(FreshnessConflict(HEARTBEAT.name, heartbeat, problem))
    needed = landing_time(config)
    if max_age and max_age * SECOND_NS < needed:
        problem = (
            f"the contract refuses reports older than {format_duration(max_age * SECOND_NS)}, and by the "
            f"configuration's stages one may need {format_duration(needed)}: have the owner raise "
            "maxAge (contract set-freshness), or shorten deltaStage"
        )
        found.append(FreshnessConflict(MAX_AGE.name, max_age, problem))
    return found


def _seconds(function: Function, outcome: object | RpcError) -> int | None:
    if isinstance(outcome, RpcError):
        return None
    try:
        (value,) = function.decode_result(data_from_hex(outcome, function.name))
    except UnexpectedAnswer:
        return None
    return int(value)
