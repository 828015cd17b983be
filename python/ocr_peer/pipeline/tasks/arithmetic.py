"""`multiply` and `divide`.

Source of the rules: the Chainlink node's `task.multiply.go` and `task.divide.go`: products are exact,
quotients have 16 decimals or as many as `precision` says, and `input` stands in for the incoming edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ocr_peer.pipeline.expressions import Reference, Template
from ocr_peer.pipeline.tasks.base import Attributes, RunContext, Task, only_input
from ocr_peer.pipeline.values import (
    DIVISION_PLACES,
    Outcome,
    TaskFailure,
    Value,
    exact_product,
    number,
    quotient,
)

__all__ = ["Divide", "Multiply", "precision_of"]

_MAX_PRECISION = 1_000


def precision_of(attributes: Attributes) -> int | None:
    """`precision`: decimals of a quotient; negative ones round to tens, hundreds and so on."""
    return attributes.integer("precision", -_MAX_PRECISION, _MAX_PRECISION)


def _operand(attributes: Attributes, name: str) -> Template | None:
    return None if attributes.text(name) is None else _needed_operand(attributes, name)


def _needed_operand(attributes: Attributes, name: str) -> Template:
    template = attributes.required_template(name, f"{name}=100, or another number")
    try:
        if not template.is_reference:
            number(template.evaluate({}))
    except TaskFailure as failure:
        raise attributes.error(
            name, failure.reason, f"write a number or a reference, as in {name}=100"
        ) from None
    return template


def _one_operand(given: Template | None, count: int, type_name: str) -> tuple[str, str] | None:
    if count > 1:
        return (f"has {count} incoming edges where {type_name} takes one", "keep one of the edges")
    if given is None and count == 0:
        return ("has no input", 'add an edge to it, or input="$(task)"')
    return None


@dataclass(frozen=True, slots=True)
class Multiply(Task):
    """`times` times the input, exactly."""

    type_name: ClassVar[str] = "multiply"
    attribute_names: ClassVar[tuple[str, ...]] = ("input", "times")

    operand: Template | None
    times: Template

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        return cls(_operand(attributes, "input"), _needed_operand(attributes, "times"))

    @property
    def references(self) -> tuple[Reference, ...]:
        return (*(self.operand.references if self.operand else ()), *self.times.references)

    def input_problem(self, count: int) -> tuple[str, str] | None:
        return _one_operand(self.operand, count, self.type_name)

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        left = number(only_input(self.operand, inputs, context.variables))
        return exact_product(left, number(self.times.evaluate(context.variables)))


@dataclass(frozen=True, slots=True)
class Divide(Task):
    """The input divided by `divisor`, rounded half away from zero."""

    type_name: ClassVar[str] = "divide"
    attribute_names: ClassVar[tuple[str, ...]] = ("input", "divisor", "precision")

    operand: Template | None
    divisor: Template
    places: int

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        divisor = _needed_operand(attributes, "divisor")
        if not divisor.is_reference and not number(divisor.evaluate({})):
            raise attributes.error("divisor", "is zero", "write a divisor other than zero")
        precision = precision_of(attributes)
        places = DIVISION_PLACES if precision is None else precision
        return cls(_operand(attributes, "input"), divisor, places)

    @property
    def references(self) -> tuple[Reference, ...]:
        return (*(self.operand.references if self.operand else ()), *self.divisor.references)

    def input_problem(self, count: int) -> tuple[str, str] | None:
        return _one_operand(self.operand, count, self.type_name)

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        dividend = number(only_input(self.operand, inputs, context.variables))
        return quotient(dividend, number(self.divisor.evaluate(context.variables)), self.places)
