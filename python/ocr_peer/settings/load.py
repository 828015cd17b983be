"""Loads `node.toml`: parse, apply the environment, validate, and word what is wrong for an operator."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ocr_peer.errors import InputError
from ocr_peer.settings.environment import apply_environment
from ocr_peer.settings.position import OptionPath, option_lines
from ocr_peer.settings.schema import Settings
from ocr_peer.settings.values import ValueSyntaxError

__all__ = ["load_settings"]

_MAX_BYTES = 1 << 20
_SECRET_WORDS = ("http", "url", "password")
_WANTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "an array",
    "dataclass_type": "a table",
    "chain_id_type": 'a whole number, such as "1337"',
}
_TOML_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)")


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that a file and the environment make together.

    Args:
        path: the `node.toml`; relative paths inside it are taken from its folder.
        environment: variables that override options; `None` takes those of this process.

    Raises:
        InputError: the file cannot be read, is not TOML, or holds an unknown option or a wrong value. The
            message names file, line and option (or the variable) and the fix.
    """
    text = _read(path)
    try:
        options = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from error
    sources = apply_environment(options, os.environ if environment is None else environment)
    options.setdefault("keystore", {})  # Its default paths, too, are taken from the folder.
    try:
        settings = _adapter().validate_python(options, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise _first_error(path, text, error, sources) from None
    return settings


@cache
def _adapter() -> TypeAdapter[Settings]:
    return TypeAdapter(Settings)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise InputError("config", str(path), "larger than 1 MiB", "name a node.toml")
        return content.decode()
    except FileNotFoundError:
        fix = "run `ocr-peer init` to create one, or name another with --config"
        raise InputError("config", str(path), "no such file", fix) from None
    except UnicodeDecodeError as error:
        raise InputError("config", str(path), "not UTF-8 text", "save the file as UTF-8") from error
    except OSError as error:
        raise InputError(
            "config", str(path), error.strerror or "unreadable", "name a readable file"
        ) from error


def _syntax_error(path: Path, text: str, message: str) -> InputError:
    position = _TOML_POSITION.search(message)
    problem = "not valid TOML: " + _TOML_POSITION.sub("", message).lower()
    lines = text.split("\n")
    number = int(position[1]) if position else len(lines)
    shown = lines[number - 1] if number <= len(lines) else ""
    return InputError(f"{path}:{number}", shown, problem, "mend the line")


def _first_error(
    path: Path, text: str, error: ValidationError, sources: Mapping[OptionPath, str]
) -> InputError:
    lines = option_lines(text)
    located = [(_line(lines, _option_path(details)), details) for details in error.errors(include_url=False)]
    number, details = min(located, key=lambda pair: pair[0])
    option = _option_path(details)
    variable = next(
        (sources[option[:end]] for end in range(len(option), 0, -1) if option[:end] in sources), None
    )
    name = variable or f"{path}:{number}: {_dotted(option)}"
    problem, fix = _explained(details, option)
    return InputError(name, _shown(details, option), problem, fix)


def _option_path(details: ErrorDetails) -> OptionPath:
    return tuple(part for part in details["loc"] if isinstance(part, int) or not part.startswith("function-"))


def _line(lines: Mapping[OptionPath, int], option: OptionPath) -> int:
    """Where the option stands, or else the table that it should stand in."""
    return next((lines[option[:end]] for end in range(len(option), 0, -1) if option[:end] in lines), 1)


def _dotted(option: OptionPath) -> str:
    name = ""
    for part in option:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def _shown(details: ErrorDetails, option: OptionPath) -> object:
    if details["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return None
    if any(word in str(option[-1]).casefold() for word in _SECRET_WORDS):
        return "…"  # May hold an access key, even under a misspelt name.
    value = details["input"]
    if dataclasses.is_dataclass(value) or isinstance(value, dict | tuple):
        return "…"
    return str(value).lower() if isinstance(value, bool) else value


def _explained(details: ErrorDetails, option: OptionPath) -> tuple[str, str]:
    kind, context = details["type"], details.get("ctx", {})
    match kind:
        case "unexpected_keyword_argument":
            return _unknown(option)
        case "missing" | "missing_argument" | "missing_keyword_only_argument":
            return "required", f"add {option[-1]}"
        case "value_error" if isinstance(context.get("error"), ValueSyntaxError):
            syntax_error = context["error"]
            return syntax_error.problem, syntax_error.fix
        case "literal_error":
            return "not one of the choices", f"set one of {str(context['expected']).replace(' or ', ', ')}"
        case "greater_than_equal":
            return "too small", f"set at least {context['ge']}"
        case "less_than_equal":
            return "too large", f"set at most {context['le']}"
        case _ if kind in _WANTED:
            return f"not {_WANTED[kind]}", f"write {_WANTED[kind]}"
        case _:
            return details["msg"].lower(), "see docs/node.md"


def _unknown(option: OptionPath) -> tuple[str, str]:
    table = tuple(part for part in option[:-1] if isinstance(part, str))
    siblings = {names[-1]: names[-1] for names in _known_options() if names[:-1] == table}
    everywhere = {names[-1]: ".".join(names) for names in _known_options()}
    for candidates in (siblings, everywhere):
        found = _nearest(str(option[-1]), list(candidates))
        if found is not None:
            return "unknown option", f"did you mean {candidates[found]}?"
    return "unknown option", f"remove it; known here are {', '.join(sorted(siblings))}"


def _nearest(name: str, candidates: Sequence[str]) -> str | None:
    folded = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


@cache
def _known_options() -> tuple[tuple[str, ...], ...]:
    return tuple(_options_of(Settings, ()))


def _options_of(table: type, prefix: tuple[str, ...]) -> list[tuple[str, ...]]:
    hints = typing.get_type_hints(table, include_extras=True)
    found = []
    for option in dataclasses.fields(table):
        arguments = typing.get_args(hints[option.name])
        aliases = [part.alias for part in arguments if isinstance(part, FieldInfo) and part.alias]
        path = (*prefix, aliases[0] if aliases else option.name)
        found.append(path)
        inner = _table_in(hints[option.name])
        if inner is not None:
            found.extend(_options_of(inner, path))
    return found


def _table_in(hint: object) -> type | None:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    for argument in typing.get_args(hint):
        inner = _table_in(argument)
        if inner is not None:
            return inner
    return None
