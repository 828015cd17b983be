"""Which modules are mutated, and what a mutant of one is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["CORE", "ROOT", "Edit", "Module", "Mutant", "core_modules"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "ocr_peer"
CORE = ("protocol", "median", "wire")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the characters `start` … `stop` of a module's source."""

    start: int
    stop: int
    text: str
    operator: str
    function: str
    at_import: bool
    """Whether the code runs when the module is imported, and not when a test calls it."""


@dataclass(frozen=True)
class Module:
    """One source file of the core, by its name below `ocr_peer`."""

    name: str
    path: Path
    source: str

    @property
    def import_name(self) -> str:
        return f"ocr_peer.{self.name}"

    @cached_property
    def line_starts(self) -> list[int]:
        """Offset of each line's first character."""
        starts = [0]
        for line in self.source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def line_of(self, offset: int) -> int:
        """Line number, from 1, of a character."""
        return sum(start <= offset for start in self.line_starts)


@dataclass(frozen=True)
class Mutant:
    """A module with one edit. `number` counts the module's mutants in the order of its text."""

    module: Module
    number: int
    edit: Edit

    @property
    def name(self) -> str:
        return f"{self.module.name}#{self.number}"

    @property
    def line(self) -> int:
        return self.module.line_of(self.edit.start)

    @property
    def lines(self) -> range:
        """All lines that the edit touches."""
        return range(self.line, self.module.line_of(self.edit.stop - 1) + 1)

    @property
    def source(self) -> str:
        """The whole mutated module."""
        text = self.module.source
        return text[: self.edit.start] + self.edit.text + text[self.edit.stop :]

    @property
    def original(self) -> str:
        """The touched lines before the edit, on one line: what the list of equivalents is matched by."""
        return self._whole_lines(self.module.source[self.edit.start : self.edit.stop])

    @property
    def mutated(self) -> str:
        """The touched lines after it."""
        return self._whole_lines(self.edit.text)

    @property
    def previous(self) -> str:
        """The line above, to tell apart places that read the same."""
        return " ".join(self.module.source.splitlines()[self.line - 2].split()) if self.line > 1 else ""

    @property
    def key(self) -> str:
        """Names this mutant of this very source, so that an edited module is run anew."""
        content = f"{self.module.source}\0{self.edit.start}\0{self.edit.stop}\0{self.edit.text}"
        return hashlib.sha256(content.encode()).hexdigest()[:20]

    def _whole_lines(self, middle: str) -> str:
        starts = self.module.line_starts
        before = self.module.source[starts[self.lines[0] - 1] : self.edit.start]
        after = self.module.source[self.edit.stop : starts[self.lines[-1]]]
        return " ".join((before + middle + after).split())


def core_modules() -> list[Module]:
    """Every module of the core, in the order of its name."""
    modules = []
    for package in CORE:
        for path in sorted((PACKAGE / package).glob("*.py")):
            name = f"{package}.{path.stem}" if path.stem != "__init__" else package
            modules.append(Module(name, path, path.read_text(encoding="utf-8")))
    return modules
