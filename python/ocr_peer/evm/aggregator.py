"""The aggregator contract: what this node calls, sends and reads (libocr `contract2/OCR2Aggregator.sol`).

Aggregator A of this project speaks the same ABI, so both are served alike. Where B differs, see `packed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ocr_peer.errors import InvariantError
from ocr_peer.evm.abi import Event, Function
from ocr_peer.evm.chain_objects import Log
from ocr_peer.protocol.config import ConfigDigest
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import AttestedReport

__all__ = [
    "ANSWER_UPDATED",
    "CONFIG_SET",
    "LATEST_CONFIG_DETAILS",
    "LATEST_TRANSMISSION_DETAILS",
    "NEW_TRANSMISSION",
    "REQUEST_NEW_ROUND",
    "ROUND_REQUESTED",
    "SET_CONFIG",
    "TRANSMIT",
    "AnswerUpdated",
    "LatestConfigDetails",
    "LatestTransmissionDetails",
    "NewTransmission",
    "RoundRequested",
    "decode_answer_updated",
    "decode_config_set",
    "decode_latest_config_details",
    "decode_latest_transmission_details",
    "decode_new_transmission",
    "decode_round_requested",
    "encode_set_config",
    "encode_transmit",
]

SET_CONFIG: Final = Function("setConfig", ("address[]", "address[]", "uint8", "bytes", "uint64", "bytes"))
TRANSMIT: Final = Function("transmit", ("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32"))
REQUEST_NEW_ROUND: Final = Function("requestNewRound", (), ("uint80",))
LATEST_CONFIG_DETAILS: Final = Function("latestConfigDetails", (), ("uint32", "uint32", "bytes32"))
LATEST_TRANSMISSION_DETAILS: Final = Function(
    "latestTransmissionDetails", (), ("bytes32", "uint32", "uint8", "int192", "uint64")
)

CONFIG_SET: Final = Event(
    "ConfigSet",
    ("uint32", "bytes32", "uint64", "address[]", "address[]", "uint8", "bytes", "uint64", "bytes"),
    (False,) * 9,
)
NEW_TRANSMISSION: Final = Event(
    "NewTransmission",
    ("uint32", "int192", "address", "uint32", "int192[]", "bytes", "int192", "bytes32", "uint40"),
    (True, *(False,) * 8),
)
ROUND_REQUESTED: Final = Event(
    "RoundRequested", ("address", "bytes32", "uint32", "uint8"), (True, False, False, False)
)
ANSWER_UPDATED: Final = Event("AnswerUpdated", ("int256", "uint256", "uint256"), (True, True, False))


@dataclass(frozen=True, slots=True)
class LatestConfigDetails:
    """Which configuration is in force; all zero before the first."""

    config_count: int
    block_number: int
    """Block of the `ConfigSet` event."""
    config_digest: ConfigDigest


@dataclass(frozen=True, slots=True)
class LatestTransmissionDetails:
    """The latest accepted report; (epoch, round) = (0, 0) right after `setConfig`, which keeps the answer."""

    config_digest: ConfigDigest
    epoch: int
    round: int
    answer: int
    timestamp: int
    """Unix seconds of the block that holds it."""


@dataclass(frozen=True, slots=True)
class NewTransmission:
    """A report that the contract accepted."""

    aggregator_round_id: int
    answer: int
    transmitter: bytes
    """20 bytes: the account that sent it, and paid."""
    observations_timestamp: int
    """Unix seconds: the median of the observers' clocks."""
    observations: tuple[int, ...]
    """Ascending."""
    observers: tuple[int, ...]
    """Oracle id of each observation."""
    juels_per_fee_coin: int
    config_digest: ConfigDigest
    epoch: int
    round: int


@dataclass(frozen=True, slots=True)
class RoundRequested:
    """Somebody asked for a report without waiting for a deviation."""

    requester: bytes
    config_digest: ConfigDigest
    epoch: int
    round: int


@dataclass(frozen=True, slots=True)
class AnswerUpdated:
    """The event that consumers of the older interface listen to."""

    current: int
    round_id: int
    updated_at: int


def encode_set_config(
    *,
    signers: tuple[bytes, ...],
    transmitters: tuple[bytes, ...],
    f: int,
    onchain_config: bytes,
    offchain_config_version: int,
    offchain_config: bytes,
) -> bytes:
    """Calldata of `setConfig`; addresses are 20 bytes, by oracle id."""
    return SET_CONFIG.encode_call(
        signers, transmitters, f, onchain_config, offchain_config_version, offchain_config
    )


def encode_transmit(report: AttestedReport) -> bytes:
    """Calldata of `transmit`: context, report, and the signatures split into r, s and v as the contract takes them.

    Raises:
        InvariantError: a signature is not 65 bytes, or there are more than fit a word of v bytes.
    """
    context = report.context
    signatures = [attributed.signature for attributed in report.signatures]
    if len(signatures) > 32 or any(len(signature) != 65 for signature in signatures):
        raise InvariantError("a final report carries at most 32 signatures of 65 bytes each")
    epoch_and_round = context.epoch << 8 | context.round
    return TRANSMIT.encode_call(
        (context.config_digest, epoch_and_round.to_bytes(32, "big"), context.extra_hash),
        report.report,
        [signature[:32] for signature in signatures],
        [signature[32:64] for signature in signatures],
        bytes(signature[64] for signature in signatures).ljust(32, b"\x00"),
    )


def decode_latest_config_details(data: bytes) -> LatestConfigDetails:
    """Result of `latestConfigDetails`; raises `UnexpectedAnswer`."""
    return LatestConfigDetails(*LATEST_CONFIG_DETAILS.decode_result(data))


def decode_latest_transmission_details(data: bytes) -> LatestTransmissionDetails:
    """Result of `latestTransmissionDetails`; raises `UnexpectedAnswer`."""
    return LatestTransmissionDetails(*LATEST_TRANSMISSION_DETAILS.decode_result(data))


def decode_config_set(log: Log) -> ContractConfig:
    """A `ConfigSet` log. Its digest is what the log claims: recompute it. Raises `UnexpectedAnswer`."""
    _, digest, count, signers, transmitters, f, onchain, version, offchain = CONFIG_SET.decode(
        log.topics, log.data
    )
    return ContractConfig(
        config_digest=digest,
        config_count=count,
        signers=signers,
        transmitters=transmitters,
        f=f,
        onchain_config=onchain,
        offchain_config_version=version,
        offchain_config=offchain,
        block_number=log.block_number,
    )


def decode_new_transmission(log: Log) -> NewTransmission:
    """A `NewTransmission` log; raises `UnexpectedAnswer`."""
    round_id, answer, transmitter, observed_at, observations, observers, juels, digest, epoch_and_round = (
        NEW_TRANSMISSION.decode(log.topics, log.data)
    )
    return NewTransmission(
        aggregator_round_id=round_id,
        answer=answer,
        transmitter=transmitter,
        observations_timestamp=observed_at,
        observations=tuple(observations),
        observers=tuple(observers),
        juels_per_fee_coin=juels,
        config_digest=digest,
        epoch=epoch_and_round >> 8,
        round=epoch_and_round & 0xFF,
    )


def decode_round_requested(log: Log) -> RoundRequested:
    """A `RoundRequested` log; raises `UnexpectedAnswer`."""
    return RoundRequested(*ROUND_REQUESTED.decode(log.topics, log.data))


def decode_answer_updated(log: Log) -> AnswerUpdated:
    """An `AnswerUpdated` log; raises `UnexpectedAnswer`."""
    return AnswerUpdated(*ANSWER_UPDATED.decode(log.topics, log.data))
