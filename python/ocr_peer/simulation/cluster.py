"""n oracles, their network and the chain under one clock that only moves from event to event.

Effects are carried out as `runtime.driver` does: in order, all records before the next visible effect in
one transaction, which a crash in between loses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ocr_peer.protocol.config import Duration
from ocr_peer.protocol.effects import (
    Broadcast,
    Effect,
    Milestone,
    MilestoneKind,
    Observe,
    PeerFault,
    Persist,
    ReadChain,
    Record,
    Send,
    Transmit,
)
from ocr_peer.protocol.events import ChainRead, ChainView, Event, MessageReceived, ObservationMade
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import Final, Message, ReportReq
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.simulation.byzantine import Conspiracy, Letter, Release
from ocr_peer.simulation.chain import Chain
from ocr_peer.simulation.chronicle import Landing
from ocr_peer.simulation.committee import Committee, unservable
from ocr_peer.simulation.durable import written
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.network import Links
from ocr_peer.simulation.node import Life, Node
from ocr_peer.simulation.post import Parcel, Post, Shipment
from ocr_peer.simulation.processes import Processes
from ocr_peer.simulation.streams import Streams
from ocr_peer.simulation.surroundings import Surroundings
from ocr_peer.simulation.trace import Trace

__all__ = ["Cluster"]

_VISIBLE = (Send, Broadcast, Transmit)
"""Effects that others see: what an oracle wrote before must be on its disk by then."""


class Cluster(Processes):
    """The simulation's mechanism. `disruption.schedule` adds what the plan does to it."""

    def __init__(
        self,
        form: Callable[[int], Committee],
        plan: FaultPlan,
        streams: Streams,
        *,
        max_age: Duration,
        trace: Trace,
        replayed: bool,
    ) -> None:
        super().__init__(form, plan, trace=trace, replayed=replayed)
        n = len(self.nodes)
        self.streams = streams
        self.chain = Chain(self.committees[0], max_age, self.now)
        self.last_accepted = self.now
        self._others = [tuple(other for other in range(n) if other != oracle) for oracle in range(n)]
        self._conspiracy = Conspiracy(plan, n, streams)
        self._links = Links(plan, n, streams)
        self._post = Post(n, self.committees[0].plugin.limits)
        self._surroundings = Surroundings(plan, n, streams)

    def inject(self, sender: int, to: int, payload: bytes) -> None:
        """Send bytes in the name of `sender`, over its own link."""
        self._send(self.nodes[sender], (to,), self._post.of_bytes(payload))

    def reconfigure(self, spread: int, *, valid: bool = True) -> None:
        """`setConfig`: the chain has it at once, each oracle some time within `spread`."""
        generation = len(self.committees)
        committee = self._form(generation)
        self.committees.append(committee if valid else unservable(committee))
        self.chain.configure(self.committees[generation], self.now)
        self.trace.add(self.elapsed, -1, "configures", text=str(generation))
        dice = self.streams.stream("reconfigure", generation)
        for node in self.nodes:
            self.at(self.elapsed + int(dice.random() * spread), self._learn, node, generation)

    def reorganise(self, depth: int) -> None:
        """The newest reports vanish; some of their transactions are mined again later."""
        dropped = self.chain.reorganise(depth)
        self.invariants.on_reorg(self.chain)
        self.trace.add(self.elapsed, -1, "reorganises", text=str(len(dropped)))
        dice = self.streams.stream("reorg", self.elapsed)
        for item in dropped:
            if dice.random() < 0.5:
                self.at(self.elapsed + int(dice.random() * 5e9), self._land, item.transmitter, item.report)

    def _act(self, node: Node, life: Life, effects: Sequence[Effect]) -> None:
        if node.byzantine:
            self._mislead(node, life, effects)
        else:
            self._carry_out(node, life, effects)

    def _chain_view(self, node: Node) -> tuple[ChainView | None, int]:
        return self._surroundings.chain_view(
            node.oracle_id, self.chain, self.now, node.clock(self.now), self.elapsed
        )

    def _carry_out(self, node: Node, life: Life, effects: Sequence[Effect]) -> None:
        unwritten: list[Record] = []
        for effect in effects:
            if node.boundaries_to_crash is not None and node.reaches_crash():
                self.crash(node, f"before {type(effect).__name__}, {len(unwritten)} unwritten")
                return
            if isinstance(effect, Milestone):
                self._note(node, life, effect)
                continue
            if isinstance(effect, Persist):
                if node.honest:
                    self.invariants.on_effect(node, life.committee, effect)
                    self.counts.evidence += isinstance(effect.record, Evidence)
                unwritten.append(effect.record)
                continue
            if isinstance(effect, _VISIBLE):
                if unwritten and not self._write(node, unwritten):
                    return
                unwritten = []
                if node.honest and life.signing.signed:
                    # From here on it counts, even if the process dies with its next message.
                    self.invariants.on_signed(node, life.committee)
                if node.boundaries_to_crash is not None and node.reaches_crash():
                    self.crash(node, f"before {type(effect).__name__}, all written")
                    return
                if node.crash_before and self._dies_sending(node, effect):
                    return
                if node.honest:
                    self.invariants.on_effect(node, life.committee, effect)
            self._carry_out_one(node, effect)
        if unwritten and not self._write(node, unwritten):
            return
        if node.honest and life.signing.signed:
            self.invariants.on_signed(node, life.committee)

    def _dies_sending(self, node: Node, effect: Send | Broadcast | Transmit) -> bool:
        name = "Transmit" if isinstance(effect, Transmit) else type(effect.message).__name__
        if not node.reaches_crash_before(name):
            return False
        if isinstance(effect, Broadcast) and node.crash_reaches:
            self._send(node, node.crash_reaches, self._post.of(effect.message))
        self.crash(node, f"sending {name}")
        return True

    def _write(self, node: Node, records: list[Record]) -> bool:
        if node.disk_fails:
            # As the driver does: an oracle that cannot write is mute from then on.
            self.trace.add(self.elapsed, node.oracle_id, "cannot write")
            self.crash(node)
            return False
        before = node.state()
        if node.honest:
            self.invariants.on_write(node, before, records)
        node.disks[node.generation] = written(before, records)
        return True

    def _carry_out_one(self, node: Node, effect: Effect) -> None:
        oracle = node.oracle_id
        match effect:
            case Send(to, message):
                self._send(node, (to,), self._post.of(message))
            case Broadcast(message):
                self._send(node, self._others[oracle], self._post.of(message))
            case Observe(tag, timeout):
                observation, latency = self._surroundings.observation(
                    oracle, node.clock(self.now), self.elapsed
                )
                if node.byzantine:
                    observation = self._conspiracy.observation(oracle, observation, self.now)
                if observation is None:
                    latency = timeout
                self._later(node, min(latency, timeout), ObservationMade(tag, observation))
            case ReadChain(tag, timeout):
                view, latency = self._chain_view(node)
                self._later(node, timeout if view is None else latency, ChainRead(tag, view))
            case Transmit(report, stage, attempt):
                self.trace.add(self.elapsed, oracle, "transmits", text=_place(report))
                latency_or_none = self._surroundings.mined_after(oracle, self.elapsed)
                if latency_or_none is not None:
                    self.at(self.elapsed + latency_or_none, self._land, int(oracle), report, stage, attempt)
            case PeerFault(accused, reason):
                self.counts.count_fault(accused, reason)
            case _:
                pass

    def _note(self, node: Node, life: Life, milestone: Milestone) -> None:
        if milestone.kind is MilestoneKind.FINALIZED:
            self.counts.finalized.add((node.generation, milestone.tag))
        elif milestone.kind is MilestoneKind.EPOCH_ENTERED and node.honest:
            self.invariants.on_effect(node, life.committee, milestone)

    def _later(self, node: Node, delay: int, event: Event) -> None:
        self.at(self.elapsed + delay, self._answer, node, node.lives, event)

    def _answer(self, node: Node, lives: int, event: Event) -> None:
        if node.life is None or lives != node.lives:
            return
        if node.paused_until > self.elapsed:
            self.at(node.paused_until, self._answer, node, lives, event)
            return
        self.trace.add(self.elapsed, node.oracle_id, type(event).__name__)
        self._step(node, event)

    def _send(self, node: Node, targets: Sequence[int], parcel: Parcel) -> None:
        sender, elapsed = node.oracle_id, self.elapsed
        self.trace.add(elapsed, sender, "sends", targets[0] if len(targets) == 1 else -1, parcel.label)
        event = None if parcel.message is None else MessageReceived(sender, parcel.message)
        shipment = Shipment(sender, node.generation, parcel, event, elapsed)
        self.counts.sent["unreadable" if parcel.message is None else parcel.kind] += len(targets)
        for to in targets:
            for delay in self._links.delays(sender, to, parcel.kind, elapsed):
                self.at(elapsed + delay, self._deliver, self.nodes[to], shipment)

    def _deliver(self, node: Node, shipment: Shipment) -> None:
        if node.life is None or node.generation != shipment.generation:
            return
        if node.paused_until > self.elapsed:
            self.at(node.paused_until, self._deliver, node, shipment)
            return
        sender, _, parcel, event, sent = shipment
        self.trace.add(self.elapsed, node.oracle_id, "hears", sender, parcel.label, sent=sent)
        if node.byzantine:
            self._conspiracy.overhear(parcel.payload)
        if event is None:
            return
        if node.byzantine and not self._understands(node, sender, event.message):
            return
        if type(event.message) is ReportReq:
            self.invariants.certificates.on_request(node.life.committee.config.config_digest, event.message)
        self._step(node, event, sender)

    def _mislead(self, node: Node, life: Life, effects: Sequence[Effect]) -> None:
        oracle = int(node.oracle_id)
        acts: list[Letter | Release] = []
        for effect in effects:
            if isinstance(effect, Send | Broadcast):
                acts += self._conspiracy.outgoing(oracle, life.committee, effect)
            elif isinstance(effect, Persist):
                node.disks[node.generation] = written(node.state(), [effect.record])
            elif isinstance(effect, Observe | ReadChain) or (
                isinstance(effect, Transmit) and self._conspiracy.transmits(oracle)
            ):
                self._carry_out_one(node, effect)
        tag = RoundTag(life.oracle.epoch, life.oracle.round)
        acts += self._conspiracy.aside(oracle, life.committee, tag, self.now)
        life.signing.signed.clear()
        for act in acts:
            if isinstance(act, Release):
                self._release(oracle, life.committee, act)
            else:
                self.at(self.elapsed + act.delay, self._post_letter, node, act)

    def _understands(self, node: Node, sender: int, message: Message) -> bool:
        committee, oracle = self.committees[node.generation], int(node.oracle_id)
        for act in self._conspiracy.incoming(oracle, committee, sender, message):
            context = act.report.context
            final = Final(
                context.epoch, context.round, context.extra_hash, act.report.report, act.report.signatures
            )
            self._send(node, self._others[oracle], self._post.of(final))
            self._release(oracle, committee, act)
        return self._conspiracy.hears(oracle, sender, message, committee.config.f)

    def _release(self, oracle: int, committee: Committee, act: Release) -> None:
        report = act.report.with_signatures(committee.config.contract_signatures)
        self.at(self.elapsed + act.delay, self._land, oracle, report)

    def _post_letter(self, node: Node, letter: Letter) -> None:
        self._send(node, (letter.to,), self._post.of_bytes(letter.payload))

    def _land(self, transmitter: int, report: AttestedReport, stage: int = -1, attempt: int = -1) -> None:
        item = self.chain.transmit(transmitter, report, self.now)
        verdict = "refuses" if item is None else "accepts"
        self.trace.add(self.elapsed, -1, verdict, transmitter, _place(report))
        for witness in self.witnesses:
            witness.on_landing(Landing(self.elapsed, transmitter, report, stage, attempt, self.chain.refusal))
        if item is not None:
            self.counts.accepted += 1
            self.last_accepted = self.now
            self.invariants.on_accepted(self.chain, item, self.now)


def _place(report: AttestedReport) -> str:
    return f"report {report.context.epoch}/{report.context.round}"
