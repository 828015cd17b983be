"""The oracles' processes: when they start, die, wake and step, and that each step can be repeated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from ocr_peer.errors import InvariantError
from ocr_peer.protocol.config import MILLISECOND, ConfigDigest, OracleId
from ocr_peer.protocol.effects import Effect
from ocr_peer.protocol.events import ChainView, Event, Start, TimeAdvanced
from ocr_peer.protocol.reconfiguration import (
    ConfigRefused,
    InstanceChange,
    Membership,
    Reconfiguration,
    SaveConfig,
    StartInstance,
    StopInstance,
)
from ocr_peer.simulation.calendar import Calendar, Counts
from ocr_peer.simulation.chronicle import Witness
from ocr_peer.simulation.committee import SIMULATION_START, Committee
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.invariants import Invariants
from ocr_peer.simulation.node import Life, Node
from ocr_peer.simulation.trace import Trace

__all__ = ["Processes"]

_CHAIN_READ = 50 * MILLISECOND


class Processes(Calendar, ABC):
    """n oracles on one calendar. What becomes of their effects is the subclass's."""

    def __init__(
        self, form: Callable[[int], Committee], plan: FaultPlan, *, trace: Trace, replayed: bool
    ) -> None:
        super().__init__()
        self._form = form
        self._replayed = replayed
        self.committees = [form(0)]
        """By generation."""
        self.trace = trace
        self.counts = Counts()
        self.witnesses: list[Witness] = []
        """See every step and every transaction, and change nothing."""
        self.byzantine = plan.byzantine()
        n, faulty = self.committees[0].config.n, plan.faulty()
        self.invariants = Invariants(n, faulty)
        self.nodes = [
            Node(OracleId(oracle), byzantine=oracle in self.byzantine, honest=oracle not in faulty)
            for oracle in range(n)
        ]

    def start(self, oracle: int) -> None:
        """Start the oracle's process from what its disk holds."""
        node = self.nodes[oracle]
        if node.reconfiguration is not None or node.disk_fails:
            return
        node.clock_offset, node.drift_since = node.next_clock_offset, self.now
        node.reconfiguration = Reconfiguration(partial(self._membership, node), self._digest)
        self._change(node, node.reconfiguration.on_stored(node.generation))
        if node.published > node.generation:
            # What was published while the process was down: the chain tells, a moment later.
            self.at(self.elapsed + _CHAIN_READ, self._learn, node, node.published)

    def crash(self, node: Node, where: str = "") -> None:
        """The process is gone, and with it all that was not written."""
        if node.reconfiguration is None:
            return
        self.trace.add(self.elapsed, node.oracle_id, "crashes", text=where)
        self.counts.crashes += 1
        node.boundaries_to_crash, node.crash_before = None, ()
        node.reconfiguration = None
        if node.life is not None:
            self._end(node, node.life)

    def drift(self, node: Node, ppm: int) -> None:
        """The oracle's clock gains so many millionths from now on; its timers follow the clock."""
        node.drift(ppm, self.now)
        node.armed = None
        if node.life is not None:
            self._arm(node, node.life)

    def finish(self) -> None:
        """Repeat what the living did (I9)."""
        for node in self.nodes:
            if node.life is not None:
                self._replay(node, node.life)

    @abstractmethod
    def _act(self, node: Node, life: Life, effects: Sequence[Effect]) -> None:
        """Do what an oracle asks for after a step."""

    @abstractmethod
    def _chain_view(self, node: Node) -> tuple[ChainView | None, int]:
        """What the oracle's endpoint says about the chain, and how long it takes."""

    def _learn(self, node: Node, generation: int) -> None:
        node.published = max(node.published, generation)
        if node.reconfiguration is not None and generation == node.published:
            self._change(node, node.reconfiguration.on_published(generation))

    def _membership(self, node: Node, generation: int) -> Membership:
        committee = self.committees[generation]
        committee.config.check()
        return Membership(committee.config, committee.private, node.oracle_id)

    def _digest(self, generation: int) -> ConfigDigest:
        return self.committees[generation].config.config_digest

    def _change(self, node: Node, changes: Sequence[InstanceChange[int]]) -> None:
        for change in changes:
            match change:
                case StopInstance():
                    # It may have ended before: an oracle that cannot write is mute.
                    if node.life is not None:
                        self._end(node, node.life)
                case SaveConfig(generation):
                    node.generation = generation
                case StartInstance():
                    self._begin(node)
                case ConfigRefused():
                    self.trace.add(self.elapsed, node.oracle_id, "refuses", text="the configuration")
                case _:
                    assert_never(change)

    def _begin(self, node: Node) -> None:
        node.lives += 1
        node.armed = None
        committee = self.committees[node.generation]
        node.life = Life(committee, node.oracle_id, replayed=self._replayed and not node.byzantine)
        self.trace.add(self.elapsed, node.oracle_id, "starts", text=f"generation {node.generation}")
        view, _ = self._chain_view(node)
        self._step(node, Start(node.state(), view))

    def _end(self, node: Node, life: Life) -> None:
        self._replay(node, life)
        node.life = None

    def _replay(self, node: Node, life: Life) -> None:
        try:
            life.replay()
        except InvariantError as error:
            self.invariants.on_replay_difference(node, error)

    def _step(self, node: Node, event: Event, sender: int | None = None) -> None:
        life = node.life
        if life is None:
            return
        self.counts.steps += 1
        try:
            effects = life.step(event, node.clock(self.now))
        except Exception as error:  # noqa: BLE001 whatever it is, it breaks I13
            if not node.byzantine:
                self.invariants.on_exception(node, error, repr(event))
            self._end(node, life)
            return
        for witness in self.witnesses:
            witness.on_step(self.elapsed, node, event, effects)
        if effects or node.byzantine:
            # Byzantine oracles also act on their own account.
            self._act(node, life, effects)
        if node.life is life:
            if node.honest:
                self.invariants.after_step(node, sender)
            self._arm(node, life)

    def _arm(self, node: Node, life: Life) -> None:
        deadline = life.oracle.next_deadline()
        if deadline is None:
            return
        real = node.real_time(deadline)
        if node.armed is None or real < node.armed:
            node.armed = real
            self.at(real - SIMULATION_START, self._wake, node, node.lives, real)

    def _wake(self, node: Node, lives: int, armed: int) -> None:
        life = node.life
        if life is None or lives != node.lives or armed != node.armed:
            return
        if node.paused_until > self.elapsed:
            self.at(node.paused_until, self._wake, node, lives, armed)
            return
        node.armed = None
        deadline = life.oracle.next_deadline()
        if deadline is not None and deadline <= node.clock(self.now):
            self.trace.add(self.elapsed, node.oracle_id, "wakes")
            self.invariants.on_wake(node, self.elapsed)
            self._step(node, TimeAdvanced())
        else:
            self._arm(node, life)
