"""One oracle of one configuration: routes events between the machines.

              MessageReceived, TimeAdvanced, ObservationMade, ChainRead, TransmissionRefused
                                                │
                                            ┌───▼────┐
            NewEpoch ◀── wishes ──────┐     │ Oracle │  buffers messages of epochs to come,
                                      │     └───┬────┘  loops own broadcasts back
                                ┌─────┴─────┐   │
                      epoch ┌───│ Pacemaker │◀──┼── progress, leader wanted
                            │   └───────────┘   │
                     ┌──────▼─┐            ┌────▼─────┐  ObserveReq, ReportReq
    Observe, Report ─▶ Leader │            │ Follower │◀───────── from the leader
                     └──────┬─┘            └────┬─────┘
                            │ Final             │ Observe, Report
                     ┌──────▼────┐              ▼
    Final, FinalEcho─▶ Finalizer │         to the leader
                     └──────┬────┘
                            │ attested report
                     ┌──────▼───────┐
                     │ Transmission │──▶ Transmit, in the oracle's stage
                     └──────────────┘

Leader and follower meet only here: the leader hears itself like any other follower.
"""

from __future__ import annotations

from collections import deque
from typing import assert_never

from ocr_peer.errors import InvariantError
from ocr_peer.protocol.config import CommitteeConfig, Instant, OracleId, PrivateConfig, earliest
from ocr_peer.protocol.effects import (
    Broadcast,
    ChainReadPurpose,
    Effect,
    Milestone,
    MilestoneKind,
    PeerFault,
    Send,
)
from ocr_peer.protocol.events import (
    ChainRead,
    Event,
    MessageReceived,
    ObservationMade,
    Start,
    TimeAdvanced,
    TransmissionRefused,
)
from ocr_peer.protocol.finalizer import Finalizer
from ocr_peer.protocol.follower import Follower
from ocr_peer.protocol.leader import Leader
from ocr_peer.protocol.messages import (
    Final,
    FinalEcho,
    Message,
    NewEpoch,
    Observe,
    ObserveReq,
    Report,
    ReportReq,
)
from ocr_peer.protocol.pacemaker import EpochChange, Pacemaker
from ocr_peer.protocol.plugin import Attestation, ReportingPlugin
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule
from ocr_peer.protocol.transmission import Transmission

__all__ = ["FUTURE_EPOCHS", "FUTURE_MESSAGES_PER_SENDER", "Oracle"]

FUTURE_EPOCHS = 8
"""Messages of up to this many epochs ahead are kept until the oracle gets there."""

FUTURE_MESSAGES_PER_SENDER = 10
"""How many of them per sender; the oldest gives way (libocr keeps as many)."""


