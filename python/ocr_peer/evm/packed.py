"""Aggregator B on chain: its calldata and its event, beside those of the OCR2 aggregators (docs/contract-b.md)."""

from __future__ import annotations

from typing import Final

from ocr_peer import crypto
from ocr_peer.errors import InvariantError
from ocr_peer.evm.abi import Event, Function
from ocr_peer.evm.aggregator import (
    NEW_TRANSMISSION,
    NewTransmission,
    decode_new_transmission,
    encode_transmit,
)
from ocr_peer.evm.chain_objects import Log
from ocr_peer.evm.rpc_errors import UnexpectedAnswer
from ocr_peer.protocol.config import ConfigDigest, ReportFormat
from ocr_peer.protocol.report import AttestedReport, AttributedSignature

__all__ = [
    "NEW_PACKED_TRANSMISSION",
    "TRANSMISSION_TOPICS",
    "TRANSMIT_PACKED",
    "decode_new_packed_transmission",
    "decode_transmission",
    "encode_transmission",
    "encode_transmit_packed",
]

TRANSMIT_PACKED: Final = Function("transmitPacked")
"""What follows the selector is packed, not ABI-encoded."""

NEW_PACKED_TRANSMISSION: Final = Event(
    "NewPackedTransmission", ("uint32", "address", "bytes"), (True, False, False)
)

TRANSMISSION_TOPICS: Final = (NEW_TRANSMISSION.topic, NEW_PACKED_TRANSMISSION.topic)
"""First topics of the logs that tell of a report, whichever aggregator took it."""

_MESSAGE_HEAD: Final = 32 + 4 + 1
"""Digest, epoch and round stand before the report."""


def encode_transmission(report: AttestedReport, report_format: ReportFormat) -> bytes:
    """Calldata that brings a report to the aggregator of its format; raises `InvariantError`."""
    if report_format is ReportFormat.PACKED:
        return encode_transmit_packed(report)
    return encode_transmit(report)


def encode_transmit_packed(report: AttestedReport) -> bytes:
    """Calldata of `transmitPacked`; a signature with a high s is sent as the low one of the same signer.

    Raises:
        InvariantError: a signature is none at all.
    """
    context = report.context
    tag = context.epoch.to_bytes(4, "big") + context.round.to_bytes(1, "big")
    signatures = b"".join(_compact(attributed) for attributed in report.signatures)
    return TRANSMIT_PACKED.selector + tag + report.report + signatures


def _compact(attributed: AttributedSignature) -> bytes:
    compact = crypto.compact_signature(attributed.signature)
    if compact is None:
        raise InvariantError(f"a final report carries no signature that oracle {attributed.signer} made")
    return compact


def decode_new_packed_transmission(log: Log) -> NewTransmission:
    """A `NewPackedTransmission` log, whose juels per fee coin are 0; raises `UnexpectedAnswer`."""
    round_id, transmitter, message = NEW_PACKED_TRANSMISSION.decode(log.topics, log.data)
    head, report = message[:_MESSAGE_HEAD], message[_MESSAGE_HEAD:]
    try:
        # Too short a message leaves no report.
        observed_at, observers, observations = crypto.decode_packed_report(report)
    except ValueError as error:
        raise UnexpectedAnswer(
            f"a message of {NEW_PACKED_TRANSMISSION.name}: {error}", message.hex()
        ) from None
    values = tuple(int.from_bytes(observation, "big", signed=True) for observation in observations)
    return NewTransmission(
        aggregator_round_id=round_id,
        answer=values[len(values) // 2],
        transmitter=transmitter,
        observations_timestamp=observed_at,
        observations=values,
        observers=tuple(observers),
        juels_per_fee_coin=0,
        config_digest=ConfigDigest(head[:32]),
        epoch=int.from_bytes(head[32:36], "big"),
        round=head[36],
    )


def decode_transmission(log: Log) -> NewTransmission:
    """A log of either aggregator about a report that it accepted; raises `UnexpectedAnswer`."""
    if log.topics and log.topics[0] == NEW_PACKED_TRANSMISSION.topic:
        return decode_new_packed_transmission(log)
    return decode_new_transmission(log)
