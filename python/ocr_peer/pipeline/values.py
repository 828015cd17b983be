"""What flows between tasks: JSON values with exact numbers, or the failure that took a value's place.

Every number is a `Decimal`, never a float: 0.1 from a source stays 0.1. The Chainlink node keeps integers
exact but lets JSON fractions pass through float64; for the prices feeds carry both give the same digits.
Arithmetic follows shopspring/decimal, which that node computes with: sums and products are exact, quotients
have 16 decimals rounded half away from zero (`DivisionPrecision`, `DivRound`), and a number becomes an
integer by truncation towards zero (`Decimal.BigInt`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import TypeAlias

from ocr_peer.nesting import json_depth

__all__ = [
    "DIVISION_PLACES",
    "Outcome",
    "TaskError",
    "TaskFailure",
    "Value",
    "exact_product",
    "exact_sum",
    "number",
    "parse_json",
    "quotient",
    "to_int192",
    "write_json",
]

Value: TypeAlias = "bool | Decimal | str | list[Value] | dict[str, Value] | None"
"""A JSON value; numbers are `Decimal`."""

DIVISION_PLACES = 16
"""Decimals of a quotient unless a task says otherwise (shopspring `DivisionPrecision`)."""

_MAX_PLACES = 1_000
"""Digits allowed on either side of the decimal point, so that no response can make arithmetic slow; int192
needs 58."""

_EXACT = Context(prec=5 * _MAX_PLACES, traps=[Inexact, InvalidOperation, Overflow])
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SHOWN = 60

MAX_NESTING = 200
"""Levels of a JSON document."""


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task has no value. It flows to the tasks that depend on it in the value's place."""

    task: str
    reason: str
    """One clause; follows the task's name."""
    origin: TaskError | None = None
    """The first failure on the way, where this task only failed because an input did."""

    def __str__(self) -> str:
        return f"{self.task}: {self.reason}"

    @property
    def root(self) -> TaskError:
        """The failure to mend: the origin, or this one."""
        return self.origin or self


Outcome: TypeAlias = "Value | TaskError"
"""What a task ended with."""


class TaskFailure(Exception):  # noqa: N818 - a failed task is an everyday outcome; `run` turns it into a TaskError
    """Raised inside a task to end it; never leaves the package.

    Args:
        reason: one clause, without the task's name.
        retryable: whether another attempt might succeed.
        origin: the failed input's own failure, if that is the cause.
    """

    def __init__(self, reason: str, *, retryable: bool = False, origin: TaskError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.origin = origin

    @classmethod
    def of_input(cls, error: TaskError) -> TaskFailure:
        """The failure of a task because of a failed input."""
        return cls(f"input failed: {error.root}", origin=error.root)


def number(value: Outcome) -> Decimal:
    """Read a value as an exact number: a JSON number, or text such as `1.0832`, `-5` or `1e8`.

    Raises:
        TaskFailure: for anything else (blanks, `NaN`, booleans and null included), and for a number with
            more than 1000 digits before or after the decimal point.
    """
    if isinstance(value, TaskError):
        raise TaskFailure.of_input(value)
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            raise TaskFailure(f"{_shown(value)} is not a number")
        try:
            value = Decimal(value, _EXACT)
        except InvalidOperation as error:
            raise TaskFailure(f"{_shown(value)} is out of range") from error
    if not isinstance(value, Decimal):
        raise TaskFailure(f"{_shown(value)} is not a number")
    return _bounded(value)


def exact_sum(values: Sequence[Decimal]) -> Decimal:
    """The sum without rounding; raises `TaskFailure` past 1000 digits on either side of the point."""
    total = Decimal(0)
    for value in values:
        total = _bounded(_EXACT.add(total, value))
    return total


def exact_product(left: Decimal, right: Decimal) -> Decimal:
    """The product without rounding; raises `TaskFailure` past 1000 digits on either side of the point."""
    return _bounded(_EXACT.multiply(left, right))


def quotient(dividend: Decimal, divisor: Decimal, places: int = DIVISION_PLACES) -> Decimal:
    """The quotient rounded half away from zero to a multiple of 10^-`places`; `places` may be negative.

    Raises:
        TaskFailure: if the divisor is zero.
    """
    if not divisor:
        raise TaskFailure("division by zero")
    numerator, denominator = dividend.as_integer_ratio()
    factor, factor_denominator = divisor.as_integer_ratio()
    numerator *= factor_denominator
    denominator *= factor
    if places >= 0:
        numerator *= 10**places
    else:
        denominator *= 10**-places
    whole, rest = divmod(abs(numerator), abs(denominator))
    if 2 * rest >= abs(denominator):
        whole += 1
    if (numerator < 0) != (denominator < 0):
        whole = -whole
    return _bounded(_EXACT.scaleb(Decimal(whole), -places))


def to_int192(value: Value) -> int:
    """The integer that an observation carries: truncated towards zero, as `Decimal.BigInt` does.

    Raises:
        TaskFailure: if the value is not a finite number or does not fit the contract's int192.
    """
    whole = int(number(value))
    if not -(2**191) <= whole < 2**191:
        raise TaskFailure(f"{_shown(value)} does not fit int192, whose largest value has 58 digits")
    return whole


def parse_json(text: str) -> Value:
    """Parse one JSON document, numbers exact.

    A number beyond what `Decimal` can hold stays text, so that it fails only the task that needs it.

    Raises:
        TaskFailure: if the text is not one JSON document, holds NaN or Infinity, or is nested too deeply.
    """
    if json_depth(text.encode(errors="surrogatepass")) > MAX_NESTING:
        raise TaskFailure("JSON is nested too deeply")
    try:
        value: Value = json.loads(
            text, parse_float=_json_number, parse_int=_json_number, parse_constant=_refuse
        )
    except ValueError as error:
        raise TaskFailure(f"not JSON: {error}") from error
    return value


def write_json(value: Value) -> str:
    """Render a value as JSON, numbers digit for digit.

    Raises:
        TaskFailure: if the value is nested too deeply.
    """
    return _rendered(value, MAX_NESTING)


def _rendered(value: Value, levels: int) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, list | dict):
        return json.dumps(value)
    if levels == 0:
        raise TaskFailure("value is nested too deeply")
    if isinstance(value, list):
        return "[" + ",".join(_rendered(item, levels - 1) for item in value) + "]"
    members = (f"{json.dumps(key)}:{_rendered(item, levels - 1)}" for key, item in value.items())
    return "{" + ",".join(members) + "}"


def _json_number(text: str) -> Decimal | str:
    try:
        return Decimal(text, _EXACT)
    except InvalidOperation:
        return text


def _refuse(constant: str) -> Decimal:
    raise ValueError(f"{constant} is not a JSON number")


def _bounded(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TaskFailure(f"{value} is not a finite number")
    if not value:
        return Decimal(0)
    if value.adjusted() >= _MAX_PLACES or exponent < -_MAX_PLACES:
        raise TaskFailure(f"{_shown(value)} has more than {_MAX_PLACES} digits before or after the point")
    return value


def _shown(value: Value) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
