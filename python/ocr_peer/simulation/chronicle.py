"""What a run did, step by step, for whoever wants to know more than numbers: tests and explanations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ocr_peer.protocol.effects import Effect, Milestone, MilestoneKind, PeerFault, Persist, Record
from ocr_peer.protocol.events import Event, MessageReceived
from ocr_peer.protocol.messages import Message
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.simulation.node import Node

__all__ = ["Chronicle", "Landing", "Step", "Witness"]

_MOST_STEPS = 200_000

_Effect = TypeVar("_Effect", bound=Effect)
_Record = TypeVar("_Record", bound=Record)
_Message = TypeVar("_Message", bound=Message)


class Landing(NamedTuple):
    """A transaction that was mined."""

    elapsed: int
    transmitter: int
    report: AttestedReport
    stage: int
    attempt: int
    """Both -1 where nobody asked the schedule."""
    refusal: str | None
    """Why it reverted; `None` if the chain took it."""

    @property
    def tag(self) -> RoundTag:
        """The round of the report."""
        return self.report.context.tag


class Step(NamedTuple):
    """One step of one oracle's core: what it was told, and what it made of that."""

    elapsed: int
    oracle: int
    life: int
    generation: int
    epoch: int
    """Where the oracle is after the step."""
    event: Event
    effects: Sequence[Effect]


class Witness(Protocol):
    """Sees what happens, and changes nothing."""

    def on_step(self, elapsed: int, node: Node, event: Event, effects: Sequence[Effect]) -> None:
        """An oracle's core made a step; its effects are about to be carried out, or bent."""
        ...

    def on_landing(self, landing: Landing) -> None:
        """A transaction was mined."""
        ...


class Chronicle:
    """Remembers the newest 200 000 steps and transactions of one run, and answers questions about them."""

    def __init__(self) -> None:
        self.steps: deque[Step] = deque(maxlen=_MOST_STEPS)
        self.landings: deque[Landing] = deque(maxlen=_MOST_STEPS)

    def on_step(self, elapsed: int, node: Node, event: Event, effects: Sequence[Effect]) -> None:
        """Remember the step."""
        if node.life is not None:
            epoch = node.life.oracle.epoch
            step = Step(elapsed, int(node.oracle_id), node.lives, node.generation, epoch, event, effects)
            self.steps.append(step)

    def on_landing(self, landing: Landing) -> None:
        """Remember the transaction."""
        self.landings.append(landing)

    def effects(self, kind: type[_Effect]) -> Iterator[tuple[Step, _Effect]]:
        """All effects of a kind, in their order."""
        for step in self.steps:
            for effect in step.effects:
                if isinstance(effect, kind):
                    yield step, effect

    def records(self, kind: type[_Record]) -> Iterator[tuple[Step, _Record]]:
        """All records of a kind that oracles asked to be made durable, in their order."""
        for step, persist in self.effects(Persist):
            if isinstance(persist.record, kind):
                yield step, persist.record

    def milestones(self, kind: MilestoneKind, oracle: int | None = None) -> list[tuple[Step, Milestone]]:
        """Who reached a milestone, when."""
        return [
            (step, effect)
            for step, effect in self.effects(Milestone)
            if effect.kind is kind and oracle in (None, step.oracle)
        ]

    def reached(self, kind: MilestoneKind, oracle: int) -> list[RoundTag]:
        """The rounds in which one oracle reached a milestone, in order."""
        return [effect.tag for _, effect in self.milestones(kind, oracle)]

    def heard(self, kind: type[_Message]) -> Iterator[tuple[Step, int, _Message]]:
        """Messages of a kind as they were received: the receiver's step, the sender, the message."""
        for step in self.steps:
            event = step.event
            if isinstance(event, MessageReceived) and isinstance(event.message, kind):
                yield step, int(event.sender), event.message

    def accusations(self, accused: int) -> list[tuple[Step, str]]:
        """What others counted against an oracle."""
        return [(step, fault.reason) for step, fault in self.effects(PeerFault) if fault.oracle == accused]

    def accepted(self) -> list[Landing]:
        """The reports that the chain took."""
        return [landing for landing in self.landings if landing.refusal is None]

    def refused(self) -> list[Landing]:
        """The transactions that reverted."""
        return [landing for landing in self.landings if landing.refusal is not None]
