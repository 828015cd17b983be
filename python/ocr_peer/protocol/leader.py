"""Leading an epoch: observe, grace, report, final (libocr `report_generation_leader.go`).

OBSERVE ──2f+1 observations──▶ GRACE ──ΔGrace, or all n──▶ REPORT ──quorum──▶ FINAL ──ΔRound──▶ next round

A round that is still not final at ΔRoundMax is abandoned (our addition), so that one lost message costs
a round and not the epoch.
"""

from __future__ import annotations

from enum import Enum, auto

from ocr_peer.protocol.config import CommitteeConfig, Instant, OracleId, earliest
from ocr_peer.protocol.effects import Broadcast, Effect, Milestone, MilestoneKind, PeerFault, Persist
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import Final, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.plugin import Attestation, ReportingPlugin
from ocr_peer.protocol.report import (
    AttributedObservation,
    AttributedSignature,
    BuiltReport,
    RequestRefused,
    RoundTag,
)

__all__ = ["Leader", "LeaderPhase"]


class LeaderPhase(Enum):
    """Where the current round stands."""

    IDLE = auto()
    """Not leading, or the epoch's rounds are used up."""
    OBSERVE = auto()
    GRACE = auto()
    REPORT = auto()
    FINAL = auto()


class Leader:
    """This oracle's leadership of one epoch; idle in the epochs of others."""

    def __init__(
        self, config: CommitteeConfig, own_id: OracleId, attestation: Attestation, plugin: ReportingPlugin
    ) -> None:
        self._config = config
        self._own_id = own_id
        self._attestation = attestation
        self._plugin = plugin
        self.phase = LeaderPhase.IDLE
        self.epoch = 0
        self.round = 0
        self._observations: dict[OracleId, AttributedObservation] = {}
        self._reports: dict[OracleId, Report] = {}
        self._convicted: set[OracleId] = set()
        """Who signed a second observation in this round: one proof is enough."""
        self._built: BuiltReport | None = None
        self._round_deadline: Instant | None = None
        self._grace_deadline: Instant | None = None
        self._abandon_deadline: Instant | None = None

    def next_deadline(self) -> Instant | None:
        """Earliest time at which `on_time` has something to do."""
        return earliest(self._round_deadline, self._grace_deadline, self._abandon_deadline)

    def enter_epoch(self, epoch: int, leader: OracleId, now: Instant, effects: list[Effect]) -> None:
        """Start leading, or stop."""
        self.epoch = epoch
        self.round = 0
        self._clear()
        self.phase = LeaderPhase.IDLE
        if leader == self._own_id:
            self._start_round(now, effects)

    def on_time(self, now: Instant, effects: list[Effect]) -> None:
        """Fire whatever timer is due."""
        if self._grace_deadline is not None and now >= self._grace_deadline:
            self._request_report(effects)
        if self._abandon_deadline is not None and now >= self._abandon_deadline:
            effects.append(
                Milestone(
                    MilestoneKind.ROUND_ABANDONED,
                    self._tag,
                    (("phase", self.phase.name.lower()), ("observations", len(self._observations))),
                )
            )
            self._finish_round()
        if self._round_deadline is not None and now >= self._round_deadline:
            self._round_deadline = None
        self._continue(now, effects)

    def on_observe(self, sender: OracleId, message: Observe, now: Instant, effects: list[Effect]) -> None:
        """Collect one oracle's signed observation; its first valid one counts."""
        if self.phase not in (LeaderPhase.OBSERVE, LeaderPhase.GRACE) or message.round != self.round:
            return
        if len(message.observation) > self._plugin.limits.observation:
            effects.append(PeerFault(sender, f"observation of {len(message.observation)} bytes"))
            return
        observation = AttributedObservation(message.observation, message.signature, sender)
        first = self._observations.get(sender)
        if first is not None and (first.observation == message.observation or sender in self._convicted):
            return
        if not self._attestation.verify_observation(self._tag, b"", observation):
            effects.append(PeerFault(sender, "observation with an invalid signature"))
            return
        if first is not None:
            self._convicted.add(sender)
            evidence = Evidence.of_observations(self._config, self._tag, first, observation)
            effects += (Persist(evidence), PeerFault(sender, evidence.accusation))
            return
        self._observations[sender] = observation
        if len(self._observations) == self._config.n:
            # Nobody is left to wait for.
            self._request_report(effects)
            self._continue(now, effects)
        elif len(self._observations) == self._config.observation_quorum:
            self.phase = LeaderPhase.GRACE
            self._grace_deadline = Instant(now + self._config.delta_grace)

    def on_report(self, sender: OracleId, message: Report, now: Instant, effects: list[Effect]) -> None:
        """Collect one oracle's attestation, or its wish to skip."""
        if self.phase is not LeaderPhase.REPORT or message.round != self.round or sender in self._reports:
            return
        built = self._built
        if built is None:
            return
        if not message.skip:
            if message.report != built.report:
                effects.append(PeerFault(sender, "signed a different report than its leader's"))
                return
            signature = AttributedSignature(message.signature, sender)
            if not self._attestation.verify_report_signature(built.signing_hash, signature):
                effects.append(PeerFault(sender, "report with an invalid signature"))
                return
        self._reports[sender] = message
        signed = sorted(oracle for oracle, report in self._reports.items() if not report.skip)
        quorum = self._config.report_quorum
        if len(signed) >= quorum:
            signatures = tuple(
                AttributedSignature(self._reports[oracle].signature, oracle) for oracle in signed[:quorum]
            )
            effects.append(
                Broadcast(Final(self.epoch, self.round, built.extra_hash, built.report, signatures))
            )
        elif len(self._reports) - len(signed) < quorum:
            return
        self._finish_round()
        self._continue(now, effects)

    @property
    def _tag(self) -> RoundTag:
        return RoundTag(self.epoch, self.round)

    def _continue(self, now: Instant, effects: list[Effect]) -> None:
        # The next round needs both: this one is over, and ΔRound has passed since it began.
        if self.phase is LeaderPhase.FINAL and self._round_deadline is None:
            self._start_round(now, effects)

    def _start_round(self, now: Instant, effects: list[Effect]) -> None:
        if self.round > self._config.r_max:
            # Round r_max + 1 has been announced already: it only makes everyone ask for the next epoch.
            self._clear()
            self.phase = LeaderPhase.IDLE
            return
        self.round += 1
        self._clear()
        self.phase = LeaderPhase.OBSERVE
        self._round_deadline = Instant(now + self._config.delta_round)
        self._abandon_deadline = Instant(now + self._config.delta_round_max)
        if self.round <= self._config.r_max:
            effects.append(Milestone(MilestoneKind.ROUND_STARTED, self._tag))
        effects.append(Broadcast(ObserveReq(self.epoch, self.round, b"")))

    def _request_report(self, effects: list[Effect]) -> None:
        self._grace_deadline = None
        collected = tuple(self._observations[oracle] for oracle in sorted(self._observations))
        built = self._plugin.build_report(self._tag, b"", collected)
        if isinstance(built, RequestRefused):
            # More than f oracles signed undecodable bodies: no follower could answer.
            effects.append(Milestone(MilestoneKind.ROUND_ABANDONED, self._tag, (("refused", built.rule),)))
            self._finish_round()
            return
        self._built = built
        self.phase = LeaderPhase.REPORT
        effects.append(Broadcast(ReportReq(self.epoch, self.round, b"", collected)))

    def _finish_round(self) -> None:
        self.phase = LeaderPhase.FINAL
        self._grace_deadline = None
        self._abandon_deadline = None

    def _clear(self) -> None:
        self._observations = {}
        self._reports = {}
        self._convicted = set()
        self._built = None
        self._round_deadline = self._grace_deadline = self._abandon_deadline = None
