"""`jsonparse`: one value out of a JSON document.

Source of the rules: the Chainlink node's `task.jsonparse.go` and its documentation. One difference: with
`lax`, a path that breaks off half-way gives null, as documented; that node's code does so only for the last
part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ocr_peer.pipeline.expressions import Reference, Template
from ocr_peer.pipeline.tasks.base import Attributes, RunContext, Task, only_input
from ocr_peer.pipeline.values import Outcome, TaskFailure, Value, parse_json

__all__ = ["JsonParse"]

_INDEX = re.compile(r"[+-]?[0-9]{1,9}")
_HUGE_INDEX = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class JsonParse(Task):
    """Follow `path` through the document; `separator` parts its keys, negative indexes count from the end.

    A number in the document comes out as an exact `Decimal`. Without a path the whole document comes out.
    """

    type_name: ClassVar[str] = "jsonparse"
    attribute_names: ClassVar[tuple[str, ...]] = ("path", "separator", "data", "lax")

    path: Template | None
    separator: str
    data: Template | None
    lax: bool

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        data = attributes.template("data")
        if data is not None and not data.is_reference:
            raise attributes.error("data", "is fixed text", 'write data="$(task)", or use an edge instead')
        raw_path = attributes.raw("path")
        path = attributes.template("path")
        if path is not None and not path.is_reference:
            path = Template(raw_path, ())  # blanks belong to a key; lint points them out
        return cls(path, attributes.raw("separator") or ",", data, attributes.boolean("lax") or False)

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(
            reference for template in (self.path, self.data) if template for reference in template.references
        )

    def input_problem(self, count: int) -> tuple[str, str] | None:
        if count > 1:
            return (
                f"has {count} incoming edges where jsonparse takes one",
                "give each source its own jsonparse",
            )
        if self.data is None and count == 0:
            return ("has nothing to parse", 'add an edge to it, or data="$(task)"')
        return None

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        text = only_input(self.data, inputs, context.variables)
        if not isinstance(text, str):
            raise TaskFailure("input is not text")
        value = parse_json(text)
        path = self._path(context)
        for part in path:
            try:
                value = _step(value, part)
            except KeyError as error:
                if self.lax:
                    return None
                raise TaskFailure(
                    f"no {self.separator.join(path)!r} in the document: {error.args[0]}"
                ) from None
        return value

    def _path(self, context: RunContext) -> list[str]:
        path = "" if self.path is None else self.path.evaluate(context.variables)
        if isinstance(path, str):
            return path.split(self.separator) if path else []
        if not isinstance(path, list):
            raise TaskFailure("path is neither text nor an array of texts")
        parts = [part for part in path if isinstance(part, str)]
        if len(parts) != len(path):
            raise TaskFailure("path is not an array of texts")
        return parts


def _step(value: Value, part: str) -> Value:
    """One step down; raises `KeyError` with the reason if there is nothing there."""
    if isinstance(value, dict):
        if part not in value:
            raise KeyError(f"no key {part!r}")
        return value[part]
    if not isinstance(value, list):
        raise KeyError(f"{part!r} asks for a part of something that is no object or array")
    if not _HUGE_INDEX.fullmatch(part):
        raise TaskFailure(f"{part!r} is not an index of an array")
    index = int(part) if _INDEX.fullmatch(part) else len(value)
    if not -len(value) <= index < len(value):
        raise KeyError(f"no element {part} in an array of {len(value)}")
    return value[index]
