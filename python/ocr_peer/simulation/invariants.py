"""The rules that hold after every step, whatever goes wrong: I1 to I8 and I10 to I13.

I9, the replay, is `node.Life.replay`; liveness is `liveness`.
"""

from __future__ import annotations

from typing import NoReturn

from ocr_peer.protocol.config import SECOND, Instant
from ocr_peer.protocol.effects import (
    Broadcast,
    Effect,
    FollowerRecord,
    Milestone,
    MilestoneKind,
    PacemakerRecord,
    Persist,
    Record,
    Send,
)
from ocr_peer.protocol.events import StoredState
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import Final, FinalEcho, Message, NewEpoch, Observe, Report, ReportReq
from ocr_peer.protocol.report import AttestedReport, ReportContext, RoundTag
from ocr_peer.simulation.certificates import CertificateCheck
from ocr_peer.simulation.chain import Accepted, Chain
from ocr_peer.simulation.committee import Committee
from ocr_peer.simulation.node import Node, over_bound

__all__ = ["Invariants", "Violation"]


_WAKES_PER_INSTANT = 200


class Violation(Exception):  # noqa: N818 it is what was found, not an error of the simulator
    """A broken invariant."""

    def __init__(self, invariant: str, oracle: int, text: str) -> None:
        self.invariant = invariant
        self.oracle = oracle
        self.text = text
        who = f"oracle {oracle}: " if oracle >= 0 else ""
        super().__init__(f"{invariant}: {who}{text}")

    def __reduce__(self) -> tuple[type[Violation], tuple[str, int, str]]:
        # An exception is rebuilt from its message, unless it says otherwise: seeds run in other processes.
        return Violation, (self.invariant, self.oracle, self.text)


