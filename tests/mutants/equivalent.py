"""Mutants that no test can kill, each with the reason; reviewed by people, matched by text and not by line."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.source import Mutant

__all__ = ["LIST", "Equivalent", "Equivalents"]

LIST = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """An entry of the list."""

    module: str
    function: str
    original: str
    mutated: str
    reason: str
    previous: str = ""
    """The line above, where the function has the same line elsewhere."""

    def explains(self, mutant: Mutant) -> bool:
        """Whether this is a mutant that the entry speaks of."""
        return (
            (self.module, self.function) == (mutant.module.name, mutant.edit.function)
            and (self.original, self.mutated) == (mutant.original, mutant.mutated)
            and self.previous in {"", mutant.previous}
        )


class Equivalents:
    """The whole list."""

    def __init__(self, entries: Iterable[Equivalent]) -> None:
        self._entries = list(entries)

    @classmethod
    def load(cls, path: Path = LIST) -> Equivalents:
        """Read the file; an entry lacks nothing, least of all its reason."""
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])
        entries = [
            Equivalent(**{**row, "mutated": mutated})
            for row in rows
            # Several mutants of one line may share their reason.
            for mutated in (row["mutated"] if isinstance(row["mutated"], list) else [row["mutated"]])
        ]
        for entry in entries:
            if not entry.reason.strip():
                raise ValueError(f"no reason for {entry.module} {entry.function}: {entry.mutated}")
        return cls(entries)

    def reason(self, mutant: Mutant) -> str | None:
        """Why nothing kills the mutant, `None` if nobody explained it."""
        return next((entry.reason for entry in self._entries if entry.explains(mutant)), None)

    def stale(self, mutants: Iterable[Mutant]) -> list[Equivalent]:
        """Entries that do not speak of exactly one mutant: of none any more, or of two that read the same."""
        speaks_of = Counter(entry for mutant in mutants for entry in self._entries if entry.explains(mutant))
        return [entry for entry in self._entries if speaks_of[entry] != 1]
