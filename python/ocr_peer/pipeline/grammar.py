"""The text of an `observationSource`: a DOT dialect, read into declarations and edges with their positions.

Source of the rules: the Chainlink node wraps the text in `digraph { … }` and reads it with gonum's DOT parser
(`graph/formats/dot/internal/dot.bnf`, `graph/encoding/dot`): statements with an optional `;`, attribute lists
separated by spaces, commas, semicolons or newlines, `//`, `/* */` and `#` comments, quoted strings with Go
escapes, and `<…>` literals, which may hold one level of nested brackets. Ports, subgraphs and undirected
edges, which no published job uses, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from ocr_peer.errors import InputError

__all__ = [
    "MAX_SOURCE_BYTES",
    "MAX_TASKS",
    "Attribute",
    "Declaration",
    "Edge",
    "Graph",
    "Place",
    "read_graph",
]

MAX_SOURCE_BYTES = 64 * 1024
MAX_TASKS = 200

_GRAMMAR = r"""
start: (_statement | ";")*
_statement: node | edge | setting
node: id attributes*
edge: id (_ARROW id)+ attributes*
setting: id "=" id
attributes: "[" (attribute ("," | ";")?)* "]"
attribute: id "=" id
?id: NAME | NUMBER | STRING | LITERAL

_ARROW: "->"
NAME: /[A-Za-z_\u0080-\U0010FFFF][0-9A-Za-z_\u0080-\U0010FFFF]*/
NUMBER: /-?(\.[0-9]+|[0-9]+(\.[0-9]*)?)/
STRING: /"(?:[^"\\]|\\(?:.|\n))*"/
LITERAL: /<(?:[^<>]|<[^<>]*>)*>/

%ignore /[ \t\r\n]+/
%ignore /(?:\/\/|#)[^\n]*/
%ignore /\/\*(?:[^*]|\*(?!\/))*\*\//
"""
_PARSER = Lark(_GRAMMAR, parser="lalr", propagate_positions=True, maybe_placeholders=False)

_END = "the end of the text"
_NAMES = {
    "NAME": "a name or value",
    "NUMBER": "a name or value",
    "STRING": "a name or value",
    "LITERAL": "a name or value",
    "_ARROW": "'->'",
    "SEMICOLON": "';'",
    "COMMA": "','",
    "EQUAL": "'='",
    "LSQB": "'['",
    "RSQB": "']'",
    "$END": _END,
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.|\n))"
)
_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}
_QUOTE = "write name=value, and put a value that is more than letters, digits and _ in double quotes"


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the text; both count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name=value` inside a task's brackets, the value without quotes or angle brackets."""

    name: str
    value: str
    place: Place


@dataclass(slots=True)
class Declaration:
    """`name [attributes]`; repeated statements about one name are merged, as in DOT."""

    name: str
    place: Place
    attributes: dict[str, Attribute] = field(default_factory=dict)
    """By lower-case name: the Chainlink node reads attribute names without regard to case."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`source -> target`."""

    source: str
    target: str
    place: Place
    """Where the source stands."""


@dataclass(slots=True)
class Graph:
    """What the text says, before any task is understood."""

    declarations: dict[str, Declaration]
    """By name, in order of appearance. Names that only occur in edges are not here."""
    edges: list[Edge]
    settings: list[Attribute]
    """`name=value` outside brackets, which say nothing about tasks (`rankdir=LR`)."""


def read_graph(source: str, *, field: str) -> Graph:
    """Read the text; `field` names it in errors.

    Raises:
        InputError: with line and column and what was expected there, if the text is not this dialect, is
            longer than 64 kB or has more than 200 tasks.
    """
    if not source.isascii() and any("\ud800" <= character < "\ue000" for character in source):
        raise InputError(field, "a lone surrogate", "is not text", "save the source as UTF-8")
    size = len(source.encode())
    if size > MAX_SOURCE_BYTES:
        raise InputError(field, f"{size} bytes", "is too long", f"keep it within {MAX_SOURCE_BYTES} bytes")
    try:
        tree = _PARSER.parse(source)
    except UnexpectedInput as error:
        raise _syntax_error(source, error, field) from None
    graph = Graph({}, [], [])
    for statement in _trees(tree):
        if statement.data == "node":
            _add_node(graph, statement, field)
        elif statement.data == "edge":
            _add_edges(graph, statement, field)
        else:
            graph.settings.append(_attribute(statement, field))
    if len(graph.declarations) > MAX_TASKS:
        raise InputError(
            field,
            f"{len(graph.declarations)} tasks",
            "has too many tasks",
            f"keep it within {MAX_TASKS} tasks",
        )
    return graph


def _add_node(graph: Graph, statement: Tree[Token], field: str) -> None:
    token = _first_token(statement)
    name = _unquoted(token, field)
    declaration = graph.declarations.setdefault(name, Declaration(name, _place(token)))
    for attribute_list in _trees(statement):
        for item in _trees(attribute_list):
            attribute = _attribute(item, field)
            key = attribute.name.lower()
            if key in declaration.attributes:
                raise InputError(
                    f"{field} {attribute.place}",
                    f"{name}.{attribute.name}",
                    f"is given twice, first at {declaration.attributes[key].place}",
                    "remove one of the two, or give the second task a name of its own",
                )
            declaration.attributes[key] = attribute


def _add_edges(graph: Graph, statement: Tree[Token], field: str) -> None:
    chain = [child for child in statement.children if isinstance(child, Token)]
    names = [_unquoted(token, field) for token in chain]
    for token, source, target in zip(chain, names, names[1:], strict=False):
        graph.edges.append(Edge(source, target, _place(token)))


def _attribute(tree: Tree[Token], field: str) -> Attribute:
    name, value = (child for child in tree.children if isinstance(child, Token))
    return Attribute(_unquoted(name, field), _unquoted(value, field), _place(name))


def _trees(tree: Tree[Token]) -> Iterator[Tree[Token]]:
    return (child for child in tree.children if isinstance(child, Tree))


def _first_token(tree: Tree[Token]) -> Token:
    return next(child for child in tree.children if isinstance(child, Token))


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1)


