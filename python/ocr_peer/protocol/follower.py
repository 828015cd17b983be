"""Following the leader: observe, check its report request, sign (libocr `report_generation_follower.go`).

Within an epoch an oracle signs at most one observation and one report per round, across restarts: the
record of having signed is durable before the signature leaves.
"""

from __future__ import annotations

from ocr_peer.protocol.config import CommitteeConfig, Instant, OracleId
from ocr_peer.protocol.effects import (
    ChainReadPurpose,
    ChainReadTag,
    Effect,
    FollowerRecord,
    Milestone,
    MilestoneKind,
    PeerFault,
    Persist,
    ReadChain,
    Send,
)
from ocr_peer.protocol.effects import Observe as ObserveEffect
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.evidence import Evidence, differing_observations
from ocr_peer.protocol.messages import Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.plugin import Attestation, ReportingPlugin
from ocr_peer.protocol.report import BuiltReport, RequestRefused, RoundTag

__all__ = ["Follower"]


class Follower:
    """This oracle's answers to the leader of the current epoch, itself included."""

    def __init__(self, config: CommitteeConfig, attestation: Attestation, plugin: ReportingPlugin) -> None:
        self._config = config
        self._attestation = attestation
        self._plugin = plugin
        self.epoch = 0
        self.round = 0
        """Highest round of the epoch that was asked for; only higher ones are answered."""
        self.leader = OracleId(0)
        self._observed_round = 0
        self._reported_round = 0
        self._answered = False
        """Whether this round's report request was answered, or is being."""
        self._deadline = Instant(0)
        self._held: ReportReq | None = None
        """A report request that overtook its observation request on the way."""
        self._request: ReportReq | None = None
        """The first report request of this round that was in order."""
        self._asked_twice = False
        self._built: BuiltReport | None = None
        self._generation = 0

    def enter_epoch(self, epoch: int, leader: OracleId, record: FollowerRecord | None = None) -> None:
        """Follow `leader` from round 1 on, or from behind the rounds that `record` says were signed."""
        self.epoch = epoch
        self.leader = leader
        self._observed_round = self._reported_round = 0
        if record is not None and record.epoch == epoch:
            self._observed_round, self._reported_round = record.observed_round, record.reported_round
        self.round = max(self._observed_round, self._reported_round)
        self._answered = True
        self._held = None
        self._request = None
        self._built = None

    def on_observe_req(
        self, sender: OracleId, message: ObserveReq, now: Instant, effects: list[Effect]
    ) -> bool:
        """Observe for a new round; true if the epoch's rounds are used up and another leader is wanted."""
        if sender != self.leader:
            effects.append(PeerFault(sender, "asked for observations without leading the epoch"))
            return False
        if len(message.query) > self._plugin.limits.query:
            effects.append(PeerFault(sender, f"query of {len(message.query)} bytes"))
            return False
        # Rounds above r_max + 1 are ignored: a leader must not be able to ask for many epochs.
        if not self.round < message.round <= self._config.r_max + 1:
            return False
        self.round = message.round
        self._request = None
        self._asked_twice = False
        self._built = None
        if message.round > self._config.r_max:
            # Once an epoch: no higher round is taken.
            self._answered = True
            return True
        self._answered = False
        self._deadline = Instant(now + self._config.delta_round_max)
        effects.append(Milestone(MilestoneKind.OBSERVATION_REQUESTED, self._tag))
        effects.append(ObserveEffect(self._tag, self._config.max_duration_observation))
        held, self._held = self._held, None
        if held is not None:
            self.on_report_req(sender, held, now, effects)
        return False

    def on_observation_made(self, tag: RoundTag, observation: bytes | None, effects: list[Effect]) -> None:
        """Sign what the data source says and send it to the leader."""
        if tag != self._tag or self._answered or self._observed_round >= self.round:
            return
        if observation is None or len(observation) > self._plugin.limits.observation:
            effects.append(Milestone(MilestoneKind.OBSERVATION_FAILED, tag))
            return
        self._observed_round = self.round
        effects.append(Persist(self._record()))
        signature = self._attestation.sign_observation(tag, b"", observation)
        effects.append(Send(self.leader, Observe(self.epoch, self.round, observation, signature)))
        effects.append(Milestone(MilestoneKind.OBSERVATION_SENT, tag, (("observation", observation.hex()),)))

    def on_report_req(
        self, sender: OracleId, message: ReportReq, now: Instant, effects: list[Effect]
    ) -> None:
        """Check the leader's collection and rebuild the report; the answer waits for the chain's state."""
        if sender != self.leader:
            effects.append(PeerFault(sender, "asked for a report without leading the epoch"))
            return
        if self.round < message.round <= self._config.r_max:
            self._held = message
        if message.round != self.round:
            return
        if self._request is not None:
            self._compare(sender, self._request, message, effects)
        if self._answered or self._reported_round >= self.round:
            return
        if now > self._deadline:
            effects.append(PeerFault(sender, "asked for a report later than ΔRoundMax"))
            return
        built = self._plugin.build_report(self._tag, message.query, message.observations)
        if isinstance(built, RequestRefused):
            effects.append(PeerFault(sender, f"report request refused: {built.rule}"))
            return
        self._answered = True
        self._request = message
        self._built = built
        self._generation += 1
        observers = tuple(int(observation.observer) for observation in message.observations)
        effects.append(
            Milestone(
                MilestoneKind.REPORT_REQUESTED,
                self._tag,
                (("observers", observers), ("median", str(built.median))),
            )
        )
        effects.append(ReadChain(self._read_tag, self._config.max_duration_report))

    def on_chain_read(
        self, tag: ChainReadTag, view: ChainView | None, now: Instant, effects: list[Effect]
    ) -> bool:
        """Sign the report or ask to skip it; true if that was progress."""
        built = self._built
        if tag != self._read_tag or built is None:
            return False
        self._built = None
        if now > self._deadline:
            # The leader has given this round up by now.
            return False
        if not self._plugin.should_report(self._tag, built, view):
            effects.append(
                Send(self.leader, Report(self.epoch, self.round, skip=True, report=b"", signature=b""))
            )
            effects.append(
                Milestone(MilestoneKind.REPORT_SKIPPED, self._tag, (("median", str(built.median)),))
            )
            return True
        self._reported_round = self.round
        effects.append(Persist(self._record()))
        signature = self._attestation.sign_report(self._tag, built)
        effects.append(
            Send(
                self.leader,
                Report(self.epoch, self.round, skip=False, report=built.report, signature=signature),
            )
        )
        effects.append(Milestone(MilestoneKind.REPORT_SIGNED, self._tag, (("median", str(built.median)),)))
        return False

    def _compare(self, sender: OracleId, first: ReportReq, second: ReportReq, effects: list[Effect]) -> None:
        # One comparison a round: verifying must not become the leader's way to keep followers busy.
        if self._asked_twice or second == first:
            return
        self._asked_twice = True
        effects.append(PeerFault(sender, "asked for a second report in one round"))
        for quoted, other in differing_observations(first, second):
            if self._attestation.verify_observation(self._tag, b"", other):
                evidence = Evidence.of_observations(self._config, self._tag, quoted, other)
                effects += (Persist(evidence), PeerFault(other.observer, evidence.accusation))

    @property
    def _tag(self) -> RoundTag:
        return RoundTag(self.epoch, self.round)

    @property
    def _read_tag(self) -> ChainReadTag:
        return ChainReadTag(ChainReadPurpose.REPORT, self._tag, self._generation)

    def _record(self) -> FollowerRecord:
        return FollowerRecord(self.epoch, self._observed_round, self._reported_round)
