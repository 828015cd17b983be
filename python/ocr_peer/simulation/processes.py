"""The oracles' processes: when they start, die, wake and step, and that each step can be repeated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from ocr_peer.errors import InvariantError
from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.effects import Effect
from ocr_peer.protocol.events import ChainView, Event, Start, TimeAdvanced
from ocr_peer.simulation.calendar import Calendar, Counts
from ocr_peer.simulation.chronicle import Witness
from ocr_peer.simulation.committee import SIMULATION_START, Committee
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.invariants import Invariants
from ocr_peer.simulation.node import Life, Node
from ocr_peer.simulation.trace import Trace

__all__ = ["Processes"]


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
        if node.life is not None or node.disk_fails:
            return
        node.lives += 1
        node.armed = None
        node.clock_offset, node.drift_since = node.next_clock_offset, self.now
        committee = self.committees[node.generation]
        node.life = Life(committee, oracle, replayed=self._replayed and not node.byzantine)
        self.trace.add(self.elapsed, oracle, "starts", text=f"generation {node.generation}")
        view, _ = self._chain_view(node)
        self._step(node, Start(node.state(), view))

    def crash(self, node: Node, where: str = "") -> None:
        """The process is gone, and with it all that was not written."""
        life = node.life
        if life is None:
            return
        self.trace.add(self.elapsed, node.oracle_id, "crashes", text=where)
        self.counts.crashes += 1
        node.boundaries_to_crash, node.crash_before = None, ()
        self._end(node, life)

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
        if generation <= node.generation:
            return
        if node.life is not None:
            self._end(node, node.life)
            node.generation = generation
            self.start(node.oracle_id)
        else:
            node.generation = generation

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