def _unquoted(token: Token, field: str) -> str:
    if token.type == "LITERAL":
        return str(token)[1:-1]
    if token.type != "STRING":
        return str(token)

    def character(match: re.Match[str]) -> str:
        simple, *codes, octal, wrong = match.groups()
        code = next((int(digits, 16) for digits in codes if digits), None)
        if octal:
            code = int(octal, 8)
        if wrong or (code is not None and (code > 0x10FFFF or 0xD800 <= code < 0xE000)):
            raise InputError(
                f"{field} {_place(token)}",
                match[0],
                "is not an escape that a quoted string may hold",
                "write a backslash itself as two backslashes",
            )
        return _SIMPLE[simple] if simple else chr(code or 0)

    return _ESCAPE.sub(character, str(token)[1:-1])


def _syntax_error(source: str, error: UnexpectedInput, field: str) -> InputError:
    lines = source.splitlines() or [""]
    expected: set[str] = error.interactive_parser.accepts()  # type: ignore[no-untyped-call] # lark leaves it open
    found = _END
    place = Place(len(lines), len(lines[-1]) + 1)
    if isinstance(error, UnexpectedCharacters):
        found, place = repr(error.char), Place(error.line, error.column)
    elif isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found, place = repr(str(error.token)[:40]), _place(error.token)
    words = sorted({_NAMES[terminal] for terminal in expected})
    wanted = ", ".join(words[:-1]) + " or " * (len(words) > 1) + words[-1]
    at_end = found == _END and "RSQB" in expected
    fix = "close the list with ']'" if at_end else _fix(found[1:2], expected) or f"write {wanted} there"
    shown = lines[place.line - 1].strip() if place.line <= len(lines) else ""
    return InputError(f"{field} {place}", shown, f"{found} where {wanted} was expected", fix)


def _fix(character: str, expected: set[str]) -> str | None:
    """What to do about an unexpected character, for the slips that jobs are known for."""
    match character:
        case '"':
            return "close the string with a double quote"
        case "<":
            return "close the literal with '>'; it may hold one more level of brackets"
        case "{" | "}":
            return "list the edges one by one; subgraphs are not supported"
        case "-":
            return "write an edge as 'a -> b'"
        case "/":
            return "close the comment with '*/'"
        case _:
            return _QUOTE if expected & {"RSQB", "EQUAL"} or character == "$" else None
