"""What an aggregator on chain says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.abi import Function
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import (
    LATEST_CONFIG_DETAILS,
    LATEST_TRANSMISSION_DETAILS,
    NEW_TRANSMISSION,
    LatestConfigDetails,
    LatestTransmissionDetails,
)
from ocr_peer.evm.chain_objects import Block, Log, block_from_json, logs_from_json, result_of
from ocr_peer.evm.config_tracker import ConfigTracker
from ocr_peer.evm.contract_type import TYPE_AND_VERSION, report_format_of
from ocr_peer.evm.freshness import Freshness, read_freshness
from ocr_peer.evm.packed import NEW_PACKED_TRANSMISSION, TRANSMISSION_TOPICS
from ocr_peer.evm.quantity import data_from_hex, quantity, quantity_from_hex, to_hex
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer
from ocr_peer.protocol.config import ReportFormat
from ocr_peer.protocol.reconfiguration import ContractConfig

__all__ = ["AggregatorState", "check_chain", "latest_transmitter", "read_aggregator"]

_DESCRIPTION: Final = Function("description", (), ("string",))
_OWNER: Final = Function("owner", (), ("address",))
_DECIMALS: Final = Function("decimals", (), ("uint8",))
_MIN_ANSWER: Final = Function("minAnswer", (), ("int192",))
_MAX_ANSWER: Final = Function("maxAnswer", (), ("int192",))
_LATEST_ROUND_DATA: Final = Function(
    "latestRoundData", (), ("uint80", "int256", "uint256", "uint256", "uint80")
)
_NEEDED: Final = (
    LATEST_CONFIG_DETAILS,
    LATEST_TRANSMISSION_DETAILS,
    _LATEST_ROUND_DATA,
    _OWNER,
    _DECIMALS,
    _MIN_ANSWER,
    _MAX_ANSWER,
)
_WORDS: Final = (TYPE_AND_VERSION, _DESCRIPTION)
_SEARCH_BLOCKS: Final = 2_000
_SEARCHES: Final = 10


@dataclass(frozen=True, slots=True)
class AggregatorState:
    """An aggregator at the newest block."""

    chain_id: int
    address: bytes
    head: Block
    type_and_version: str | None
    description: str | None
    owner: bytes
    decimals: int
    min_answer: int
    max_answer: int
    freshness: Freshness
    config_details: LatestConfigDetails
    latest: LatestTransmissionDetails
    round_id: int
    """Of the newest answer; 0 before the first."""
    observed_at: int
    """Unix seconds: the newest answer's observations."""
    published: ContractConfig | None
    """The configuration in force, its digest recomputed; `None` before the first."""

    @property
    def report_format(self) -> ReportFormat:
        """Which reports it takes, by its type."""
        return report_format_of(self.type_and_version)


async def check_chain(rpc: ChainAccess, expected: int | None) -> int:
    """The chain's id.

    Raises:
        InputError: the endpoint does not answer, or serves another chain than the expected.
    """
    try:
        served = quantity_from_hex(await rpc.call("eth_chainId"), "eth_chainId")
    except RpcUnavailable as error:
        fix = "check the address, and that the endpoint runs"
        raise InputError("--rpc", rpc.shown_url, error.reason, fix) from None
    except (RpcError, UnexpectedAnswer) as error:
        fix = "give the address of a JSON-RPC endpoint"
        raise InputError("--rpc", rpc.shown_url, f"no Ethereum endpoint: {error}", fix) from None
    if expected is not None and served != expected:
        fix = f"write --chain-id {served} if you mean that chain, or name an endpoint of chain {expected}"
        raise InputError("--chain-id", expected, f"{rpc.shown_url} serves chain {served}", fix)
    return served


