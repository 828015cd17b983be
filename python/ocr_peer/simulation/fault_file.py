"""Reads faults from TOML: who, when, what. The format is described in docs/simulator.md."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import Duration
from ocr_peer.simulation.faults import FOREVER, Behaviour, Fault, FaultKind, FaultPlan

__all__ = ["read_fault_file"]

_UNITS = {
    FaultKind.DELAY: "seconds",
    FaultKind.SKEW: "seconds",
    FaultKind.RPC_STALE: "seconds",
    FaultKind.RECONFIGURE: "seconds",
    FaultKind.INVALID_CONFIG: "seconds",
    FaultKind.DRIFT: "ppm",
    FaultKind.SOURCE_VALUE: "value",
}
"""Which key says how much; `count` for the others."""
_KEYS = frozenset(
    {
        "what",
        "who",
        "from",
        "until",
        "probability",
        "seconds",
        "count",
        "ppm",
        "value",
        "messages",
        "to",
        "behaviour",
    }
)
_MESSAGES = ("NewEpoch", "ObserveReq", "Observe", "ReportReq", "Report", "Final", "FinalEcho")

_Word = TypeVar("_Word", bound=StrEnum)


def read_fault_file(text: str) -> FaultPlan:
    """The plan that the file describes.

    Raises:
        InputError: names the fault, the key, the value and the fix.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError("fault file", None, f"no TOML: {error}", "see docs/simulator.md") from None
    unknown = sorted(document.keys() - {"fault"})
    if unknown:
        raise InputError("fault file", unknown[0], "unknown key", "write [[fault]] tables only")
    tables = document.get("fault", [])
    if not isinstance(tables, list):
        raise InputError("fault", tables, "not a list of tables", "write [[fault]]")
    return FaultPlan(tuple(_fault(table, f"fault {index}") for index, table in enumerate(tables, start=1)))


def _fault(table: Mapping[str, Any], name: str) -> Fault:
    for key in sorted(table.keys() - _KEYS):
        raise InputError(f"{name}: {key}", table[key], "unknown key", f"use {', '.join(sorted(_KEYS))}")
    what = _one_of(table, "what", FaultKind, name)
    if what is None:
        raise InputError(f"{name}: what", None, "says nothing", f"one of {', '.join(FaultKind)}")
    behaviour = _one_of(table, "behaviour", Behaviour, name)
    if (behaviour is None) == (what is FaultKind.BYZANTINE):
        known = ", ".join(Behaviour)
        raise InputError(f"{name}: behaviour", behaviour, 'goes with what = "byzantine"', f"one of {known}")
    start = _seconds(table, "from", name, default=0)
    stop = _seconds(table, "until", name, default=FOREVER)
    if stop < start:
        raise InputError(f"{name}: until", table["until"], "before `from`", "name a later second")
    return Fault(
        what,
        who=_oracles(table, "who", name),
        start=Duration(start),
        stop=Duration(stop),
        probability=_probability(table, name),
        amount=_amount(table, what, name),
        messages=_messages(table, what, name),
        to=_oracles(table, "to", name),
        behaviour=behaviour,
    )


def _one_of(table: Mapping[str, Any], key: str, kind: type[_Word], name: str) -> _Word | None:
    if key not in table:
        return None
    try:
        return kind(table[key])
    except ValueError:
        known = ", ".join(kind)
        raise InputError(f"{name}: {key}", table[key], "unknown", f"one of {known}") from None


def _seconds(table: Mapping[str, Any], key: str, name: str, *, default: int) -> int:
    value = table.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name}: {key}", value, "no number of seconds", "write one such as 2.5")
    # Thousandths, so that no float decides a trace.
    return round(value * 1000) * 1_000_000


def _amount(table: Mapping[str, Any], what: FaultKind, name: str) -> int:
    wanted = _UNITS.get(what, "count")
    if what is FaultKind.BYZANTINE and table.get("behaviour") == Behaviour.WITHHOLD:
        wanted = "seconds"
    for key in ("seconds", "count", "ppm", "value"):
        if key in table and key != wanted:
            raise InputError(f"{name}: {key}", table[key], f"does not belong to {what}", f"use {wanted}")
    if wanted == "seconds":
        return _seconds(table, "seconds", name, default=0)
    value = table.get(wanted, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name}: {wanted}", value, "no whole number", "write one such as 3")
    return value


def _probability(table: Mapping[str, Any], name: str) -> float:
    value = table.get("probability", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{name}: probability", value, "no number from 0 to 1", "write one such as 0.3")
    return float(value)


def _oracles(table: Mapping[str, Any], key: str, name: str) -> tuple[int, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(type(item) is int and 0 <= item < 31 for item in value):
        raise InputError(f"{name}: {key}", value, "no list of oracles", "write one such as [0, 2]")
    return tuple(value)


def _messages(table: Mapping[str, Any], what: FaultKind, name: str) -> tuple[str, ...]:
    value = table.get("messages", [])
    # A crash may also stand between an oracle and its transaction.
    known = (*_MESSAGES, "Transmit") if what is FaultKind.CRASH else _MESSAGES
    if not isinstance(value, list) or not all(item in known for item in value):
        raise InputError(
            f"{name}: messages", value, "no list of kinds of messages", f"kinds are {', '.join(known)}"
        )
    return tuple(value)
