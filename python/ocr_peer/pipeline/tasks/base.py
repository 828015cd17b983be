"""What every task type has in common: reading attributes, naming its inputs, running once.

The attribute names are the Chainlink node's (`core/services/pipeline/task.base.go` and one `task.*.go` a
type); case does not matter, as there. Unlike there, an unknown attribute is an error: that node ignores it,
so a mistyped `allowedFaults` changes how a feed behaves without a word.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import httpx

from ocr_peer.durations import parse_duration
from ocr_peer.errors import InputError
from ocr_peer.pipeline.expressions import Reference, Template, Variables
from ocr_peer.pipeline.grammar import Declaration
from ocr_peer.pipeline.values import Outcome, TaskError, TaskFailure, Value

__all__ = ["Attributes", "RunContext", "Task", "nearest", "only_input", "sound_inputs"]

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a task may use while it runs."""

    variables: Variables
    http_client: httpx.AsyncClient
    response_limit: int
    """Most bytes that one HTTP response may have."""


class Task(ABC):
    """One task's behaviour, configured by its attributes. Immutable; one instance serves every run."""

    type_name: ClassVar[str]
    attribute_names: ClassVar[tuple[str, ...]]
    """Beyond those that every task has."""
    default_timeout_ns: ClassVar[int | None] = None
    """Limit of one attempt where the task says none; `None` for tasks that only compute."""

    @classmethod
    @abstractmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        """Build the task; raises `InputError` for a missing or wrong attribute."""

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every `$(…)` in the attributes; the tasks they name run first."""
        return ()

    @abstractmethod
    def input_problem(self, count: int) -> tuple[str, str] | None:
        """Problem and fix, if a task with these attributes cannot work on `count` incoming edges."""

    @abstractmethod
    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        """Compute the value from the incoming edges' outcomes, in order.

        Raises:
            TaskFailure: if there is no value; the runner makes a `TaskError` of it.
        """


@dataclass(frozen=True, slots=True)
class Attributes:
    """One task's attributes, read with errors that name their place."""

    declaration: Declaration
    field: str
    """Name of the text, such as `observationSource`."""

    def text(self, name: str) -> str | None:
        """The attribute as written, without surrounding white space; `None` if absent or blank."""
        attribute = self.declaration.attributes.get(name.lower())
        return None if attribute is None else attribute.value.strip() or None

    def raw(self, name: str) -> str | None:
        """The attribute as written, white space included."""
        attribute = self.declaration.attributes.get(name.lower())
        return None if attribute is None else attribute.value

    def required(self, name: str, example: str) -> str:
        """The attribute, which must be there; `example` shows how to write it."""
        text = self.text(name)
        if text is None:
            raise self.error(name, "is required", f"write {example}")
        return text

    def duration_ns(self, name: str) -> int | None:
        """A Go duration in nanoseconds."""
        text = self.text(name)
        return None if text is None else parse_duration(text, field=self._where(name))

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        text = self.text(name)
        if text is None:
            return None
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and low <= int(text) <= high):
            raise self.error(name, "is not a whole number in range", f"write a number from {low} to {high}")
        return int(text)

    def boolean(self, name: str) -> bool | None:
        """A boolean as Go's `strconv.ParseBool` reads it."""
        text = self.text(name)
        if text is None:
            return None
        if text not in _TRUE | _FALSE:
            raise self.error(name, "is neither true nor false", 'write "true" or "false"')
        return text in _TRUE

    def template(self, name: str) -> Template | None:
        """Text that may be one `$(…)` reference."""
        return None if self.text(name) is None else self.required_template(name, "")

    def required_template(self, name: str, example: str) -> Template:
        """Like `template`, but the attribute must be there."""
        try:
            return Template.from_text(self.required(name, example))
        except ValueError as error:
            raise self.error(name, str(error), "write $(task) or $(task.path)") from None

    def json_template(self, name: str) -> Template | None:
        """JSON that may hold `$(…)` references."""
        text = self.text(name)
        try:
            return None if text is None else Template.from_json(text)
        except ValueError as error:
            raise self.error(name, str(error), 'write JSON, as in <{"pair": "EURUSD"}>') from None

    def error(self, name: str, problem: str, fix: str) -> InputError:
        """An `InputError` about one attribute."""
        return InputError(self._where(name), self.raw(name), problem, fix)

    def refuse_unknown(self, known: Iterable[str]) -> None:
        """Raise `InputError` for the first attribute that is not among `known`, naming the nearest."""
        names = {name.lower(): name for name in known}
        for key, attribute in self.declaration.attributes.items():
            if key not in names:
                close = nearest(attribute.name, names.values())
                fix = f"did you mean {close}?" if close else f"known are {', '.join(sorted(names.values()))}"
                raise self.error(attribute.name, "is an unknown attribute", fix)

    def _where(self, name: str) -> str:
        attribute = self.declaration.attributes.get(name.lower())
        place = attribute.place if attribute else self.declaration.place
        return f"{self.field} {place}: {self.declaration.name}.{name}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most likely meant; `None` if none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def sound_inputs(inputs: Sequence[Outcome]) -> list[Value]:
    """The inputs' values, if no input failed; raises `TaskFailure` naming the first that did."""
    values: list[Value] = []
    for outcome in inputs:
        if isinstance(outcome, TaskError):
            raise TaskFailure.of_input(outcome)
        values.append(outcome)
    return values


def only_input(template: Template | None, inputs: Sequence[Outcome], variables: Variables) -> Value:
    """The value of an attribute, or else of the first incoming edge.

    Raises:
        TaskFailure: if any incoming edge failed, or the attribute's reference does not resolve.
    """
    values = sound_inputs(inputs)
    return values[0] if template is None else template.evaluate(variables)
