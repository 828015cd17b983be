"""Takes the two aggregators' transmitting transactions apart, with code that shares nothing with the node."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import decode
from eth_utils.crypto import keccak

__all__ = ["PACKED_TOPIC", "TransmittedReport", "read_calldata"]

_TRANSMIT_TYPES = ("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32")
_REPORT_TYPES = ("uint32", "bytes32", "int192[]", "int192")
_TRANSMIT = keccak(text="transmit(bytes32[3],bytes,bytes32[],bytes32[],bytes32)")[:4]
_TRANSMIT_PACKED = keccak(text="transmitPacked()")[:4]

PACKED_TOPIC = "0x" + keccak(text="NewPackedTransmission(uint32,address,bytes)").hex()
"""First topic of aggregator B's event, whose data ends with what was signed."""


@dataclass(frozen=True, slots=True)
class TransmittedReport:
    """What a transaction says to the contract."""

    digest: bytes | None
    """Configuration that it names; a packed one names none, and is right only if the signatures are."""
    epoch: int
    round: int
    observers: tuple[int, ...]
    observations: tuple[int, ...]
    """Ascending, as the report holds them."""
    signed: bytes
    """Hash under the signatures."""
    message: bytes | None
    """What the hash is of, where the contract's event tells it."""
    signatures: tuple[bytes, ...]
    """65 bytes each: r, s and the recovery id."""


def read_calldata(calldata: bytes, digest: bytes) -> TransmittedReport | None:
    """The report that a transaction brings; `None` if it is no transmission.

    Args:
        calldata: the transaction's.
        digest: of the configuration in force, which is part of what is signed.
    """
    if calldata[:4] == _TRANSMIT:
        return _abi_encoded(calldata[4:])
    if calldata[:4] == _TRANSMIT_PACKED:
        return _packed(calldata[4:], digest)
    return None


def _abi_encoded(arguments: bytes) -> TransmittedReport:
    context, report, rs, ss, vs = decode(_TRANSMIT_TYPES, arguments)
    _, observers, observations, _ = decode(_REPORT_TYPES, report)
    return TransmittedReport(
        digest=context[0],
        epoch=int.from_bytes(context[1][27:31], "big"),
        round=context[1][31],
        observers=tuple(observers[: len(observations)]),
        observations=tuple(observations),
        signed=keccak(keccak(report) + b"".join(context)),
        message=None,
        signatures=tuple(r + s + bytes([v]) for r, s, v in zip(rs, ss, vs, strict=False)),
    )


def _packed(arguments: bytes, digest: bytes) -> TransmittedReport:
    count, value_width, difference_width = arguments[9:12]
    smallest_at = 12 + count
    differences_at = smallest_at + value_width
    end = differences_at + (count - 1) * difference_width
    smallest = int.from_bytes(arguments[smallest_at:differences_at], "big", signed=True)
    differences = [
        int.from_bytes(arguments[at : at + difference_width], "big")
        for at in range(differences_at, end, difference_width or 1)
    ] or [0] * (count - 1)
    message = digest + arguments[:end]
    return TransmittedReport(
        digest=None,
        epoch=int.from_bytes(arguments[:4], "big"),
        round=arguments[4],
        observers=tuple(arguments[12:smallest_at]),
        observations=(smallest, *(smallest + difference for difference in differences)),
        signed=keccak(message),
        message=message,
        signatures=tuple(_expanded(arguments[at : at + 64]) for at in range(end, len(arguments), 64)),
    )


def _expanded(compact: bytes) -> bytes:
    """R ‖ s ‖ v from r ‖ s with v as its highest bit (EIP-2098)."""
    s = int.from_bytes(compact[32:], "big")
    return compact[:32] + (s & ~(1 << 255)).to_bytes(32, "big") + bytes([s >> 255])
