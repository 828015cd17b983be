"""Writes the few protobuf forms that OCR2's schemas use, as Go writes them. Reading is the native module's."""

from __future__ import annotations

from functools import cache

__all__ = ["LENGTH_DELIMITED", "VARINT", "bytes_field", "tag", "varint", "varint_field"]

VARINT, LENGTH_DELIMITED = 0, 2
"""Wire types."""

_U64 = 2**64 - 1
_SMALL = tuple(bytes((value,)) for value in range(0x80))
"""Nearly all tags, lengths and indices take one byte."""


def varint(value: int) -> bytes:
    """Little-endian groups of seven bits; a negative number in 64-bit two's complement."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= _U64
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@cache
def tag(number: int, wire_type: int) -> bytes:
    """What stands before every field."""
    return varint(number << 3 | wire_type)


def varint_field(number: int, value: int) -> bytes:
    """An integer field; proto3 leaves a zero out."""
    return tag(number, VARINT) + varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """A field of bytes, a string or an embedded message; written even when empty."""
    return tag(number, LENGTH_DELIMITED) + varint(len(value)) + value
