"""An object of a case: its fields are read with their types, and compared with what this implementation makes.

A field that is read counts as checked; what no one read is told at the end, so that nothing that a file
states passes unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ocr_peer.conformance.reading import (
    VectorFormatError,
    flag_of,
    list_of,
    object_of,
    octets_of,
    small_of,
    text_of,
    wide_of,
)
from ocr_peer.evm.address import checksum_address

__all__ = ["Coverage", "Mismatch", "Record"]

_ADDRESS_BYTES = 20
_MOST_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A field of a case whose value this implementation does not share."""

    field: str
    expected: str
    """What the vector states."""
    got: str


@dataclass(slots=True)
class Coverage:
    """Which fields a file states, and which of them were looked at; indexes are written as []."""

    stated: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    unknown_keys: set[str] = field(default_factory=set)
    """Fields that some case states and that could not be checked, because no file told the key."""

    def unchecked(self) -> list[str]:
        """Fields that nothing was compared with, sorted."""
        return sorted((self.stated - self.read) | self.unknown_keys)


@dataclass(frozen=True, slots=True)
class Record:
    """An object inside a case, or the case itself."""

    values: dict[str, Any]
    place: str
    """File and case, for errors: `permutation.json: cases[3]`."""
    path: str
    """Path inside the case, empty or ending in a point: `oracles[2].`."""
    generic_path: str
    coverage: Coverage
    mismatches: list[Mismatch]
    """What was found so far; shared by all records of a case."""

    def __post_init__(self) -> None:
        self.coverage.stated.update(self.generic_path + name for name in self.values)

    @classmethod
    def of_case(cls, values: Any, place: str, coverage: Coverage) -> Record:
        """The record of a whole case."""
        return cls(object_of(values, place), place, "", "", coverage, [])

    def _inner(self, values: Any, name: str, generic_name: str) -> Record:
        return Record(
            object_of(values, self.where(name)),
            self.place,
            f"{self.path}{name}.",
            f"{self.generic_path}{generic_name}.",
            self.coverage,
            self.mismatches,
        )

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return name in self.values

    def raw(self, name: str) -> Any:
        """The field as JSON has it; the field must be there."""
        if name not in self.values:
            raise VectorFormatError(self.where(name), None, "missing", "add the field")
        self.coverage.read.add(self.generic_path + name)
        return self.values[name]

    def where(self, name: str) -> str:
        """The field's place, for errors."""
        return f"{self.place}.{self.path}{name}"

    def malformed(self, name: str, problem: str, fix: str) -> VectorFormatError:
        """An error about a field that is of the right type but makes no sense."""
        return VectorFormatError(self.where(name), self.values.get(name), problem, fix)

    # Fields that go into a computation.

    def text(self, name: str) -> str:
        """A string."""
        return text_of(self.raw(name), self.where(name))

    def flag(self, name: str) -> bool:
        """A boolean."""
        return flag_of(self.raw(name), self.where(name))

    def small(self, name: str, *, low: int = 0, high: int) -> int:
        """An integer that is a JSON number."""
        return small_of(self.raw(name), self.where(name), low=low, high=high)

    def wide(self, name: str, *, low: int = 0, high: int) -> int:
        """An integer that may be a decimal string."""
        return wide_of(self.raw(name), self.where(name), low=low, high=high)

    def octets(self, name: str, *, length: int | None = None) -> bytes:
        """Bytes in hex."""
        return octets_of(self.raw(name), self.where(name), length=length)

    def octets_list(self, name: str, *, length: int | None = None, most: int = _MOST_ITEMS) -> list[bytes]:
        """A list of bytes in hex, each of the given length."""
        return [octets_of(item, place, length=length) for item, place in self.items(name, most=most)]

    def smalls(self, name: str, *, high: int, most: int = _MOST_ITEMS) -> list[int]:
        """A list of integers."""
        return [small_of(item, place, high=high) for item, place in self.items(name, most=most)]

    def lists(self, name: str, *, most: int = _MOST_ITEMS) -> list[tuple[list[Any], str]]:
        """A list of lists, each with its place."""
        return [(list_of(item, place, most=most), place) for item, place in self.items(name, most=most)]

    def items(self, name: str, *, most: int = _MOST_ITEMS) -> list[tuple[Any, str]]:
        """A list of values of whatever type, each with its place; the caller checks them."""
        place = self.where(name)
        items = list_of(self.raw(name), place, most=most)
        return [(item, f"{place}[{index}]") for index, item in enumerate(items)]

    def texts(self, name: str, *, most: int = _MOST_ITEMS) -> list[str]:
        """A list of strings."""
        return [text_of(item, place) for item, place in self.items(name, most=most)]

    def record(self, name: str) -> Record:
        """An object."""
        return self._inner(self.raw(name), name, name)

    def records(self, name: str, *, most: int = _MOST_ITEMS) -> list[Record]:
        """A list of objects."""
        return [
            self._inner(item, f"{name}[{index}]", f"{name}[]")
            for index, (item, _place) in enumerate(self.items(name, most=most))
        ]

    def address(self, name: str) -> bytes:
        """An address of 20 bytes; letters in mixed case are compared with the right checksum."""
        return self._address(self.raw(name), self.where(name), name)

    def addresses(self, name: str, *, most: int = _MOST_ITEMS) -> list[bytes]:
        """A list of addresses."""
        return [
            self._address(item, place, f"{name}[{index}]")
            for index, (item, place) in enumerate(self.items(name, most=most))
        ]

    # Fields that state a result.

    def expect_octets(self, name: str, got: bytes | None, *, length: int | None = None) -> None:
        """Compare bytes; `None` means that this implementation has nothing to give."""
        self.equal(name, self.octets(name, length=length), got)

    def expect_octets_list(self, name: str, got: list[bytes], *, length: int | None = None) -> None:
        """Compare a list of bytes item by item."""
        self._equal_items(name, self.octets_list(name, length=length), got)

    def expect_small(self, name: str, got: int | None, *, low: int = 0, high: int) -> None:
        """Compare an integer that is a JSON number."""
        self.equal(name, self.small(name, low=low, high=high), got)

    def expect_wide(self, name: str, got: int | None, *, low: int = 0, high: int) -> None:
        """Compare an integer that may be a decimal string."""
        self.equal(name, self.wide(name, low=low, high=high), got)

    def expect_wides(self, name: str, got: list[int], *, low: int = 0, high: int) -> None:
        """Compare a list of integers that may be decimal strings, item by item."""
        stated = [wide_of(item, place, low=low, high=high) for item, place in self.items(name)]
        self._equal_items(name, stated, got)

    def expect_wide_or_null(self, name: str, got: int | None, *, high: int) -> None:
        """Compare an integer, or null where the thing is absent."""
        expected = None if self.raw(name) is None else self.wide(name, high=high)
        self.equal(name, expected, got)

    def expect_smalls(self, name: str, got: list[int], *, high: int) -> None:
        """Compare a list of integers item by item."""
        self._equal_items(name, self.smalls(name, high=high), got)

    def expect_text(self, name: str, got: str | None) -> None:
        """Compare a string."""
        self.equal(name, self.text(name), got)

    def expect_texts(self, name: str, got: list[str]) -> None:
        """Compare a list of strings item by item."""
        self._equal_items(name, self.texts(name), got)

    def expect_flag(self, name: str, got: bool | None) -> None:
        """Compare a boolean."""
        self.equal(name, self.flag(name), got)

    def expect_address(self, name: str, got: bytes | None) -> None:
        """Compare an address, and its checksum."""
        self.equal(name, self.address(name), got)

    def not_checked(self, name: str) -> None:
        """Tell at the end that this field was not compared with anything."""
        self.coverage.unknown_keys.add(self.generic_path + name)

    def equal(self, name: str, expected: object, got: object) -> None:
        """Note a mismatch unless both are the same."""
        if expected != got or type(expected) is not type(got):
            self.mismatches.append(Mismatch(self.path + name, _shown(expected), _shown(got)))

    def _equal_items(self, name: str, expected: list[Any], got: list[Any]) -> None:
        if len(expected) != len(got):
            self.equal(name, f"{len(expected)} items", f"{len(got)} items")
        for index, (stated, made) in enumerate(zip(expected, got, strict=False)):
            self.equal(f"{name}[{index}]", stated, made)

    def _address(self, value: Any, place: str, name: str) -> bytes:
        address = octets_of(value, place, length=_ADDRESS_BYTES)
        digits = value.removeprefix("0x")
        if digits not in {digits.lower(), digits.upper()}:
            self.equal(f"{name} (checksum)", digits, checksum_address(address)[2:])
        return address


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
