"""Hex encodings of JSON-RPC (Ethereum execution APIs): quantities without leading zeros, data with all digits."""

from __future__ import annotations

import re

from ocr_peer.evm.rpc_errors import UnexpectedAnswer

__all__ = ["count_from_hex", "data_from_hex", "quantity", "quantity_from_hex", "to_hex"]

_HEX = re.compile("0x[0-9a-fA-F]*")
_MAX_QUANTITY_DIGITS = 64


def quantity(value: int) -> str:
    """A non-negative integer as JSON-RPC writes it: `0x0`, `0x41`."""
    if value < 0:
        raise ValueError(f"a quantity is not negative: {value}")
    return hex(value)


def to_hex(data: bytes) -> str:
    """Bytes as JSON-RPC writes them: `0x`, `0x0041`."""
    return "0x" + data.hex()


def quantity_from_hex(value: object, what: str) -> int:
    """Read a quantity out of an answer; leading zeros are let pass, as some nodes write them.

    Args:
        value: the JSON value.
        what: its name, for the error.

    Raises:
        UnexpectedAnswer: not a quantity of at most 256 bits.
    """
    digits = _digits(value, what)
    if not 1 <= len(digits) <= _MAX_QUANTITY_DIGITS:
        raise UnexpectedAnswer(what, value)
    return int(digits, 16)


def count_from_hex(value: object, what: str) -> int:
    """Read a block number or a nonce, which fit 63 bits on every chain there is, and in the store.

    Raises:
        UnexpectedAnswer: not a quantity, or one beyond that.
    """
    count = quantity_from_hex(value, what)
    if count >> 63:
        raise UnexpectedAnswer(what, value)
    return count


def data_from_hex(value: object, what: str, *, length: int | None = None) -> bytes:
    """Read bytes out of an answer.

    Args:
        value: the JSON value.
        what: its name, for the error.
        length: exact number of bytes, where it is known.

    Raises:
        UnexpectedAnswer: not `0x` and an even number of hex digits, or of the wrong length.
    """
    digits = _digits(value, what)
    if len(digits) % 2 or (length is not None and len(digits) != 2 * length):
        raise UnexpectedAnswer(what, value)
    return bytes.fromhex(digits)


def _digits(value: object, what: str) -> str:
    # `int` and `fromhex` would also take underscores, spaces and foreign digits.
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise UnexpectedAnswer(what, value)
    return value[2:]
