"""Finds the line on which an option of a TOML file stands; `tomllib` does not say.

The scan reads statement by statement: lines are taken together until `tomllib` accepts them, so that it
needs no grammar of its own. It is run only on a file that parses as a whole, and only to word an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

__all__ = ["OptionPath", "option_lines"]

OptionPath = tuple[str | int, ...]
"""Keys and array indices from the root, as in `("EVM", 0, "Nodes", 1, "HTTPURL")`."""


def option_lines(text: str) -> dict[OptionPath, int]:
    """The first line, from 1, of every table, option and array element in valid TOML.

    An element of an array value gets the line of its option.
    """
    lines: dict[OptionPath, int] = {}
    table: OptionPath = ()
    array_lengths: dict[OptionPath, int] = {}
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header_path(parsed, array_lengths)
            _note(lines, table, number)
        else:
            _note_values(lines, table, parsed, number)
    return lines


def _statements(text: str) -> list[tuple[int, str]]:
    statements = []
    start, pending = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not pending:
            start = number
        pending += line + "\n"
        try:
            parsed = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        if parsed:
            statements.append((start, pending))
        pending = ""
    return statements


def _header_path(parsed: Mapping[str, object], array_lengths: dict[OptionPath, int]) -> OptionPath:
    path: OptionPath = ()
    value: object = parsed
    while isinstance(value, Mapping) and value:
        key, value = next(iter(value.items()))
        path = (*path, key)
        if isinstance(value, list):
            array_lengths[path] = array_lengths.get(path, 0) + 1
            return (*path, array_lengths[path] - 1)
        if path in array_lengths:
            path = (*path, array_lengths[path] - 1)
    return path


def _note(lines: dict[OptionPath, int], path: OptionPath, number: int) -> None:
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], number)


def _note_values(lines: dict[OptionPath, int], path: OptionPath, value: object, number: int) -> None:
    if path:
        _note(lines, path, number)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _note_values(lines, (*path, key), inner, number)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _note_values(lines, (*path, index), inner, number)