class Oracle:
    """The whole protocol of one oracle. `step` is the only way in, its effects the only way out."""

    def __init__(
        self,
        config: CommitteeConfig,
        private: PrivateConfig,
        own_id: OracleId,
        *,
        attestation: Attestation,
        plugin: ReportingPlugin,
    ) -> None:
        self.config = config
        self.own_id = own_id
        self._schedule = Schedule(config, private)
        self._pacemaker = Pacemaker(config, own_id, self._schedule)
        self._leader = Leader(config, own_id, attestation, plugin)
        self._follower = Follower(config, attestation, plugin)
        self._finalizer = Finalizer(config, attestation, plugin)
        self._transmission = Transmission(config, own_id, self._schedule, plugin)
        self._future: list[deque[Message]] = [
            deque(maxlen=FUTURE_MESSAGES_PER_SENDER) for _ in range(config.n)
        ]
        self._started = False

    @property
    def epoch(self) -> int:
        """The epoch this oracle is in."""
        return self._pacemaker.epoch

    @property
    def round(self) -> int:
        """The round it follows, 0 before the first of the epoch."""
        return self._follower.round

    @property
    def leader(self) -> OracleId:
        """Who leads the epoch."""
        return self._follower.leader

    @property
    def phase(self) -> str:
        """Where this oracle's own leadership stands; `idle` when another leads."""
        return self._leader.phase.name.lower()

    def next_deadline(self) -> Instant | None:
        """When `TimeAdvanced` is due next; `None` only before `Start`."""
        return earliest(
            self._pacemaker.next_deadline(),
            self._leader.next_deadline(),
            self._transmission.next_deadline(),
        )

    def step(self, event: Event, now: Instant) -> list[Effect]:
        """Handle one event; carry the effects out in the order given.

        Raises:
            InvariantError: the first event is not `Start`, or a later one is.
        """
        if isinstance(event, Start) == self._started:
            raise InvariantError(f"{type(event).__name__} in the wrong place: Start comes first, and once")
        effects: list[Effect] = []
        match event:
            case MessageReceived(sender, message):
                self._on_message(sender, message, now, effects)
            case TimeAdvanced():
                self._pacemaker.on_time(now, effects)
                self._leader.on_time(now, effects)
                self._transmission.on_time(now, effects)
            case ObservationMade(tag, observation):
                self._follower.on_observation_made(tag, observation, effects)
            case ChainRead():
                self._on_chain_read(event, now, effects)
            case TransmissionRefused(tag):
                self._transmission.on_refused(tag, effects)
            case Start():
                self._start(event, now, effects)
            case _:
                assert_never(event)
        return self._looped_back(effects, now)

    def _start(self, event: Start, now: Instant, effects: list[Effect]) -> None:
        self._started = True
        change = self._pacemaker.start(event.state.pacemaker, event.chain, now, effects)
        self._follower.enter_epoch(change.epoch, change.leader, event.state.follower)
        self._transmission.start(event.state.pending, now, effects)
        effects.append(
            Milestone(MilestoneKind.EPOCH_ENTERED, RoundTag(change.epoch, 0), (("leader", change.leader),))
        )
        if event.state.pacemaker is None:
            self._leader.enter_epoch(change.epoch, change.leader, now, effects)
        # A restarted oracle never leads the epoch that it comes back to: the wish for the next one is out.

    def _on_chain_read(self, event: ChainRead, now: Instant, effects: list[Effect]) -> None:
        if event.tag.purpose is not ChainReadPurpose.REPORT:
            self._transmission.on_chain_read(event.tag, event.view, now, effects)
            return
        if event.view is not None:
            self._transmission.on_view(event.view, effects)
        if self._follower.on_chain_read(event.tag, event.view, now, effects):
            self._pacemaker.on_progress(event.tag.round.epoch, now)

    def _on_message(self, sender: OracleId, message: Message, now: Instant, effects: list[Effect]) -> None:
        if not 0 <= sender < self.config.n:
            raise InvariantError(f"message of unknown oracle {sender}: the network admits only the committee")
        match message:
            case NewEpoch(epoch):
                change = self._pacemaker.on_new_epoch(sender, epoch, now, effects)
                if change is not None:
                    self._enter_epoch(change, now, effects)
            case Final():
                self._on_final(sender, message, now, effects)
            case FinalEcho(final):
                self._on_final(sender, final, now, effects)
            case ObserveReq() | Observe() | ReportReq() | Report():
                self._on_round_message(sender, message, now, effects)
            case _:
                assert_never(message)

    def _on_round_message(
        self,
        sender: OracleId,
        message: ObserveReq | Observe | ReportReq | Report,
        now: Instant,
        effects: list[Effect],
    ) -> None:
        if message.epoch != self.epoch:
            if self.epoch < message.epoch <= self.epoch + FUTURE_EPOCHS:
                self._future[sender].append(message)
            return
        match message:
            case ObserveReq():
                if self._follower.on_observe_req(sender, message, now, effects):
                    self._pacemaker.change_leader(now, effects)
            case Observe():
                self._leader.on_observe(sender, message, now, effects)
            case ReportReq():
                self._follower.on_report_req(sender, message, now, effects)
            case Report():
                self._leader.on_report(sender, message, now, effects)
            case _:
                assert_never(message)

    def _on_final(self, sender: OracleId, final: Final, now: Instant, effects: list[Effect]) -> None:
        attested = self._finalizer.on_final(sender, final, effects)
        if attested is None:
            return
        self._pacemaker.on_progress(final.epoch, now)
        self._transmission.on_attested(attested, now, effects)

    def _enter_epoch(self, change: EpochChange, now: Instant, effects: list[Effect]) -> None:
        effects.append(
            Milestone(MilestoneKind.EPOCH_ENTERED, RoundTag(change.epoch, 0), (("leader", change.leader),))
        )
        self._follower.enter_epoch(change.epoch, change.leader)
        self._leader.enter_epoch(change.epoch, change.leader, now, effects)
        for index, buffered in enumerate(self._future):
            waiting = list(buffered)
            buffered.clear()
            for message in waiting:
                self._on_message(OracleId(index), message, now, effects)

    def _looped_back(self, effects: list[Effect], now: Instant) -> list[Effect]:
        # The oracle's own copy of what it sends is handled within the same step, after the effects that
        # stand before it, so that a vote counts only behind its own `Persist`.
        outward: list[Effect] = []
        for effect in effects:  # grows while it is read
            match effect:
                case Send(to, message) if to == self.own_id:
                    self._on_message(to, message, now, effects)
                case PeerFault(oracle) if oracle == self.own_id:
                    pass  # A fault of one's own is no fault of a peer.
                case Broadcast(message) if not isinstance(message, FinalEcho):
                    outward.append(effect)
                    self._on_message(self.own_id, message, now, effects)
                case _:
                    # An echo is not heard by whom it comes from: what it repeats is final there.
                    outward.append(effect)
        return outward
