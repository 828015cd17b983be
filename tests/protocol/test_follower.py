"""The follower alone: requests and answers in, records and signatures out."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_peer.protocol.config import SECOND, Duration, Instant, OracleId
from ocr_peer.protocol.effects import (
    ChainReadPurpose,
    ChainReadTag,
    Effect,
    FollowerRecord,
    Milestone,
    MilestoneKind,
    ReadChain,
    Send,
)
from ocr_peer.protocol.effects import Observe as ObserveEffect
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.follower import Follower
from ocr_peer.protocol.messages import Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import AttributedObservation, RequestRefused, RoundTag
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
    view,
)

OWN, LEADER, OTHER = OracleId(2), OracleId(1), OracleId(3)
EPOCH = 6
CONFIG = committee_config(
    4,
    1,
    delta_progress=Duration(60 * SECOND),
    delta_round=Duration(5 * SECOND),
    delta_grace=Duration(SECOND),
    max_duration_observation=Duration(2 * SECOND),
    max_duration_report=Duration(SECOND),
    r_max=4,
)
"""ΔRoundMax is 5 + 1 + 2 + 1 = 9 s."""


class Machine:
    """A follower of `LEADER`, whose effects come as return values."""

    def __init__(self, record: FollowerRecord | None = None) -> None:
        self.plugin = ObedientPlugin()
        self.follower = Follower(CONFIG, ReadableKeys(OWN), self.plugin)
        self.follower.enter_epoch(EPOCH, LEADER, record)
        self.wants_next_leader = False
        self.progress = False

    def ask(
        self, round_: int = 1, sender: int = LEADER, at: Instant = NOW, query: bytes = b""
    ) -> list[Effect]:
        effects: list[Effect] = []
        self.wants_next_leader = self.follower.on_observe_req(
            OracleId(sender), ObserveReq(EPOCH, round_, query), at, effects
        )
        return effects

    def observed(self, body: bytes | None = b"seen", round_: int = 1, epoch: int = EPOCH) -> list[Effect]:
        effects: list[Effect] = []
        self.follower.on_observation_made(RoundTag(epoch, round_), body, effects)
        return effects

    def request(
        self,
        round_: int = 1,
        sender: int = LEADER,
        at: Instant = NOW,
        observations: tuple[AttributedObservation, ...] = (),
    ) -> list[Effect]:
        effects: list[Effect] = []
        message = ReportReq(EPOCH, round_, b"", observations)
        self.follower.on_report_req(OracleId(sender), message, at, effects)
        return effects

    def chain(self, tag: ChainReadTag, at: Instant = NOW) -> list[Effect]:
        effects: list[Effect] = []
        self.progress = self.follower.on_chain_read(tag, view(CONFIG, 1, 1), at, effects)
        return effects


def read(round_: int = 1, generation: int = 1) -> ChainReadTag:
    return ChainReadTag(ChainReadPurpose.REPORT, RoundTag(EPOCH, round_), generation)


def sent(effects: list[Effect]) -> list[Any]:
    assert all(send.to == LEADER for send in only(Send, effects))
    return [send.message for send in only(Send, effects)]


def seen(oracle: int, body: bytes = b"seen", round_: int = 1) -> AttributedObservation:
    return observation(oracle, RoundTag(EPOCH, round_), body)


def test_before_the_first_epoch_nothing_is_followed() -> None:
    follower = Follower(CONFIG, ReadableKeys(OWN), ObedientPlugin())
    assert (follower.epoch, follower.round, follower.leader) == (0, 0, 0)
    effects: list[Effect] = []
    follower.on_observation_made(RoundTag(0, 0), b"seen", effects)
    follower.on_report_req(OracleId(0), ReportReq(0, 0, b"", ()), NOW, effects)
    assert effects == []


def test_a_request_of_the_leader_is_observed_and_signed() -> None:
    machine = Machine()
    effects = machine.ask()
    assert only(ObserveEffect, effects) == [ObserveEffect(RoundTag(EPOCH, 1), Duration(2 * SECOND))]
    assert told(effects) == [(MilestoneKind.OBSERVATION_REQUESTED, RoundTag(EPOCH, 1))]
    assert not machine.wants_next_leader
    effects = machine.observed()
    signature = observation_signature(OWN, RoundTag(EPOCH, 1), b"seen")
    assert sent(effects) == [Observe(EPOCH, 1, b"seen", signature)]
    assert records(effects) == [FollowerRecord(EPOCH, 1, 0)]
    # The record stands before what it is a record of.
    assert isinstance(effects[1], Send)
    assert told(effects) == [(MilestoneKind.OBSERVATION_SENT, RoundTag(EPOCH, 1))]
    assert details(effects) == {"observation": b"seen".hex()}


def test_only_the_leader_may_ask() -> None:
    machine = Machine()
    effects = machine.ask(sender=OTHER)
    assert blamed(effects) == [OTHER]
    assert len(effects) == 1
    assert machine.follower.round == 0
    machine.ask(sender=OTHER, round_=5)
    assert not machine.wants_next_leader
    machine.ask()
    effects = machine.request(sender=OTHER)
    assert blamed(effects) == [OTHER]
    assert len(effects) == 1


def test_a_query_has_its_limit() -> None:
    machine = Machine()
    effects = machine.ask(query=bytes(4))
    assert blamed(effects) == [LEADER]
    assert len(effects) == 1
    assert not machine.wants_next_leader
    assert only(ObserveEffect, machine.ask(query=bytes(3))) != []


def test_rounds_only_go_up() -> None:
    machine = Machine()
    assert machine.ask(round_=0) == []
    machine.ask(round_=2)
    for round_ in (1, 2):
        assert machine.ask(round_=round_) == []
        assert not machine.wants_next_leader
    assert only(ObserveEffect, machine.ask(round_=4)) != []
    assert machine.follower.round == 4


def test_the_round_after_the_last_asks_for_the_next_leader_once() -> None:
    machine = Machine()
    assert machine.ask(round_=6) == []
    assert not machine.wants_next_leader
    machine.ask(round_=4)
    assert machine.ask(round_=5) == []
    assert machine.wants_next_leader
    machine.ask(round_=5)
    assert not machine.wants_next_leader
    assert machine.request(round_=5) == []
    assert machine.observed(round_=5) == []


def test_every_epoch_asks_for_its_next_leader() -> None:
    machine = Machine()
    machine.ask(round_=5)
    machine.follower.enter_epoch(EPOCH, LEADER)
    machine.ask(round_=5)
    assert machine.wants_next_leader


def test_a_failed_or_overlong_observation_is_not_sent() -> None:
    machine = Machine()
    machine.ask()
    for body in (None, bytes(11)):
        effects = machine.observed(body)
        assert told(effects) == [(MilestoneKind.OBSERVATION_FAILED, RoundTag(EPOCH, 1))]
        assert len(effects) == 1
    assert sent(machine.observed(bytes(10))) != []


def test_an_observation_is_signed_once_and_for_the_round_it_was_made_for() -> None:
    machine = Machine()
    machine.ask(round_=2)
    assert machine.observed(round_=1) == []
    assert machine.observed(round_=2, epoch=EPOCH - 1) == []
    assert sent(machine.observed(round_=2)) != []
    assert machine.observed(b"other", round_=2) == []
    assert machine.observed(None, round_=2) == []


def test_an_observation_after_the_report_request_is_too_late() -> None:
    machine = Machine()
    machine.ask()
    machine.request()
    assert machine.observed() == []


def test_a_report_request_is_rebuilt_and_the_chain_is_read() -> None:
    machine = Machine()
    machine.ask()
    items = (seen(3), seen(0), seen(1))
    effects = machine.request(observations=items)
    assert only(ReadChain, effects) == [ReadChain(read(), Duration(SECOND))]
    assert machine.plugin.built == [(RoundTag(EPOCH, 1), b"", items)]
    assert told(effects) == [(MilestoneKind.REPORT_REQUESTED, RoundTag(EPOCH, 1))]
    assert details(effects) == {"observers": (3, 0, 1), "median": "42"}


def test_a_due_report_is_signed() -> None:
    machine = Machine()
    machine.ask()
    machine.request()
    effects = machine.chain(read())
    built = built_report(RoundTag(EPOCH, 1))
    signature = report_signature(OWN, built.signing_hash).signature
    assert sent(effects) == [Report(EPOCH, 1, skip=False, report=built.report, signature=signature)]
    assert records(effects) == [FollowerRecord(EPOCH, 0, 1)]
    assert isinstance(effects[1], Send)
    assert told(effects) == [(MilestoneKind.REPORT_SIGNED, RoundTag(EPOCH, 1))]
    # Signing alone is no progress: that is for the final report.
    assert not machine.progress
    assert machine.chain(read()) == []


def test_a_report_that_is_not_due_is_skipped_and_that_is_progress() -> None:
    machine = Machine()
    machine.plugin.due = False
    machine.ask()
    machine.request()
    effects = machine.chain(read())
    assert sent(effects) == [Report(EPOCH, 1, skip=True, report=b"", signature=b"")]
    assert records(effects) == []
    assert told(effects) == [(MilestoneKind.REPORT_SKIPPED, RoundTag(EPOCH, 1))]
    assert machine.progress
    assert machine.chain(read()) == []
    assert not machine.progress


def test_the_record_of_a_report_keeps_that_of_the_observation() -> None:
    machine = Machine()
    machine.ask(round_=2)
    machine.observed(round_=2)
    machine.request(round_=2)
    assert records(machine.chain(read(2))) == [FollowerRecord(EPOCH, 2, 2)]


def test_a_refused_request_may_be_made_better() -> None:
    machine = Machine()
    machine.plugin.refusal = RequestRefused("a rule")
    machine.ask()
    effects = machine.request()
    assert blamed(effects) == [LEADER]
    assert len(effects) == 1
    machine.plugin.refusal = None
    assert only(ReadChain, machine.request()) != []


def test_a_round_is_reported_once() -> None:
    machine = Machine()
    machine.ask()
    machine.request()
    assert machine.request() == []
    machine.chain(read())
    assert machine.request() == []
    assert len(machine.plugin.built) == 1


def test_a_request_of_an_earlier_round_is_ignored() -> None:
    machine = Machine()
    machine.ask(round_=2)
    assert machine.request(round_=1) == []


@pytest.mark.parametrize(("late", "expected"), [(0, True), (1, False)])
def test_a_request_has_delta_round_max_to_come(late: int, expected: bool) -> None:
    machine = Machine()
    machine.ask(at=after(3))
    effects = machine.request(at=Instant(after(12) + late))
    assert (only(ReadChain, effects) != []) is expected
    assert (blamed(effects) == [LEADER]) is not expected
    assert len(effects) == 1 + expected


@pytest.mark.parametrize(("late", "expected"), [(0, True), (1, False)])
def test_a_signature_has_delta_round_max_to_be_made(late: int, expected: bool) -> None:
    machine = Machine()
    machine.ask(at=after(3))
    machine.request(at=after(4))
    effects = machine.chain(read(), at=Instant(after(12) + late))
    assert (sent(effects) != []) is expected
    assert not machine.progress


def test_an_answer_of_another_read_is_ignored() -> None:
    machine = Machine()
    machine.ask()
    machine.request()
    machine.ask(round_=2)
    # What was built for round 1 is forgotten.
    assert machine.chain(read(2)) == []
    machine.request(round_=2)
    assert machine.chain(read()) == []
    assert machine.chain(read(2, generation=1)) == []
    assert sent(machine.chain(read(2, generation=2))) != []


def test_a_new_epoch_forgets_what_was_built() -> None:
    machine = Machine()
    machine.ask()
    machine.request()
    machine.follower.enter_epoch(EPOCH, LEADER)
    machine.follower.round = 1
    assert machine.chain(read()) == []


def test_a_request_that_overtook_its_observation_request_is_held() -> None:
    machine = Machine()
    assert machine.request(round_=2, observations=(seen(0, round_=2),)) == []
    effects = machine.ask(round_=2)
    assert only(ReadChain, effects) == [ReadChain(read(2), Duration(SECOND))]
    assert only(ObserveEffect, effects) != []
    # Held for one round, and once.
    assert only(ReadChain, machine.ask(round_=3)) == []


def test_a_held_request_waits_for_its_own_round() -> None:
    machine = Machine()
    machine.request(round_=3)
    assert only(ReadChain, machine.ask(round_=2)) == []
    (read_chain,) = only(ReadChain, machine.ask(round_=3))
    assert read_chain.tag == read(3)


def test_a_held_request_is_dropped_with_its_round() -> None:
    machine = Machine()
    machine.request(round_=2)
    assert only(ReadChain, machine.ask(round_=3)) == []
    machine.request(round_=4)
    machine.follower.enter_epoch(EPOCH, LEADER)
    assert only(ReadChain, machine.ask(round_=4)) == []


def test_a_request_beyond_the_last_round_does_not_push_out_a_held_one() -> None:
    machine = Machine()
    machine.request(round_=4)
    machine.request(round_=5)
    assert only(ReadChain, machine.ask(round_=4)) != []


def test_a_late_request_of_the_current_round_does_not_push_out_a_held_one() -> None:
    machine = Machine()
    machine.ask()
    machine.request(round_=2)
    machine.request(round_=1)
    (read_chain,) = only(ReadChain, machine.ask(round_=2))
    assert read_chain.tag == read(2, generation=2)


def test_nothing_is_answered_before_the_first_request() -> None:
    machine = Machine()
    assert machine.follower.round == 0
    assert machine.observed(round_=0) == []
    assert machine.request(round_=0) == []


@pytest.mark.parametrize(
    ("record", "round_"),
    [
        (FollowerRecord(EPOCH, 3, 2), 3),
        (FollowerRecord(EPOCH, 2, 3), 3),
        (FollowerRecord(EPOCH - 1, 3, 3), 0),
        (None, 0),
    ],
)
def test_what_was_signed_before_a_restart_is_not_signed_again(
    record: FollowerRecord | None, round_: int
) -> None:
    machine = Machine(record)
    assert machine.follower.round == round_
    assert machine.ask(round_=round_) == []
    assert machine.observed(round_=round_) == []
    assert machine.request(round_=round_) == []
    machine.ask(round_=round_ + 1)
    kept = (record.observed_round, record.reported_round) if record and round_ else (0, 0)
    assert records(machine.observed(round_=round_ + 1)) == [FollowerRecord(EPOCH, round_ + 1, kept[1])]


def test_a_second_different_request_accuses_the_leader_and_those_who_signed_twice() -> None:
    machine = Machine()
    machine.ask()
    machine.request(observations=(seen(0), seen(1), seen(3)))
    assert machine.request(observations=(seen(0), seen(1), seen(3))) == []
    forged = AttributedObservation(b"forged", b"", OracleId(1))
    effects = machine.request(observations=(seen(0, b"lie"), forged, seen(2), seen(3)))
    assert blamed(effects) == [LEADER, 0]
    (evidence,) = records(effects)
    assert isinstance(evidence, Evidence)
    assert (evidence.oracle, evidence.tag) == (0, RoundTag(EPOCH, 1))
    assert (evidence.first.payload, evidence.second.payload) == (b"seen", b"lie")
    # One comparison a round.
    assert machine.request(observations=(seen(3, b"lie"),)) == []
    machine.ask(round_=2)
    machine.request(round_=2, observations=(seen(0, round_=2),))
    assert blamed(machine.request(round_=2, observations=(seen(0, b"lie", 2),))) == [LEADER, 0]


def test_requests_of_two_rounds_are_not_compared() -> None:
    machine = Machine()
    machine.ask()
    machine.request(observations=(seen(0),))
    machine.ask(round_=2)
    assert blamed(machine.request(round_=2, observations=(seen(0, b"new", 2),))) == []
    machine.follower.enter_epoch(EPOCH, LEADER)
    assert machine.request(round_=0) == []
    machine.ask(round_=2)
    assert blamed(machine.request(round_=2, observations=(seen(0, b"newer", 2),))) == []


def test_milestones_follow_what_they_tell_of() -> None:
    machine = Machine()
    machine.ask()
    assert isinstance(machine.observed()[-1], Milestone)
    machine.request()
    assert isinstance(machine.chain(read())[-1], Milestone)