async def read_aggregator(rpc: ChainAccess, chain_id: int, address: bytes, field: str) -> AggregatorState:
    """Ask a contract everything.

    Args:
        rpc: the chain.
        chain_id: its id; goes into the configuration's digest.
        address: 20 bytes.
        field: where the address was written, for errors.

    Raises:
        InputError: no contract there, or no OCR2 aggregator.
        OperatingError: the endpoint fails, or contradicts itself about the configuration.
    """
    head, code, *outcomes = await rpc.batch(
        [
            ("eth_getBlockByNumber", ("latest", False)),
            ("eth_getCode", (to_hex(address), "latest")),
            *(
                ("eth_call", ({"to": to_hex(address), "data": to_hex(function.encode_call())}, "latest"))
                for function in (*_NEEDED, *_WORDS)
            ),
        ]
    )
    if not data_from_hex(result_of(code), "eth_getCode"):
        fix = "check the address and the chain, or deploy it first"
        raise InputError(field, checksum_address(address), f"no contract there on chain {chain_id}", fix)
    details, latest, round_data, owner, decimals, low, high = (
        _decoded(function, outcome, address, field)
        for function, outcome in zip(_NEEDED, outcomes[: len(_NEEDED)], strict=True)
    )
    type_and_version, description = (
        _text(function, outcome) for function, outcome in zip(_WORDS, outcomes[len(_NEEDED) :], strict=True)
    )
    config_details = LatestConfigDetails(*details)
    return AggregatorState(
        chain_id=chain_id,
        address=address,
        head=block_from_json(result_of(head)),
        type_and_version=type_and_version,
        description=description,
        owner=owner[0],
        decimals=decimals[0],
        min_answer=low[0],
        max_answer=high[0],
        freshness=await read_freshness(rpc, address),
        config_details=config_details,
        latest=LatestTransmissionDetails(*latest),
        round_id=round_data[0],
        observed_at=round_data[2],
        published=await _published(rpc, chain_id, address, config_details),
    )


async def latest_transmitter(rpc: ChainAccess, state: AggregatorState) -> bytes | None:
    """Who brought the newest answer; `None` if there is none, or its event lies too far back to look for."""
    if not state.round_id:
        return None
    topics = [[to_hex(topic) for topic in TRANSMISSION_TOPICS]]
    last = state.head.number
    for _ in range(_SEARCHES):
        first = max(0, last - _SEARCH_BLOCKS + 1)
        query = {
            "address": to_hex(state.address),
            "fromBlock": quantity(first),
            "toBlock": quantity(last),
            "topics": [*topics, "0x" + (state.round_id & 0xFFFF_FFFF).to_bytes(32).hex()],
        }
        try:
            logs = logs_from_json(await rpc.call("eth_getLogs", (query,)))
        except (RpcError, UnexpectedAnswer):
            return None  # many endpoints keep few blocks, or allow short ranges only
        if logs:
            return _transmitter(logs[-1])
        if first == 0:
            return None
        last = first - 1
    return None


def _transmitter(log: Log) -> bytes | None:
    try:
        if log.topics[0] == NEW_TRANSMISSION.topic:
            return bytes(NEW_TRANSMISSION.decode(log.topics, log.data)[2])
        return bytes(NEW_PACKED_TRANSMISSION.decode(log.topics, log.data)[1])
    except (UnexpectedAnswer, IndexError):
        return None


async def _published(
    rpc: ChainAccess, chain_id: int, address: bytes, details: LatestConfigDetails
) -> ContractConfig | None:
    if not any(details.config_digest):
        return None
    tracker = ConfigTracker(rpc, chain_id=chain_id, contract=address, confirmations=1)
    published = await tracker.poll()
    if published is None:
        raise OperatingError(f"the configuration in force cannot be read: {tracker.status.detail}")
    return published


def _decoded(function: Function, outcome: object | RpcError, address: bytes, field: str) -> tuple[Any, ...]:
    try:
        return function.decode_result(data_from_hex(result_of(outcome), function.name))
    except (RpcError, UnexpectedAnswer):
        raise InputError(
            field,
            checksum_address(address),
            f"the contract there is no OCR2 aggregator: it does not answer {function.name}()",
            "give the address of the aggregator itself, not of its proxy",
        ) from None


def _text(function: Function, outcome: object | RpcError) -> str | None:
    """A contract may say anything: one line of printable characters is kept."""
    try:
        (value,) = function.decode_result(data_from_hex(result_of(outcome), function.name))
    except (RpcError, UnexpectedAnswer):
        return None
    return "".join(letter if letter.isprintable() else "·" for letter in value[:200])
