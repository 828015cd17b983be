"""`memo`: a fixed value.

Source of the rules: the Chainlink node's `task.memo.go`: `value` is JSON that may hold references; without it
the incoming value passes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ocr_peer.pipeline.expressions import Reference, Template
from ocr_peer.pipeline.tasks.base import Attributes, RunContext, Task, only_input
from ocr_peer.pipeline.values import Outcome, Value

__all__ = ["Memo"]


@dataclass(frozen=True, slots=True)
class Memo(Task):
    """The JSON `value`."""

    type_name: ClassVar[str] = "memo"
    attribute_names: ClassVar[tuple[str, ...]] = ("value",)

    value: Template | None

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        return cls(attributes.json_template("value"))

    @property
    def references(self) -> tuple[Reference, ...]:
        return self.value.references if self.value else ()

    def input_problem(self, count: int) -> tuple[str, str] | None:
        if count > 1:
            return (f"has {count} incoming edges where memo takes one", "keep one of the edges")
        if self.value is None and count == 0:
            return ("has no value", 'add value="…" with a JSON value')
        return None

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        return only_input(self.value, inputs, context.variables)
