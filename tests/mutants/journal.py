"""Results on disk, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["Journal", "Outcome", "Result"]


class Outcome(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    """A test took many times as long as without the mutant; counts as killed."""
    SURVIVED = "survived"
    NOT_COVERED = "not covered"
    """No test executes the line; survived without a fight."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the journal."""

    key: str
    """`Mutant.key`."""
    suite: str
    """Digest of tests and core that it was tried with."""
    mutant: str
    outcome: Outcome
    by: str
    """The first test that failed."""
    seconds: float


class Journal:
    """Appended to after every mutant; the last line about a mutant counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: dict[str, Result] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    continue  # the line that an interruption cut off
                self._results[row["key"]] = Result(**{**row, "outcome": Outcome(row["outcome"])})

    def find(self, key: str, suite: str) -> Result | None:
        """The result that still stands: a kill stays one, a survivor is tried again by a changed suite."""
        result = self._results.get(key)
        if result is None:
            return None
        died = result.outcome in {Outcome.KILLED, Outcome.TIMED_OUT}
        return result if died or result.suite == suite else None

    def add(self, result: Result) -> None:
        """Append and remember."""
        self._results[result.key] = result
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
