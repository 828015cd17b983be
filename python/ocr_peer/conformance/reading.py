"""Values of a vector file, checked one by one: what is not of the format is an `InputError` naming the place.

Integers below 2^31 or so are JSON numbers; the wide ones may also be decimal strings, because few JSON
parsers keep more than 53 bits.
"""

from __future__ import annotations

import re
from typing import Any

from ocr_peer.errors import InputError

__all__ = [
    "INT64_MAX",
    "UINT8_MAX",
    "UINT32_MAX",
    "UINT64_MAX",
    "UINT256_MAX",
    "VectorFormatError",
    "flag_of",
    "list_of",
    "object_of",
    "octets_of",
    "printable",
    "small_of",
    "text_of",
    "wide_of",
]

UINT8_MAX, UINT32_MAX, UINT64_MAX, UINT256_MAX = 2**8 - 1, 2**32 - 1, 2**64 - 1, 2**256 - 1
INT64_MAX = 2**63 - 1

_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
_DECIMAL = re.compile(r"-?[0-9]{1,80}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What is left of one after `json` joined the pairs."""
_MOST_TEXT = 10_000


class VectorFormatError(InputError):
    """A vector file that is not of the format; the message names file, case and field."""

    def __init__(self, place: str, value: object, problem: str, fix: str) -> None:
        shown = value if value is None else printable(value if isinstance(value, str) else repr(value))
        super().__init__(printable(place), shown, problem, fix)


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would obey or an encoding would refuse."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def object_of(value: Any, place: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise _wrong_type(value, place, "an object")
    return value


def list_of(value: Any, place: str, *, most: int) -> list[Any]:
    """A JSON list of at most so many items."""
    if not isinstance(value, list):
        raise _wrong_type(value, place, "a list")
    if len(value) > most:
        raise VectorFormatError(place, f"{len(value)} items", f"more than {most}", "list fewer")
    return value


def text_of(value: Any, place: str) -> str:
    """A JSON string of whole characters."""
    if not isinstance(value, str):
        raise _wrong_type(value, place, "a string")
    if len(value) > _MOST_TEXT:
        raise VectorFormatError(place, value, f"longer than {_MOST_TEXT} characters", "shorten it")
    if _SURROGATE.search(value):
        # JSON's escapes can say it, no encoding can: neither a message's bytes nor a terminal's.
        raise VectorFormatError(
            place, value, "half a surrogate pair", "write the pair, or the character itself"
        )
    return value


def flag_of(value: Any, place: str) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise _wrong_type(value, place, "true or false")
    return value


def small_of(value: Any, place: str, *, low: int = 0, high: int) -> int:
    """An integer written as a JSON number, in low … high."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(value, place, "an integer")
    return _in_range(value, place, low, high)


def wide_of(value: Any, place: str, *, low: int = 0, high: int) -> int:
    """An integer written as a JSON number or as a decimal string, in low … high."""
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value) is None:
            raise VectorFormatError(
                place, value, "not an integer in decimal", "write digits, with - in front if negative"
            )
        return _in_range(int(value), place, low, high)
    return small_of(value, place, low=low, high=high)


def octets_of(value: Any, place: str, *, length: int | None = None) -> bytes:
    """Bytes written in hex, with or without 0x; of exactly so many bytes where a length is given."""
    if not isinstance(value, str):
        raise _wrong_type(value, place, "a string of hex digits")
    match = _HEX.fullmatch(value)
    if match is None:
        raise VectorFormatError(
            place, value, "not hex", "write an even number of hex digits, after 0x if you like"
        )
    octets = bytes.fromhex(match[1])
    if length is not None and len(octets) != length:
        raise VectorFormatError(
            place, value, f"{len(octets)} bytes instead of {length}", f"write {length} bytes"
        )
    return octets


def _in_range(value: int, place: str, low: int, high: int) -> int:
    if not low <= value <= high:
        # Numbers that no one can read, and that Python would refuse to print, are told by their size.
        shown = value if value.bit_length() <= 512 else f"a number of {value.bit_length()} bits"
        raise VectorFormatError(place, shown, "out of range", f"write an integer from {low} to {high}")
    return value


def _wrong_type(value: Any, place: str, wanted: str) -> VectorFormatError:
    kind = {bool: "true or false", int: "a number", float: "a number with a fraction", str: "a string"}
    kind |= {list: "a list", dict: "an object", type(None): "null"}
    if isinstance(value, int) and value.bit_length() > 512:
        value = f"a number of {value.bit_length()} bits"
    shown = "null" if value is None else value
    return VectorFormatError(place, shown, f"{kind[type(value)]} instead of {wanted}", f"write {wanted}")
