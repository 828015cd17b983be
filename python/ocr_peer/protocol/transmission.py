"""Bringing final reports on chain, one oracle after the other (libocr `internal/ocr2/protocol/transmission.go`).

Our additions, each local to one oracle: a report stays in the store until the chain shows it or it
expires (upstream deletes it before sending), reads that fail are repeated, the memory of the last
accepted report expires, the schedule is repeated, rotated, when no stage brought the report on chain, and a
report that the contract refuses for good is let go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ocr_peer.protocol.config import SECOND, CommitteeConfig, Duration, Instant, OracleId, earliest
from ocr_peer.protocol.effects import (
    ChainReadPurpose,
    ChainReadTag,
    Effect,
    Milestone,
    MilestoneKind,
    PendingTransmission,
    Persist,
    ReadChain,
    SettledTransmission,
    Transmit,
)
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.plugin import ReportingPlugin
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.protocol.schedule import Schedule

__all__ = ["MAX_ATTEMPTS", "MAX_PENDING", "Transmission"]

MAX_ATTEMPTS = 3
"""The schedule's own turn and two rotated repeats."""

MAX_PENDING = 64
"""Final reports held at once; the oldest gives way."""

_SLACK = Duration(10 * SECOND)
"""Time for a transaction to show on chain after the last stage had its turn."""

_RETRY = Duration(1 * SECOND)


@dataclass(slots=True)
class _Candidate:
    """A final report on its way through accept, wait and transmit."""

    pending: PendingTransmission
    deadline: Instant | None
    reading: ChainReadTag | None = None
    accepted: bool = False


