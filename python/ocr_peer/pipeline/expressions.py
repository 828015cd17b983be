"""References `$(task.path)` in attributes, and JSON templates that contain them.

Source of the rules: the Chainlink node's `core/services/pipeline` (`VarExpr`, `JSONWithVarExprs`,
`Vars.Get`): a reference is letters, digits, `_` and `.`; its first part names a task or one of the run's
variables, each later part a key of an object or an index of an array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ocr_peer.pipeline.values import Outcome, TaskError, TaskFailure, Value, parse_json

__all__ = ["Reference", "Template", "Variables"]

Variables: TypeAlias = Mapping[str, Outcome]
"""What references resolve against: outcomes by task name, and the run's own variables."""

_REFERENCE = re.compile(r"\$\(\s*([a-zA-Z0-9_.]+)\s*\)")
_MARK = "\0reference"
"""Key of the object that stands in for a reference while JSON is parsed."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`$(root.path…)`."""

    root: str
    path: tuple[str, ...] = ()

    @classmethod
    def parse(cls, dotted: str) -> Reference:
        """Read `root.path`; raises `ValueError` on an empty part."""
        parts = dotted.split(".")
        if not all(parts):
            raise ValueError(f"$({dotted}) has an empty part")
        return cls(parts[0], tuple(parts[1:]))

    def __str__(self) -> str:
        return f"$({'.'.join((self.root, *self.path))})"

    def resolve(self, variables: Variables) -> Outcome:
        """The referenced value, or the error of the task that should have made it.

        Raises:
            TaskFailure: if the variable or a part of the path does not exist.
        """
        if self.root not in variables:
            raise TaskFailure(f"{self}: this run has no variable {self.root}")
        value = variables[self.root]
        for part in self.path:
            if isinstance(value, TaskError):
                return value
            value = _step(self, value, part)
        return value


def _step(reference: Reference, value: Value, part: str) -> Value:
    if isinstance(value, dict):
        if part in value:
            return value[part]
        raise TaskFailure(f"{reference}: no key {part!r}")
    if isinstance(value, list):
        if part.isascii() and part.isdigit() and len(part) < 10 and int(part) < len(value):
            return value[int(part)]
        raise TaskFailure(f"{reference}: no element {part!r} in an array of {len(value)}")
    raise TaskFailure(f"{reference}: {part!r} asks for a part of something that is no object or array")


@dataclass(frozen=True, slots=True)
class Template:
    """A value that may still contain references. Equal templates give equal values."""

    shape: object
    """A `Value`, except that `Reference` objects may stand anywhere in it."""
    references: tuple[Reference, ...]

    @classmethod
    def from_text(cls, text: str) -> Template:
        """Text that is either one whole reference or stands for itself.

        Raises:
            ValueError: if it starts like a reference but is none.
        """
        stripped = text.strip()
        match = _REFERENCE.fullmatch(stripped)
        if match:
            reference = Reference.parse(match[1])
            return cls(reference, (reference,))
        if stripped.startswith("$"):
            raise ValueError(f"{stripped!r} is not a reference of the form $(task.path)")
        return cls(text, ())

    @classmethod
    def from_json(cls, text: str) -> Template:
        """JSON in which a reference may stand wherever a value may.

        Raises:
            ValueError: if the text is not JSON once references are taken out.
        """
        references: list[Reference] = []

        def stand_in(match: re.Match[str]) -> str:
            references.append(Reference.parse(match[1]))
            return json.dumps({_MARK: match[1]})

        try:
            shape = _with_references(parse_json(_REFERENCE.sub(stand_in, text)))
        except TaskFailure as failure:
            raise ValueError(failure.reason) from failure
        return cls(shape, tuple(references))

    @property
    def is_reference(self) -> bool:
        """Whether the whole template is one reference."""
        return isinstance(self.shape, Reference)

    def evaluate(self, variables: Variables) -> Value:
        """The value with every reference filled in.

        Raises:
            TaskFailure: if a reference does not resolve, or resolves to a failed task.
        """
        return _filled(self.shape, variables)

    def elements(self, variables: Variables) -> list[Outcome]:
        """Evaluate to an array whose elements may be failed tasks; failures elsewhere are not tolerated.

        Raises:
            TaskFailure: if the result is not an array, or a reference does not resolve.
        """
        if not isinstance(self.shape, list):
            value = self.evaluate(variables)
            if not isinstance(value, list):
                raise TaskFailure("values is not an array")
            return list(value)
        return [
            item.resolve(variables) if isinstance(item, Reference) else _filled(item, variables)
            for item in self.shape
        ]


def _with_references(value: Value) -> object:
    if isinstance(value, list):
        return [_with_references(item) for item in value]
    if isinstance(value, dict):
        marked = value.get(_MARK)
        if isinstance(marked, str) and len(value) == 1:
            return Reference.parse(marked)
        return {key: _with_references(item) for key, item in value.items()}
    return value


def _filled(shape: object, variables: Variables) -> Value:
    if isinstance(shape, Reference):
        outcome = shape.resolve(variables)
        if isinstance(outcome, TaskError):
            raise TaskFailure.of_input(outcome)
        return outcome
    if isinstance(shape, list):
        return [_filled(item, variables) for item in shape]
    if isinstance(shape, dict):
        return {key: _filled(item, variables) for key, item in shape.items()}
    literal: Value = shape  # type: ignore[assignment] # a leaf that is no reference is a value
    return literal
