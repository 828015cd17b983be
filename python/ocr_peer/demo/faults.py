"""Faults that the demo causes on purpose, and what it took to survive them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from ocr_peer.demo.audit import AnswerAudit
from ocr_peer.demo.narration import Narrator
from ocr_peer.demo.processes import NodeProcess
from ocr_peer.demo.state import CommitteeState
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule

__all__ = ["RESTART_AFTER_S", "FaultScript", "Liars"]

RESTART_AFTER_S = 10.0
_WARM_UP_ANSWERS = 2
_LIED_ANSWERS = 3

Liars = Callable[[int], None]
"""Makes all sources lie to one oracle from now on."""


@dataclass(slots=True)
class FaultScript:
    """Causes the requested faults one after the other, so that never more than f oracles are away."""

    state: CommitteeState
    narrator: Narrator
    processes: list[NodeProcess]
    restart: Callable[[int], None]
    """Starts an oracle's process again."""
    schedule: Schedule
    """The committee's own schedule: the demo made its secret, so it knows who transmits."""
    f: int

    async def kill_leader(self) -> None:
        """Kill −9 the leader; wait for the next leader's first answer, then for the killed one's return."""
        await self._answers(self.state.answer_count + _WARM_UP_ANSWERS)
        leader = await self._until_leader_is_up()
        epoch = self.state.epoch
        killed_at = self._kill(leader, f"kill -9 of oracle {leader}, leader of epoch {epoch}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._restart_later, leader)
            await self.state.until(lambda: self.state.epoch > epoch)
            took = time.monotonic() - killed_at
            answer = await self._first_answer(lambda: self.state.answers[-1].audit.epoch > epoch)
            new_epoch = self.state.answers[-1].audit.epoch
            successor = self.schedule.leader(new_epoch)
            self.narrator.note(
                f"leader killed: epoch {epoch} was given up after {took:.1f} s, and oracle {successor}, leader of "
                f"epoch {new_epoch}, had its first answer on chain after {answer - killed_at:.1f} s",
                kind="leader_survived",
                killed=leader,
                leader=successor,
                epoch=new_epoch,
                seconds_to_epoch=round(took, 2),
                seconds_to_answer=round(answer - killed_at, 2),
            )
        await self._returned(leader)

    async def kill_transmitter(self) -> None:
        """Kill −9 the oracle whose turn it is to transmit, before it can; another must bring the report."""
        await self._answers(self.state.answer_count + _WARM_UP_ANSWERS)
        tag, transmitter = await self._next_transmitter()
        killed_at = self._kill(
            transmitter,
            f"kill -9 of oracle {transmitter}, first transmitter of epoch {tag.epoch} round {tag.round}",
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._restart_later, transmitter)
            at = await self._first_answer(lambda: self.state.answers[-1].audit.tag >= tag)
            audit = self.state.answers[-1].audit
            same = audit.tag == tag
            stage = self.schedule.stages(audit.tag)[audit.transmitter]
            what = "its report" if same else f"the report of epoch {audit.epoch} round {audit.round}"
            self.narrator.note(
                f"transmitter killed: oracle {audit.transmitter} brought {what} on chain in stage {stage}, "
                f"after {at - killed_at:.1f} s",
                kind="transmitter_survived",
                killed=transmitter,
                transmitter=audit.transmitter,
                stage=stage,
                same_report=same,
                seconds_to_answer=round(at - killed_at, 2),
            )
        await self._returned(transmitter)

    async def lying_sources(self, lie: Liars) -> None:
        """All sources of f oracles lie; the answers must stay among what the honest ones observed."""
        await self._answers(self.state.answer_count + _WARM_UP_ANSWERS)
        liars = list(range(self.f))
        for liar in liars:
            lie(liar)
        self.narrator.note(f"all sources of oracle(s) {liars} lie from now on", kind="lying", liars=liars)
        started, first = time.monotonic(), self.state.answer_count
        checked = 0
        while checked < _LIED_ANSWERS:
            await self._answers(first + 1)
            for answer in list(self.state.answers)[first - self.state.answer_count :]:
                checked += self._survived_lie(answer.audit, liars)
            first = self.state.answer_count
        self.narrator.note(
            f"sources lied: {checked} answers in {time.monotonic() - started:.1f} s held a lie of oracle(s) {liars}, "
            "and each answer lies between two honest observations of its report",
            kind="lie_survived",
            liars=liars,
            answers=checked,
        )

    def _survived_lie(self, audit: AnswerAudit, liars: list[int]) -> bool:
        """Whether the report holds a lie at all; a lie that moved the answer out of range is a problem."""
        told = dict(zip(audit.observers, audit.observations, strict=True))
        honest = [value for observer, value in told.items() if observer not in liars]
        lies = [told[liar] for liar in liars if liar in told and not min(honest) <= told[liar] <= max(honest)]
        if not min(honest) <= audit.answer <= max(honest):
            problem = f"answer {audit.answer} is outside the honest {min(honest)} … {max(honest)}"
            self.state.problems.append(problem)
            self.narrator.note(f"PROBLEM with round id {audit.round_id}: {problem}", kind="problem")
        return bool(lies)

    def _kill(self, oracle: int, text: str) -> float:
        self.narrator.note(text, kind="kill", oracle=oracle)
        self.processes[oracle].kill()
        self.state.oracles[oracle].up = False
        return time.monotonic()

    async def _restart_later(self, oracle: int) -> None:
        await trio.sleep(RESTART_AFTER_S)
        self.state.oracles[oracle].observations_sent = 0
        self.restart(oracle)
        self.narrator.note(f"oracle {oracle} starts again", kind="restart", oracle=oracle)

    async def _returned(self, oracle: int) -> None:
        started = time.monotonic()
        await self.state.until(lambda: self.state.oracles[oracle].observations_sent > 0)
        self.narrator.note(
            f"oracle {oracle} is back: takes part in epoch {self.state.oracles[oracle].epoch} round "
            f"{self.state.oracles[oracle].round}",
            kind="returned",
            oracle=oracle,
            seconds=round(time.monotonic() - started, 2),
        )

    async def _answers(self, count: int) -> None:
        await self.state.until(lambda: self.state.answer_count >= count)

    async def _first_answer(self, condition: Callable[[], bool]) -> float:
        await self.state.until(lambda: bool(self.state.answers) and condition())
        return time.monotonic()

    async def _until_leader_is_up(self) -> int:
        while (leader := self._leader_at_work()) is None:
            await self.state.until(lambda: self._leader_at_work() is not None)
        return leader

    def _leader_at_work(self) -> int | None:
        leader = self.state.leader
        if leader is None or not self.state.oracles[leader].up or self.state.oracles[leader].round == 0:
            return None
        return leader

    async def _next_transmitter(self) -> tuple[RoundTag, int]:
        """A round that has just begun, and the oracle of its first stage, if that is not the leader too."""
        seen = set(self.state.round_starts)
        while True:
            await self.state.until(lambda: any(tag not in seen for tag in self.state.round_starts))
            for epoch, round_ in [tag for tag in self.state.round_starts if tag not in seen]:
                seen.add((epoch, round_))
                tag = RoundTag(epoch, round_)
                transmitter = self.schedule.stages(tag).index(0)
                if transmitter != self.state.leader and self.state.oracles[transmitter].up:
                    return tag, transmitter