class Invariants:
    """Watches honest oracles and the chain; raises `Violation` at the first step that breaks a rule."""

    def __init__(self, n: int, faulty: frozenset[int]) -> None:
        self._n = n
        self._faulty = faulty
        self._acting = -1
        self.certificates = CertificateCheck(faulty, self._breach)
        self._wished: dict[tuple[int, int], int] = {}
        """(generation, oracle) → highest epoch wished for."""
        self._echoed: dict[tuple[int, int], set[RoundTag]] = {}
        """(oracle, life) → rounds echoed."""
        self._place: dict[int, tuple[int, int, int]] = {}
        """oracle → (life, epoch, round)."""
        self._records: dict[int, tuple[int, PacemakerRecord]] = {}
        self._wakes: dict[int, tuple[int, int]] = {}
        self._latest_on_chain: tuple[bytes, RoundTag] | None = None

    def after_step(self, node: Node, sender: int | None) -> None:
        """Position and memory of an honest oracle after one step (I4, I8)."""
        life = node.life
        if life is None:
            return
        self._acting = node.oracle_id
        oracle = life.oracle
        place = (node.lives, oracle.epoch, oracle.round)
        before = self._place.get(node.oracle_id)
        if place != before:
            if before is not None and before[0] == node.lives and place < before:
                self._breach("I4", f"went back from {before[1]}/{before[2]} to {place[1]}/{place[2]}")
            self._place[node.oracle_id] = place
        excess = over_bound(oracle, sender)
        if excess is not None:
            self._breach("I8", excess)

    def on_effect(self, node: Node, committee: Committee, effect: Effect) -> None:
        """An effect of an honest oracle, in its order, just before it is carried out."""
        self._acting = node.oracle_id
        match effect:
            case Send(_, message):
                self._durable_first(node.state(), message)
            case Persist(record):
                if isinstance(record, PacemakerRecord):
                    self._on_pacemaker_record(node, record)
                elif isinstance(record, Evidence):
                    self.certificates.on_evidence(committee, record)
            case Broadcast(message):
                self._on_broadcast(node, committee, message)
            case Milestone(MilestoneKind.EPOCH_ENTERED, tag):
                self._on_epoch(node, tag.epoch, committee.config.f)
            case _:
                pass

    def on_write(self, node: Node, before: StoredState, records: list[Record]) -> None:
        """A transaction reached an honest oracle's disk: no vote is ever taken back (I4)."""
        self._acting = node.oracle_id
        held, pacemaker = before.follower, before.pacemaker
        for record in records:
            if isinstance(record, PacemakerRecord):
                if pacemaker is not None and _goes_back(pacemaker, record):
                    self._breach("I4", f"pacemaker's disk went back from {pacemaker} to {record}")
                pacemaker = record
            elif isinstance(record, FollowerRecord):
                if held is not None and _votes(record) < _votes(held):
                    self._breach("I4", f"record of votes went back from {held} to {record}")
                held = record

    def on_signed(self, node: Node, committee: Committee) -> None:
        """What an honest oracle signed in this step counts from here on (I3)."""
        if node.life is None:
            return
        self._acting = node.oracle_id
        for item in node.life.signing.signed:
            self.certificates.on_signed(
                committee.config.config_digest, node.oracle_id, item.kind, item.tag, item.payload
            )
        node.life.signing.signed.clear()

    def on_accepted(self, chain: Chain, item: Accepted, now: Instant) -> None:
        """The chain took a report (I1, I2, I4, I7, I12)."""
        self._acting = -1
        context = item.report.context
        if context.config_digest != chain.committee.config.config_digest:
            self._breach("I7", f"a report of a retired configuration is on chain: {context.tag}")
        if self._latest_on_chain is not None:
            digest, latest = self._latest_on_chain
            if digest == context.config_digest and context.tag <= latest:
                self._breach("I4", f"the chain went from {latest} to {context.tag}")
        self._latest_on_chain = (context.config_digest, context.tag)
        age = now - item.timestamp * SECOND
        if age > chain.max_age:
            self._breach("I12", f"accepted a report {age / SECOND:.3f} s old")
        self.certificates.on_transmitted(chain.committee, item.report)

    def on_reorg(self, chain: Chain) -> None:
        """The chain's newest report is another one now."""
        newest = chain.accepted[-1].report.context if chain.accepted else None
        self._latest_on_chain = None if newest is None else (newest.config_digest, newest.tag)

    def on_wake(self, node: Node, elapsed: int) -> None:
        """A timer fired: many times in one instant would never end (I8)."""
        at, count = self._wakes.get(node.oracle_id, (-1, 0))
        count = count + 1 if at == elapsed else 1
        self._wakes[node.oracle_id] = (elapsed, count)
        if count > _WAKES_PER_INSTANT:
            raise Violation("I8", node.oracle_id, f"{count} timers in one instant")

    def on_exception(self, node: Node, error: Exception, what: str) -> NoReturn:
        """A step raised (I13)."""
        raise Violation("I13", node.oracle_id, f"{type(error).__name__}: {error}; in {what}") from error

    def on_replay_difference(self, node: Node, error: Exception) -> NoReturn:
        """The twin did something else (I9)."""
        raise Violation("I9", node.oracle_id, str(error)) from error

    def _on_broadcast(self, node: Node, committee: Committee, message: Message) -> None:
        match message:
            case FinalEcho(final):
                self._on_echo(node, committee, final)
            case NewEpoch():
                self._durable_first(node.state(), message)
            case ReportReq():
                self.certificates.on_request(committee.config.config_digest, message)
            case _:
                pass

    def _on_pacemaker_record(self, node: Node, record: PacemakerRecord) -> None:
        if record.epoch > record.highest_wished_epoch:
            self._breach("I4", f"in epoch {record.epoch}, wished for {record.highest_wished_epoch} only")
        life, before = self._records.get(node.oracle_id, (0, record))
        if life == node.lives and _goes_back(before, record):
            self._breach("I4", f"pacemaker went back from {before} to {record}")
        self._records[node.oracle_id] = (node.lives, record)
        key = (node.generation, int(node.oracle_id))
        self._wished[key] = max(self._wished.get(key, 1), record.highest_wished_epoch)

    def _on_epoch(self, node: Node, epoch: int, f: int) -> None:
        wishes = [
            self._wished.get((node.generation, oracle), 1)
            for oracle in range(self._n)
            if oracle not in self._faulty
        ]
        if epoch > 1 and (epoch > max(wishes) or sum(wish >= epoch for wish in wishes) <= f):
            self._breach("I5", f"entered epoch {epoch}, honest oracles wished for {sorted(wishes)}")

    def _on_echo(self, node: Node, committee: Committee, final: Final) -> None:
        tag = RoundTag(final.epoch, final.round)
        echoed = self._echoed.setdefault((int(node.oracle_id), node.lives), set())
        if tag in echoed:
            self._breach("I11", f"echoed {tag} twice in one life")
        echoed.add(tag)
        context = ReportContext(committee.config.config_digest, tag.epoch, tag.round, final.extra_hash)
        self.certificates.on_certificate(committee, AttestedReport(context, final.report, final.signatures))

    def _durable_first(self, state: StoredState, message: Message) -> None:
        follower = state.follower
        match message:
            case Observe(epoch, round_):
                if follower is None or (follower.epoch, follower.observed_round) < (epoch, round_):
                    self._breach("I6", f"observation {epoch}/{round_} left before its record was durable")
            case Report(epoch, round_, skip):
                voted = follower is not None and (follower.epoch, follower.reported_round) >= (epoch, round_)
                if not skip and not voted:
                    self._breach("I6", f"report {epoch}/{round_} left before its record was durable")
            case NewEpoch(epoch):
                held = state.pacemaker
                if held is None or held.highest_wished_epoch < epoch:
                    self._breach("I6", f"wish for epoch {epoch} left before its record was durable")
            case _:
                pass

    def _breach(self, invariant: str, text: str) -> NoReturn:
        raise Violation(invariant, int(self._acting), text)


def _votes(record: FollowerRecord) -> tuple[int, int, int]:
    return record.epoch, record.observed_round, record.reported_round


def _goes_back(before: PacemakerRecord, after: PacemakerRecord) -> bool:
    return (
        after.epoch < before.epoch
        or after.highest_wished_epoch < before.highest_wished_epoch
        or any(new < old for new, old in zip(after.wishes, before.wishes, strict=True))
    )
