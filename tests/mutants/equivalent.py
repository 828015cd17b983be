"""Mutants that no test can kill, each with the reason; reviewed by people, matched by text and not by line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.source import Mutant

__all__ = ["LIST", "Equivalent", "Equivalents"]

_Key = tuple[str, str, str, str]

LIST = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """An entry of the list."""

    module: str
    function: str
    original: str
    mutated: str
    reason: str

    @property
    def key(self) -> _Key:
        """What it is matched by."""
        return self.module, self.function, self.original, self.mutated


class Equivalents:
    """The whole list."""

    def __init__(self, entries: Iterable[Equivalent]) -> None:
        self._entries = {entry.key: entry for entry in entries}

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
        if len({entry.key for entry in entries}) != len(entries):
            raise ValueError("an entry twice")
        return cls(entries)

    def reason(self, mutant: Mutant) -> str | None:
        """Why nothing kills the mutant, `None` if nobody explained it."""
        entry = self._entries.get(_key(mutant))
        return entry.reason if entry is not None else None

    def stale(self, mutants: Iterable[Mutant]) -> list[Equivalent]:
        """Entries that speak of no mutant there is."""
        spoken_of = {_key(mutant) for mutant in mutants}
        return [entry for key, entry in self._entries.items() if key not in spoken_of]


def _key(mutant: Mutant) -> _Key:
    return mutant.module.name, mutant.edit.function, mutant.original, mutant.mutated
