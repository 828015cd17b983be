"""Go duration strings (`4s`, `1m30s`, `500ms`) as integer nanoseconds, and back.

Source of the rules: Go `time.ParseDuration` and `Duration.String`, which job files and task attributes are
written in. Negative durations, which Go accepts, are refused: nothing in a job can wait a negative time.
"""

from __future__ import annotations

import re

from ocr_peer.errors import InputError

__all__ = ["MILLISECOND_NS", "MINUTE_NS", "SECOND_NS", "format_duration", "parse_duration"]

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000 * MILLISECOND_NS
MINUTE_NS = 60 * SECOND_NS
_HOUR_NS = 60 * MINUTE_NS

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek mu; Go accepts both
    "ms": MILLISECOND_NS,
    "s": SECOND_NS,
    "m": MINUTE_NS,
    "h": _HOUR_NS,
}
_PART = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>ns|us|µs|μs|ms|s|m|h)")
_MAX_NS = 2**63 - 1
_MAX_LENGTH = 64
_FIX = 'write a number with a unit, as in "4s", "500ms" or "1m30s"'


def parse_duration(text: str, *, field: str) -> int:
    """Nanoseconds of a Go duration string; fractions below one nanosecond are cut off, as Go does.

    Raises:
        InputError: naming `field`, if the text is not a duration, is negative or passes 2^63-1 ns.
    """
    if text in {"0", "+0"}:
        return 0
    rest = text.removeprefix("+")
    if rest.startswith("-"):
        raise InputError(field, text, "is a negative duration", _FIX)
    if not rest or len(rest) > _MAX_LENGTH:
        raise InputError(field, text, "is not a duration", _FIX)
    total = 0
    position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None or not (part["whole"] or part["fraction"]):
            raise InputError(field, text, "is not a duration", _FIX)
        unit = _UNITS[part["unit"]]
        fraction = part["fraction"] or ""
        total += int(part["whole"] or "0") * unit
        total += int(fraction or "0") * unit // 10 ** len(fraction)
        position = part.end()
    if total > _MAX_NS:
        raise InputError(field, text, "is longer than 292 years", "write a shorter duration")
    return total


def format_duration(duration_ns: int) -> str:
    """The shortest text of whole units that `parse_duration` reads back to the same nanoseconds."""
    if duration_ns == 0:
        return "0s"
    text = ""
    rest = duration_ns
    for unit, size in (
        ("h", _HOUR_NS),
        ("m", MINUTE_NS),
        ("s", SECOND_NS),
        ("ms", MILLISECOND_NS),
        ("ns", 1),
    ):
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text
