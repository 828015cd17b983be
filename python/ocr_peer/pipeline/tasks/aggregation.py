"""`median`, `mean`, `sum` and `any`: one value out of several, some of which may have failed.

Source of the rules: the Chainlink node's `task.median.go`, `task.mean.go`, `task.sum.go` and `task.any.go`:
`allowedFaults` defaults to all but one; an even median and a mean are quotients with 16 decimals. Two
differences: a value that is not a number counts as a fault here, where that node gives the whole task up; and
`any` takes the first good input in order, where that node draws one, so that a run can be repeated.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self

from ocr_peer.pipeline.expressions import Reference, Template
from ocr_peer.pipeline.tasks.arithmetic import precision_of
from ocr_peer.pipeline.tasks.base import Attributes, RunContext, Task
from ocr_peer.pipeline.values import (
    DIVISION_PLACES,
    Outcome,
    TaskError,
    TaskFailure,
    Value,
    exact_sum,
    number,
    quotient,
)

__all__ = ["Aggregation", "Any", "Mean", "Median", "Sum"]

_MAX_FAULTS = 1_000


@dataclass(frozen=True, slots=True)
class Aggregation(Task):
    """A task over the incoming edges' numbers, or over those of the array `values`."""

    attribute_names: ClassVar[tuple[str, ...]] = ("values", "allowedFaults")

    values: Template | None
    allowed_faults: int | None
    """Failed or non-numeric inputs tolerated; `None` means all but one."""

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        return cls(attributes.json_template("values"), attributes.integer("allowedFaults", 0, _MAX_FAULTS))

    @property
    def references(self) -> tuple[Reference, ...]:
        return self.values.references if self.values else ()

    def input_problem(self, count: int) -> tuple[str, str] | None:
        if self.values is None and count == 0:
            return ("has no inputs", "add edges to it, or values=<[ $(task1), $(task2) ]>")
        return None

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        outcomes = list(inputs) if self.values is None else self.values.elements(context.variables)
        return self.combine(self._sound_numbers(outcomes))

    @abstractmethod
    def combine(self, numbers: list[Decimal]) -> Decimal:
        """One number out of at least one."""

    def _sound_numbers(self, outcomes: list[Outcome]) -> list[Decimal]:
        numbers: list[Decimal] = []
        faults: list[str] = []
        for outcome in outcomes:
            try:
                numbers.append(number(outcome))
            except TaskFailure as failure:
                faults.append(str(outcome.root) if isinstance(outcome, TaskError) else failure.reason)
        allowed = len(outcomes) - 1 if self.allowed_faults is None else self.allowed_faults
        if len(faults) > allowed or not numbers:
            first = f"; first: {faults[0]}" if faults else ""
            raise TaskFailure(
                f"{len(faults)} of {len(outcomes)} inputs failed, {max(allowed, 0)} allowed{first}"
            )
        return numbers


@dataclass(frozen=True, slots=True)
class Median(Aggregation):
    """The middle number, or the mean of the two middle ones."""

    type_name: ClassVar[str] = "median"

    def combine(self, numbers: list[Decimal]) -> Decimal:
        ordered = sorted(numbers)
        middle = len(ordered) // 2
        if len(ordered) % 2:
            return ordered[middle]
        return quotient(exact_sum(ordered[middle - 1 : middle + 1]), Decimal(2))


@dataclass(frozen=True, slots=True)
class Mean(Aggregation):
    """The arithmetic mean; one far-off source moves it, so prices want `median`."""

    type_name: ClassVar[str] = "mean"
    attribute_names: ClassVar[tuple[str, ...]] = ("values", "allowedFaults", "precision")

    places: int = DIVISION_PLACES

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        precision = precision_of(attributes)
        return cls(
            attributes.json_template("values"),
            attributes.integer("allowedFaults", 0, _MAX_FAULTS),
            DIVISION_PLACES if precision is None else precision,
        )

    def combine(self, numbers: list[Decimal]) -> Decimal:
        return quotient(exact_sum(numbers), Decimal(len(numbers)), self.places)


@dataclass(frozen=True, slots=True)
class Sum(Aggregation):
    """The exact sum of the numbers that are there: by default even if all but one input failed."""

    type_name: ClassVar[str] = "sum"

    def combine(self, numbers: list[Decimal]) -> Decimal:
        return exact_sum(numbers)


@dataclass(frozen=True, slots=True)
class Any(Task):
    """The first incoming value that did not fail, in the order of the inputs' `index`."""

    type_name: ClassVar[str] = "any"
    attribute_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        return cls()

    def input_problem(self, count: int) -> tuple[str, str] | None:
        return None if count else ("has no inputs", "add edges to it")

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        roots: list[TaskError] = []
        for outcome in inputs:
            if not isinstance(outcome, TaskError):
                return outcome
            roots.append(outcome.root)
        raise TaskFailure(f"all {len(roots)} inputs failed; first: {roots[0]}")
