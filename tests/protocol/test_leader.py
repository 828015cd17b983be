"""The leader alone: observations, reports and time in; requests and finals out. n = 7, f = 2."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_peer.protocol.config import SECOND, Duration, Instant, OracleId
from ocr_peer.protocol.effects import Broadcast, Effect, MilestoneKind
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.leader import Leader, LeaderPhase
from ocr_peer.protocol.messages import Final, Message, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import RequestRefused, RoundTag
from tests.protocol.committee import committee_config
from tests.protocol.machines import (
    NOW,
    ObedientPlugin,
    ReadableKeys,
    after,
    blamed,
    built_report,
    details,
    observation,
    observation_signature,
    only,
    records,
    report_signature,
    told,
)

OWN = OracleId(3)
EPOCH = 10


def config(**changes: Any) -> Any:
    return committee_config(
        7,
        2,
        **{
            "delta_progress": Duration(60 * SECOND),
            "delta_round": Duration(5 * SECOND),
            "delta_grace": Duration(SECOND),
            "max_duration_observation": Duration(2 * SECOND),
            "max_duration_report": Duration(2 * SECOND),
            "r_max": 3,
            **changes,
        },
    )


class Machine:
    """A leader in its epoch, whose effects come as return values."""

    def __init__(self, **changes: Any) -> None:
        self.plugin = ObedientPlugin()
        self.leader = Leader(config(**changes), OWN, ReadableKeys(OWN), self.plugin)
        self.begun: list[Effect] = []
        self.leader.enter_epoch(EPOCH, OWN, NOW, self.begun)

    @property
    def tag(self) -> RoundTag:
        return RoundTag(EPOCH, self.leader.round)

    def observe(self, sender: int, body: bytes = b"seen", at: Instant = NOW, **changes: Any) -> list[Effect]:
        signature = observation_signature(sender, self.tag, body)
        message = Observe(
            EPOCH, changes.get("round_", self.leader.round), body, changes.get("signature", signature)
        )
        effects: list[Effect] = []
        self.leader.on_observe(OracleId(sender), message, at, effects)
        return effects

    def report(self, sender: int, at: Instant = NOW, **changes: Any) -> list[Effect]:
        built = built_report(self.tag)
        fields = {
            "round": self.leader.round,
            "skip": False,
            "report": built.report,
            "signature": report_signature(sender, built.signing_hash).signature,
            **changes,
        }
        effects: list[Effect] = []
        self.leader.on_report(OracleId(sender), Report(EPOCH, **fields), at, effects)
        return effects

    def time(self, at: Instant) -> list[Effect]:
        effects: list[Effect] = []
        self.leader.on_time(at, effects)
        return effects

    def reporting(self) -> Machine:
        """After all have observed."""
        for sender in range(7):
            self.observe(sender)
        assert self.leader.phase is LeaderPhase.REPORT
        return self


def said(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in only(Broadcast, effects)]


def test_an_epoch_begins_with_a_request_for_observations() -> None:
    machine = Machine()
    assert said(machine.begun) == [ObserveReq(EPOCH, 1, b"")]
    assert told(machine.begun) == [(MilestoneKind.ROUND_STARTED, RoundTag(EPOCH, 1))]
    assert machine.leader.phase is LeaderPhase.OBSERVE
    # ΔRound; abandoned after 5 + 1 + 2 + 2 s.
    assert machine.leader.next_deadline() == after(5)
    machine.time(after(5))
    assert machine.leader.next_deadline() == after(10)


def test_the_epochs_of_others_are_not_led() -> None:
    leader = Leader(config(), OWN, ReadableKeys(OWN), ObedientPlugin())
    assert leader.next_deadline() is None
    assert (leader.epoch, leader.round, leader.phase) == (0, 0, LeaderPhase.IDLE)
    effects: list[Effect] = []
    leader.enter_epoch(EPOCH, OracleId(4), NOW, effects)
    assert effects == []
    assert leader.phase is LeaderPhase.IDLE
    assert leader.next_deadline() is None


def test_leading_ends_with_the_epoch() -> None:
    machine = Machine().reporting()
    effects: list[Effect] = []
    machine.leader.enter_epoch(EPOCH + 1, OracleId(4), NOW, effects)
    assert effects == []
    assert (machine.leader.epoch, machine.leader.round) == (EPOCH + 1, 0)
    assert machine.leader.phase is LeaderPhase.IDLE
    assert machine.leader.next_deadline() is None
    assert machine.time(after(100)) == []


def test_a_second_epoch_is_led_from_round_one() -> None:
    machine = Machine().reporting()
    effects: list[Effect] = []
    machine.leader.enter_epoch(EPOCH + 7, OWN, NOW, effects)
    assert said(effects) == [ObserveReq(EPOCH + 7, 1, b"")]


def test_a_quorum_of_observations_starts_the_grace_period() -> None:
    machine = Machine()
    for sender in range(4):
        assert machine.observe(sender) == []
    assert machine.leader.phase is LeaderPhase.OBSERVE
    machine.observe(6, at=after(0.5))
    assert machine.leader.phase is LeaderPhase.GRACE
    assert machine.leader.next_deadline() == after(1.5)
    # A late one is taken along, and does not make the others wait longer.
    machine.observe(4, at=after(1))
    assert machine.leader.next_deadline() == after(1.5)
    assert machine.time(after(1.4)) == []
    (request,) = said(machine.time(after(1.5)))
    collected = tuple(observation(sender, RoundTag(EPOCH, 1)) for sender in (0, 1, 2, 3, 4, 6))
    assert request == ReportReq(EPOCH, 1, b"", collected)
    assert machine.plugin.built == [(RoundTag(EPOCH, 1), b"", collected)]
    assert machine.leader.phase is LeaderPhase.REPORT
    assert machine.leader.next_deadline() == after(5)


def test_the_request_is_ordered_by_observer_whatever_came_first() -> None:
    machine = Machine()
    effects: list[Effect] = []
    for sender in (6, 2, 0, 1, 5, 4, 3):
        effects += machine.observe(sender)
    (request,) = said(effects)
    assert isinstance(request, ReportReq)
    assert [item.observer for item in request.observations] == list(range(7))


def test_with_all_observations_nobody_is_waited_for() -> None:
    machine = Machine()
    for sender in range(6):
        assert said(machine.observe(sender)) == []
    (request,) = said(machine.observe(6))
    assert isinstance(request, ReportReq)
    assert len(request.observations) == 7
    # Its grace period is over with it.
    assert machine.leader.next_deadline() == after(5)
    assert said(machine.time(after(2))) == []


def test_an_observation_of_another_round_is_ignored() -> None:
    machine = Machine()
    for sender in range(7):
        assert machine.observe(sender, round_=2) == []
    assert machine.leader.phase is LeaderPhase.OBSERVE


def test_an_observation_after_the_request_is_ignored() -> None:
    machine = Machine()
    for sender in range(5):
        machine.observe(sender)
    machine.time(after(1))
    assert machine.observe(5) == []
    assert machine.observe(0, b"changed") == []
    assert machine.observe(6, bytes(11)) == []


def test_an_observation_that_is_too_long_or_not_signed_is_a_fault_and_does_not_count() -> None:
    machine = Machine()
    assert machine.observe(0, bytes(10)) == []
    assert blamed(machine.observe(1, bytes(11))) == [1]
    assert blamed(machine.observe(2, signature=observation_signature(2, RoundTag(EPOCH, 2), b"seen"))) == [2]
    for sender in (3, 4, 5):
        machine.observe(sender)
    assert machine.leader.phase is LeaderPhase.OBSERVE
    # Both may still do better.
    assert machine.observe(1) == []
    assert machine.leader.phase is LeaderPhase.GRACE


def test_the_first_observation_counts_and_one_proof_of_a_second_is_kept() -> None:
    machine = Machine()
    machine.observe(0, b"first")
    assert machine.observe(0, b"first") == []
    effects = machine.observe(0, b"second")
    assert blamed(effects) == [0]
    (evidence,) = records(effects)
    assert isinstance(evidence, Evidence)
    assert (evidence.first.payload, evidence.second.payload) == (b"first", b"second")
    assert machine.observe(0, b"third") == []
    # Somebody else is still accused, and an unsigned contradiction proves nothing.
    machine.observe(1)
    assert records(machine.observe(1, b"forged", signature=b"")) == []
    assert len(records(machine.observe(1, b"second"))) == 1
    for sender in range(2, 7):
        effects = machine.observe(sender)
    (request,) = said(effects)
    assert isinstance(request, ReportReq)
    assert request.observations[0] == observation(0, RoundTag(EPOCH, 1), b"first")


def test_a_proof_of_one_round_does_not_excuse_the_next() -> None:
    machine = Machine()
    for body in (b"first", b"second"):
        machine.observe(0, body)
    machine.time(after(10))
    assert machine.leader.round == 2
    machine.observe(0, b"first")
    assert len(records(machine.observe(0, b"second"))) == 1


def test_a_quorum_of_signatures_makes_the_report_final() -> None:
    machine = Machine().reporting()
    assert machine.report(5) == []
    assert machine.report(1) == []
    (final,) = said(machine.report(4))
    built = built_report(RoundTag(EPOCH, 1))
    signatures = tuple(report_signature(signer, built.signing_hash) for signer in (1, 4, 5))
    assert final == Final(EPOCH, 1, built.extra_hash, built.report, signatures)
    assert machine.leader.phase is LeaderPhase.FINAL
    assert machine.leader.next_deadline() == after(5)
    assert machine.report(6) == []


def test_signatures_count_once() -> None:
    machine = Machine().reporting()
    for _ in range(3):
        assert machine.report(5) == []
    assert machine.report(5, report=b"other") == []
    assert machine.leader.phase is LeaderPhase.REPORT


def test_a_wrong_report_or_signature_is_a_fault_and_does_not_count() -> None:
    machine = Machine().reporting()
    assert blamed(machine.report(0, report=b"another")) == [0]
    assert blamed(machine.report(1, signature=b"none")) == [1]
    for sender in (2, 3):
        machine.report(sender)
    # Both may still do better.
    (final,) = said(machine.report(0))
    assert isinstance(final, Final)


def test_reports_count_in_their_round_and_phase_only() -> None:
    machine = Machine()
    assert machine.report(0, report=b"") == []
    machine.reporting()
    for sender in range(4):
        assert machine.report(sender, round=2) == []
    assert machine.report(0, report=b"", round=2) == []
    assert machine.leader.phase is LeaderPhase.REPORT


def test_f_plus_one_skips_end_the_round_without_a_report() -> None:
    machine = Machine().reporting()
    machine.time(after(5))
    effects: list[Effect] = []
    for sender in (0, 1):
        # Neither report nor signature of a skip is looked at.
        effects += machine.report(sender, skip=True, report=b"", signature=b"")
    for sender in (2, 3):
        effects += machine.report(sender)
    assert effects == []
    assert machine.leader.phase is LeaderPhase.REPORT
    effects = machine.report(4, at=after(6), skip=True, report=b"", signature=b"")
    assert said(effects) == [ObserveReq(EPOCH, 2, b"")]


def test_a_quorum_is_final_however_many_skip() -> None:
    machine = Machine().reporting()
    for sender in (0, 1):
        machine.report(sender, skip=True, report=b"", signature=b"")
        machine.report(sender + 2)
    (final,) = said(machine.report(4))
    assert isinstance(final, Final)
    assert [signature.signer for signature in final.signatures] == [2, 3, 4]


def test_unique_reports_take_a_larger_quorum() -> None:
    machine = Machine(unique_reports=True).reporting()
    for sender in range(4):
        assert said(machine.report(sender)) == []
    (final,) = said(machine.report(4))
    assert isinstance(final, Final)
    assert len(final.signatures) == 5


def test_the_next_round_waits_for_delta_round_and_for_the_report() -> None:
    machine = Machine().reporting()
    for sender in range(3):
        machine.report(sender, at=after(1))
    assert machine.time(after(4.9)) == []
    effects = machine.time(after(5))
    assert said(effects) == [ObserveReq(EPOCH, 2, b"")]
    assert told(effects) == [(MilestoneKind.ROUND_STARTED, RoundTag(EPOCH, 2))]
    assert machine.leader.next_deadline() == after(10)
    machine.reporting()
    assert machine.time(after(10)) == []
    for sender in range(2):
        machine.report(sender, at=after(12))
    assert said(machine.report(6, at=after(12)))[1:] == [ObserveReq(EPOCH, 3, b"")]


def test_nothing_of_a_round_is_left_in_the_next() -> None:
    machine = Machine().reporting()
    for sender in range(3):
        machine.report(sender)
    machine.time(after(5))
    assert machine.report(5) == []
    for sender in range(5):
        assert machine.observe(sender, at=after(5)) == []
    assert machine.leader.phase is LeaderPhase.GRACE
    machine.time(after(6))
    for sender in range(2):
        assert machine.report(sender, at=after(6)) == []
    assert len(said(machine.report(2, at=after(6)))) == 1


def test_a_round_that_does_not_end_is_abandoned() -> None:
    machine = Machine()
    for sender in range(4):
        machine.observe(sender)
    assert machine.time(after(9.9)) == []
    effects = machine.time(after(10))
    assert told(effects)[0] == (MilestoneKind.ROUND_ABANDONED, RoundTag(EPOCH, 1))
    assert details(effects) == {"phase": "observe", "observations": 4}
    assert said(effects) == [ObserveReq(EPOCH, 2, b"")]
    assert machine.leader.next_deadline() == after(15)


def test_a_round_is_abandoned_once() -> None:
    # ΔRound may be the longer of the two.
    machine = Machine(delta_progress=Duration(6 * SECOND))
    assert machine.leader.next_deadline() == after(5)
    machine = Machine(delta_round=Duration(SECOND), delta_progress=Duration(10 * SECOND))
    effects = machine.time(after(5))
    assert told(effects) == [
        (MilestoneKind.ROUND_ABANDONED, RoundTag(EPOCH, 1)),
        (MilestoneKind.ROUND_STARTED, RoundTag(EPOCH, 2)),
    ]
    assert machine.leader.next_deadline() == after(6)


def test_a_finished_round_is_not_abandoned() -> None:
    machine = Machine().reporting()
    for sender in range(3):
        machine.report(sender)
    assert told(machine.time(after(10))) == [(MilestoneKind.ROUND_STARTED, RoundTag(EPOCH, 2))]


def test_a_request_that_nobody_could_answer_is_not_made() -> None:
    machine = Machine()
    machine.plugin.refusal = RequestRefused("too few bodies decode")
    for sender in range(5):
        machine.observe(sender)
    effects = machine.time(after(1))
    assert said(effects) == []
    assert told(effects) == [(MilestoneKind.ROUND_ABANDONED, RoundTag(EPOCH, 1))]
    assert details(effects) == {"refused": "too few bodies decode"}
    machine.plugin.refusal = None
    assert machine.leader.next_deadline() == after(5)
    assert said(machine.time(after(5))) == [ObserveReq(EPOCH, 2, b"")]


def test_a_refused_request_of_all_starts_the_next_round_at_once_when_it_is_due() -> None:
    machine = Machine()
    machine.plugin.refusal = RequestRefused("too few bodies decode")
    for sender in range(4):
        machine.observe(sender)
    machine.time(after(5))
    effects: list[Effect] = []
    for sender in range(4, 7):
        effects += machine.observe(sender, at=after(5.5))
    assert said(effects) == [ObserveReq(EPOCH, 2, b"")]


def finish(machine: Machine, at: float) -> list[Effect]:
    for sender in range(7):
        machine.observe(sender, at=after(at))
    effects: list[Effect] = []
    for sender in range(3):
        effects += machine.report(sender, at=after(at))
    return effects + machine.time(after(at + 5))


def test_after_the_last_round_one_more_is_announced_and_leading_ends() -> None:
    machine = Machine()
    for number in range(3):
        effects = finish(machine, 5 * number)
        assert said(effects)[-1] == ObserveReq(EPOCH, number + 2, b"")
        started = [(MilestoneKind.ROUND_STARTED, RoundTag(EPOCH, number + 2))]
        assert told(effects) == (started if number + 2 <= 3 else [])
    # Round r_max + 1 is no round; its request makes everyone ask for the next epoch.
    assert machine.leader.next_deadline() == after(20)
    machine.time(after(20))
    effects = machine.time(after(25))
    assert said(effects) == []
    assert machine.leader.phase is LeaderPhase.IDLE
    assert machine.leader.next_deadline() is None


@pytest.mark.parametrize("phase", [LeaderPhase.OBSERVE, LeaderPhase.GRACE, LeaderPhase.REPORT])
def test_time_alone_never_skips_a_phase(phase: LeaderPhase) -> None:
    machine = Machine()
    for sender in range({LeaderPhase.OBSERVE: 4, LeaderPhase.GRACE: 5, LeaderPhase.REPORT: 7}[phase]):
        machine.observe(sender, at=after(6))
    assert machine.leader.phase is phase
    assert machine.time(after(6.5)) == []
    assert machine.leader.phase is phase
