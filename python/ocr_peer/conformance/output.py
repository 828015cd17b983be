"""What `ocr-peer conformance` prints: a table and the differences for people, or JSON lines for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocr_peer.conformance.reading import printable
from ocr_peer.conformance.record import Mismatch
from ocr_peer.conformance.suite import CaseFailure, FileResult

__all__ = ["Summary", "file_object", "summarise", "table_lines"]

_MOST_SHOWN = 100
"""Differences of one file that are shown to people; JSON has all."""
_SHORT = 72


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole run in numbers."""

    files: int
    unsupported: int
    malformed: int
    passed: int
    failed: int

    @property
    def ok(self) -> bool:
        """Whether at least one case ran and all were passed, and no file was malformed."""
        return self.passed > 0 and self.failed == 0 and self.malformed == 0

    def as_object(self) -> dict[str, object]:
        """The last JSON line."""
        return {
            "summary": True,
            "ok": self.ok,
            "files": self.files,
            "unsupported": self.unsupported,
            "malformed": self.malformed,
            "passed": self.passed,
            "failed": self.failed,
        }

    def as_line(self) -> str:
        """The last line for people."""
        text = f"{self.passed} passed, {self.failed} failed"
        if self.unsupported:
            text += f"; {self.unsupported} of {self.files} files unsupported"
        if self.malformed:
            text += f"; {self.malformed} of {self.files} files malformed"
        return text if self.passed or self.failed else f"{text}; no case was run"


def summarise(results: Sequence[FileResult]) -> Summary:
    """Add up."""
    statuses = [result.status for result in results]
    return Summary(
        files=len(results),
        unsupported=statuses.count("unsupported"),
        malformed=statuses.count("malformed"),
        passed=sum(result.passed for result in results),
        failed=sum(len(result.failures) for result in results),
    )


def file_object(result: FileResult) -> str:
    """One file as a line of JSON."""
    document: dict[str, object] = {
        "file": str(result.path),
        "kind": result.kind,
        "status": result.status,
        "passed": result.passed,
        "failed": len(result.failures),
        "unchecked": list(result.unchecked),
        "failures": [
            {
                "case": failure.case,
                "name": failure.label,
                "field": mismatch.field,
                "expected": mismatch.expected,
                "got": mismatch.got,
            }
            for failure in result.failures
            for mismatch in failure.mismatches
        ],
    }
    if result.error is not None:
        document["error"] = str(result.error)
    return json.dumps(document)


def table_lines(results: Sequence[FileResult]) -> list[str]:
    """The table, and below it what differs and what was not checked."""
    rows = [("FILE", "KIND", "PASSED", "FAILED")]
    for result in results:
        counts = ("-", "-")
        if result.status in {"passed", "failed"}:
            counts = (str(result.passed), str(len(result.failures)))
        kind = result.status if result.status in {"unsupported", "malformed"} else str(result.kind)
        rows.append((printable(str(result.path)), kind, *counts))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}"
        for row in rows
    ]
    for result in results:
        lines += _difference_lines(result)
    for result in results:
        if result.unchecked:
            names = ", ".join(printable(name) for name in result.unchecked)
            lines.append(f"not checked in {printable(result.path.name)}: {names}")
    return lines


def _difference_lines(result: FileResult) -> Iterable[str]:
    differences = [(failure, mismatch) for failure in result.failures for mismatch in failure.mismatches]
    for failure, mismatch in differences[:_MOST_SHOWN]:
        yield f"{printable(result.path.name)}: {_name(failure)}: {printable(mismatch.field)}"
        yield from _two_sides(mismatch)
    if len(differences) > _MOST_SHOWN:
        yield f"{printable(result.path.name)}: {len(differences) - _MOST_SHOWN} more differences; --json has all"


def _name(failure: CaseFailure) -> str:
    return failure.case if failure.label is None else f"{failure.case} ({failure.label})"


def _two_sides(mismatch: Mismatch) -> Iterable[str]:
    """Both values, each cut to the part around the first difference."""
    first = next(
        (
            index
            for index, (one, other) in enumerate(zip(mismatch.expected, mismatch.got, strict=False))
            if one != other
        ),
        min(len(mismatch.expected), len(mismatch.got)),
    )
    start = 0
    if max(len(mismatch.expected), len(mismatch.got)) > _SHORT:
        start = max(0, first - _SHORT // 2)
        start = 0 if start < 8 else start
    for side, value in (("expected", mismatch.expected), ("got", mismatch.got)):
        cut = value[start : start + _SHORT]
        head, tail = "…" if start else "", "…" if start + _SHORT < len(value) else ""
        yield f"  {side:>8}  {head}{printable(cut)}{tail}{_size(value)}"


def _size(value: str) -> str:
    if len(value) <= _SHORT:
        return ""
    return f"  ({(len(value) - 2) // 2} bytes)" if value.startswith("0x") else f"  ({len(value)} characters)"