class Transmission:
    """This oracle's turns in the transmission schedules of all recent final reports."""

    def __init__(
        self, config: CommitteeConfig, own_id: OracleId, schedule: Schedule, plugin: ReportingPlugin
    ) -> None:
        self._config = config
        self._own_id = own_id
        self._schedule = schedule
        self._plugin = plugin
        self._candidates: dict[RoundTag, _Candidate] = {}
        self._last_accepted: AttestedReport | None = None
        self._last_accepted_expiry = Instant(0)
        self._generation = 0

    def next_deadline(self) -> Instant | None:
        """Earliest time at which `on_time` has something to do."""
        return earliest(*[candidate.deadline for candidate in self._candidates.values()])

    def start(self, pending: tuple[PendingTransmission, ...], now: Instant, effects: list[Effect]) -> None:
        """Take up what an earlier run left: all that is still to come, and of the overdue only the newest."""
        overdue = [item for item in pending if item.due <= now]
        newest = max(overdue, key=lambda item: item.report.context.tag, default=None)
        for item in sorted(pending, key=lambda item: item.report.context.tag):
            tag = item.report.context.tag
            if item.due <= now and (item is not newest or self._expired(item, now)):
                effects.append(Persist(SettledTransmission(tag)))
                continue
            self._candidates[tag] = _Candidate(item, max(item.due, now), accepted=True)
            self._last_accepted = item.report
            self._last_accepted_expiry = self._expiry(item)

    def on_attested(self, report: AttestedReport, now: Instant, effects: list[Effect]) -> None:
        """A report became final: decide whether it is worth transmitting."""
        tag = report.context.tag
        if tag in self._candidates:
            return
        if len(self._candidates) >= MAX_PENDING:
            self._settle(min(self._candidates), "displaced", effects)
        pending = PendingTransmission(report, finalized_at=now, due=now, attempt=0)
        candidate = self._candidates[tag] = _Candidate(pending, deadline=None)
        self._read(candidate, ChainReadPurpose.ACCEPT, effects)

    def on_time(self, now: Instant, effects: list[Effect]) -> None:
        """Give every candidate whose turn has come its turn."""
        due = [tag for tag, c in self._candidates.items() if c.deadline is not None and c.deadline <= now]
        for tag in sorted(due):
            candidate = self._candidates[tag]
            candidate.deadline = None
            if self._expired(candidate.pending, now):
                self._settle(tag, "expired", effects)
            else:
                purpose = ChainReadPurpose.TRANSMIT if candidate.accepted else ChainReadPurpose.ACCEPT
                self._read(candidate, purpose, effects)

    def on_chain_read(
        self, read: ChainReadTag, view: ChainView | None, now: Instant, effects: list[Effect]
    ) -> None:
        """Decide with the chain's state at hand."""
        if view is not None:
            self.on_view(view, effects)
        candidate = self._candidates.get(read.round)
        if candidate is None or candidate.reading != read:
            return
        candidate.reading = None
        if view is None:
            candidate.deadline = Instant(now + _RETRY)
        elif read.purpose is ChainReadPurpose.ACCEPT:
            self._decide_acceptance(candidate, view, now, effects)
        else:
            self._take_turn(candidate, view, effects)

    def on_refused(self, tag: RoundTag, effects: list[Effect]) -> None:
        """The contract will never take this report from this oracle: further turns are of no use."""
        candidate = self._candidates.get(tag)
        if candidate is not None and candidate.accepted:
            self._settle(tag, "refused by the contract", effects)

    def on_view(self, view: ChainView, effects: list[Effect]) -> None:
        """Let go of everything that a fresh look at the chain shows to be there, or overtaken."""
        if view.config_digest != self._config.config_digest:
            return
        for tag in [
            tag for tag, candidate in self._candidates.items() if candidate.accepted and tag <= view.tag
        ]:
            self._settle(tag, "on chain or overtaken", effects)

    def _decide_acceptance(
        self, candidate: _Candidate, view: ChainView, now: Instant, effects: list[Effect]
    ) -> None:
        report = candidate.pending.report
        tag = report.context.tag
        last_accepted = self._last_accepted if now < self._last_accepted_expiry else None
        if not self._plugin.should_accept(report, view, last_accepted):
            del self._candidates[tag]
            effects.append(Milestone(MilestoneKind.NOT_ACCEPTED, tag))
            return
        candidate.accepted = True
        self._last_accepted = report
        self._last_accepted_expiry = self._expiry(candidate.pending)
        self._schedule_turn(candidate, attempt=0, effects=effects)

    def _schedule_turn(self, candidate: _Candidate, attempt: int, effects: list[Effect]) -> None:
        tag = candidate.pending.report.context.tag
        stage = self._schedule.stage(tag, self._own_id, attempt)
        if stage is None:
            del self._candidates[tag]
            effects.append(Milestone(MilestoneKind.ACCEPTED, tag, (("stage", -1), ("attempt", attempt))))
            return
        start = candidate.pending.finalized_at + attempt * (self._config.transmit_window + _SLACK)
        due = Instant(start + self._schedule.delay(stage))
        candidate.pending = replace(candidate.pending, due=due, attempt=attempt)
        candidate.deadline = due
        effects.append(Persist(candidate.pending))
        effects.append(Milestone(MilestoneKind.ACCEPTED, tag, (("stage", stage), ("attempt", attempt))))

    def _take_turn(self, candidate: _Candidate, view: ChainView, effects: list[Effect]) -> None:
        pending = candidate.pending
        tag = pending.report.context.tag
        if not self._plugin.should_transmit(pending.report, view):
            self._settle(tag, "on chain or overtaken", effects)
            return
        stage = self._schedule.stage(tag, self._own_id, pending.attempt) or 0
        effects.append(
            Milestone(MilestoneKind.TRANSMISSION_DUE, tag, (("stage", stage), ("attempt", pending.attempt)))
        )
        report = pending.report.with_signatures(self._config.contract_signatures)
        effects.append(Transmit(report, stage, pending.attempt))
        if pending.attempt + 1 < MAX_ATTEMPTS:
            self._schedule_turn(candidate, pending.attempt + 1, effects)
        else:
            candidate.deadline = self._expiry(pending)

    def _read(self, candidate: _Candidate, purpose: ChainReadPurpose, effects: list[Effect]) -> None:
        self._generation += 1
        tag = candidate.pending.report.context.tag
        candidate.reading = ChainReadTag(purpose, tag, self._generation)
        config = self._config
        budget = (
            config.max_duration_should_accept
            if purpose is ChainReadPurpose.ACCEPT
            else config.max_duration_should_transmit
        )
        effects.append(ReadChain(candidate.reading, budget))

    def _settle(self, tag: RoundTag, reason: str, effects: list[Effect]) -> None:
        candidate = self._candidates.pop(tag)
        if candidate.accepted:
            effects.append(Persist(SettledTransmission(tag)))
        effects.append(Milestone(MilestoneKind.TRANSMISSION_SETTLED, tag, (("reason", reason),)))

    def _expiry(self, pending: PendingTransmission) -> Instant:
        return Instant(pending.finalized_at + MAX_ATTEMPTS * (self._config.transmit_window + _SLACK))

    def _expired(self, pending: PendingTransmission, now: Instant) -> bool:
        return now >= self._expiry(pending)
