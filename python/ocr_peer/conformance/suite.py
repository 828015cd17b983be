"""Runs vector files: finds them, tells their kinds, runs every case, and adds up what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ocr_peer.conformance.kinds import CaseRun, Kind, kind_of
from ocr_peer.conformance.known_keys import KnownKeys, known_keys
from ocr_peer.conformance.reading import VectorFormatError, list_of, object_of, printable
from ocr_peer.conformance.record import Coverage, Mismatch, Record
from ocr_peer.errors import InputError
from ocr_peer.nesting import json_depth

__all__ = [
    "CaseFailure",
    "FileResult",
    "VectorFile",
    "find_files",
    "load_file",
    "run_file",
    "run_suite",
]

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_MAX_DEPTH = 64
_MAX_CASES = 1_000_000
_LABELS = ("mode", "what", "type")
"""Fields that name a case for people."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A file that was read, and the kind it is of."""

    path: Path
    document: Any
    kind: Kind | None

    @property
    def count(self) -> int:
        """How many cases will be run, as far as the file's outline tells."""
        if self.kind is None:
            return 0
        cases = self.document.get("cases") if isinstance(self.document, dict) else None
        if isinstance(cases, dict):
            return sum(len(section) for section in cases.values() if isinstance(section, list))
        return len(cases) if isinstance(cases, list) else 0


@dataclass(frozen=True, slots=True)
class CaseFailure:
    """A case that this implementation does not agree with."""

    case: str
    """`cases[3]`, or in a file with sections `deviation[3]`."""
    label: str | None
    """What the case calls itself."""
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of one file."""

    path: Path
    kind: str | None
    """`None` if it is of no kind that is known, or if it could not be read."""
    passed: int
    failures: tuple[CaseFailure, ...]
    unchecked: tuple[str, ...]
    """Fields that the file states and nothing was compared with."""
    error: InputError | None = None
    """Why the file is malformed; nothing of it counts then."""

    @property
    def status(self) -> str:
        """`passed`, `failed`, `unsupported` or `malformed`."""
        if self.error is not None:
            return "malformed"
        if self.kind is None:
            return "unsupported"
        return "failed" if self.failures else "passed"


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files that the paths name; of a folder all `*.json` directly inside, sorted. None twice.

    Raises:
        InputError: nothing there, or a folder without such files.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        shown = printable(str(path))
        if path.is_dir():
            inside = sorted(entry for entry in path.glob("*.json") if entry.is_file())
            if not inside:
                raise InputError("PATH", shown, "no *.json inside", "name a folder of vector files")
        elif path.is_file():
            inside = [path]
        else:
            raise InputError("PATH", shown, "no such file or folder", "name vector files or their folder")
        for file in inside:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def load_file(path: Path) -> VectorFile:
    """Read a file and tell its kind.

    Raises:
        InputError: unreadable, too long, or not JSON.
    """
    name = path.name
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}"
        raise VectorFormatError(name, str(path), problem, "name a readable file") from None
    if len(content) > MAX_FILE_BYTES:
        raise VectorFormatError(name, str(path), "longer than 64 MiB", "split it")
    if json_depth(content) > _MAX_DEPTH:
        raise VectorFormatError(name, str(path), f"nested deeper than {_MAX_DEPTH}", "name a vector file")
    try:
        document = json.loads(content, object_pairs_hook=_object_without_duplicates)
    except ValueError as error:
        raise VectorFormatError(name, str(path), f"not JSON: {error}", "mend it at that place") from None
    return VectorFile(path, document, kind_of(path.stem, document))


def run_file(
    file: VectorFile, keys: KnownKeys | None = None, on_case: Callable[[], None] = lambda: None
) -> FileResult:
    """Run every case of a file.

    Args:
        file: as `load_file` gives it.
        keys: off-chain keys beside those that the file states.
        on_case: called after every case.

    Raises:
        VectorFormatError: the file is not of its kind's format; the message names case and field.
    """
    if file.kind is None:
        return FileResult(file.path, None, 0, (), ())
    keys = known_keys(()) if keys is None else keys
    coverage = Coverage()
    passed, failures = 0, []
    for name, values, run in _cases(file.path.name, file.document, file.kind):
        record = Record.of_case(values, f"{file.path.name}: {name}", coverage)
        label = _label(record)
        _run_case(run, record, keys)
        if record.mismatches:
            failures.append(CaseFailure(name, label, tuple(record.mismatches)))
        else:
            passed += 1
        on_case()
    if not passed and not failures:
        raise VectorFormatError(f"{file.path.name}: cases", "[]", "no case", "add at least one")
    return FileResult(file.path, file.kind.name, passed, tuple(failures), tuple(coverage.unchecked()))


def run_suite(
    paths: Iterable[Path],
    *,
    on_loaded: Callable[[int], None] = lambda _count: None,
    on_case: Callable[[], None] = lambda: None,
) -> Iterator[FileResult]:
    """Run files in order; one that is malformed gives a result with an `error`, and the rest is run.

    Args:
        paths: as `find_files` gives them.
        on_loaded: called with the number of cases, once all files are read.
        on_case: called after every case.
    """
    loaded: list[VectorFile | FileResult] = []
    for path in paths:
        try:
            loaded.append(load_file(path))
        except InputError as error:
            loaded.append(FileResult(path, None, 0, (), (), error))
    files = [file for file in loaded if isinstance(file, VectorFile)]
    on_loaded(sum(file.count for file in files))
    keys = known_keys(case for file in files for case in _set_config_cases(file))
    for file in loaded:
        if isinstance(file, FileResult):
            yield file
            continue
        try:
            yield run_file(file, keys, on_case)
        except VectorFormatError as error:
            kind = None if file.kind is None else file.kind.name
            yield FileResult(file.path, kind, 0, (), (), error)


def _run_case(run: CaseRun, record: Record, keys: KnownKeys) -> None:
    try:
        run(record, keys)
    except VectorFormatError:
        raise
    except Exception as error:  # noqa: BLE001 - an implementation that raises has not passed the case
        record.equal("(the whole case)", "a result", f"{type(error).__name__}: {printable(str(error))}")


def _cases(name: str, document: Any, kind: Kind) -> Iterator[tuple[str, Any, CaseRun]]:
    document = object_of(document, name)
    if "cases" not in document:
        raise VectorFormatError(f"{name}: cases", None, "missing", f"list the cases of {kind.name}")
    if kind.run is not None:
        cases = list_of(document["cases"], f"{name}: cases", most=_MAX_CASES)
        yield from ((f"cases[{index}]", case, kind.run) for index, case in enumerate(cases))
        return
    known = kind.sections or {}
    for section, content in object_of(document["cases"], f"{name}: cases").items():
        place = f"{name}: cases.{section}"
        if section not in known:
            raise VectorFormatError(place, content, "no section", f"use {', '.join(known)}")
        cases = list_of(content, place, most=_MAX_CASES)
        yield from ((f"{section}[{index}]", case, known[section]) for index, case in enumerate(cases))


def _label(record: Record) -> str | None:
    for name in _LABELS:
        if record.has(name):
            return printable(record.text(name))
    return None


def _set_config_cases(file: VectorFile) -> list[Any]:
    if file.kind is None or file.kind.name != "ocr2_set_config" or not isinstance(file.document, dict):
        return []
    cases = file.document.get("cases")
    return cases if isinstance(cases, list) else []


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {twice!r} twice")
    return found
