"""Signed reports as aggregator B wants them, made from docs/contract-b.md alone: the reference of the format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from eth_utils import keccak

from .signing import Report, Signature, sign

SELECTOR = keccak(text="transmitPacked()")[:4]

SIGNATURE_BYTES = 64
VALUE_BYTES = 24


def width_of_value(value: int) -> int:
    """The fewest bytes, at least one, that hold a number in two's complement."""
    return ((value if value >= 0 else ~value).bit_length() + 8) // 8


def encode_report(report: Report) -> bytes:
    """The bytes of a report; the first observation must be the smallest."""
    smallest = report.observations[0]
    differences = [observation - smallest for observation in report.observations[1:]]
    value_width = width_of_value(smallest)
    difference_width = (max(differences, default=0).bit_length() + 7) // 8
    return b"".join(
        (
            report.timestamp.to_bytes(4, "big"),
            bytes((len(report.observations), value_width, difference_width)),
            bytes(report.observers),
            smallest.to_bytes(value_width, "big", signed=True),
            *(difference.to_bytes(difference_width, "big") for difference in differences),
        )
    )


def decode_report(data: bytes) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Time, observers and observations; ValueError if the bytes are no report."""
    if len(data) < 7:
        raise ValueError(f"{len(data)} bytes are no header")
    count, value_width, difference_width = data[4:7]
    if count == 0 or not 1 <= value_width <= VALUE_BYTES or difference_width > VALUE_BYTES:
        raise ValueError(f"impossible header {data[:7].hex()}")
    values = 7 + count
    first = values + value_width
    if len(data) != first + (count - 1) * difference_width:
        raise ValueError(f"{len(data)} bytes are no report of {count} observations")
    smallest = int.from_bytes(data[values:first], "big", signed=True)
    differences = (
        int.from_bytes(data[at : at + difference_width], "big")
        for at in (first + index * difference_width for index in range(count - 1))
    )
    observations = (smallest, *(smallest + difference for difference in differences))
    return int.from_bytes(data[:4], "big"), tuple(data[7:values]), observations


def message_of(digest: bytes, epoch: int, round_: int, report: bytes) -> bytes:
    """What an oracle signs the hash of, and what the event tells."""
    return digest + epoch.to_bytes(4, "big") + round_.to_bytes(1, "big") + report


def compact(signature: Signature) -> bytes:
    """r, then s with v as its highest bit (EIP-2098)."""
    s = int.from_bytes(signature.s, "big")
    if s >> 255 or signature.v not in (0, 1):
        raise ValueError("only a signature with s in the lower half has a compact form")
    return signature.r + (signature.v << 255 | s).to_bytes(32, "big")


@dataclass(frozen=True)
class PackedTransmission:
    """What transmitPacked takes."""

    digest: bytes
    epoch: int
    round: int
    report: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def signed(
        cls, digest: bytes, epoch: int, round_: int, report: bytes, keys: Iterable[bytes]
    ) -> PackedTransmission:
        unsigned = cls(digest, epoch, round_, report, ())
        return unsigned.with_signatures(*(sign(key, unsigned.message_hash) for key in keys))

    def with_signatures(self, *signatures: Signature) -> PackedTransmission:
        return replace(self, signatures=signatures)

    @property
    def message(self) -> bytes:
        return message_of(self.digest, self.epoch, self.round, self.report)

    @property
    def message_hash(self) -> bytes:
        return keccak(self.message)

    @property
    def calldata(self) -> bytes:
        return SELECTOR + self.message[32:] + b"".join(map(compact, self.signatures))
