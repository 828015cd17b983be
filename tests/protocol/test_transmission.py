"""The staged schedule, its fallback and its repeats."""

from __future__ import annotations

from ocr_peer.median.config import MedianOffchainConfig
from ocr_peer.protocol.config import SECOND, Duration, OracleId, PrivateConfig
from ocr_peer.protocol.effects import MilestoneKind
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule
from ocr_peer.protocol.transmission import MAX_PENDING
from tests.protocol.committee import Committee, committee_config

SLOW_FEED = MedianOffchainConfig(True, 0, True, 0, Duration(10**18)).encode()
"""Only the initial report is due."""


def first_in_schedule(committee: Committee, tag: RoundTag) -> OracleId:
    return OracleId(Schedule(committee.config, committee.private).stages(tag).index(0))


def test_only_the_first_stage_transmits_when_all_is_well() -> None:
    committee = Committee(reporting_plugin_config=SLOW_FEED)
    committee.start()
    committee.run(30)
    (transmission,) = committee.chain.accepted
    assert transmission[1] == first_in_schedule(committee, RoundTag(1, 1))
    assert len(committee.reached(MilestoneKind.TRANSMISSION_DUE)) == 1
    assert committee.chain.stale == 0


def test_the_next_stage_takes_over_when_the_first_does_not_get_through() -> None:
    committee = Committee(reporting_plugin_config=SLOW_FEED)
    first = first_in_schedule(committee, RoundTag(1, 1))
    committee.chain.refuse_from = frozenset({first})
    committee.start()
    assert committee.run(30, lambda: bool(committee.answers()))
    at, who, _ = committee.chain.accepted[0]
    stages = Schedule(committee.config, committee.private).stages(RoundTag(1, 1))
    assert stages[who] == 1
    finalized = next(at for at, _, m in committee.milestones if m.kind is MilestoneKind.FINALIZED)
    assert 2 * SECOND <= at - finalized < 3 * SECOND


def test_a_killed_transmitter_is_replaced() -> None:
    committee = Committee(reporting_plugin_config=SLOW_FEED)
    first = first_in_schedule(committee, RoundTag(1, 1))
    committee.start()
    committee.run(3, lambda: committee.reached(MilestoneKind.REPORT_SIGNED, first) != [])
    committee.kill(first)
    assert committee.run(30, lambda: bool(committee.answers()))
    assert committee.chain.accepted[0][1] != first


def test_the_schedule_repeats_rotated_when_nobody_got_through() -> None:
    committee = Committee(reporting_plugin_config=SLOW_FEED, delta_progress=Duration(300 * SECOND), r_max=1)
    committee.chain.refuse_from = frozenset(OracleId(i) for i in range(4))
    committee.start()
    committee.run(18)
    assert not committee.answers()
    committee.chain.refuse_from = frozenset()
    assert committee.run(60, lambda: bool(committee.answers()))
    assert committee.chain.accepted[0][2].context.tag == RoundTag(1, 1)


def test_rotation_moves_the_first_transmitter_to_the_end() -> None:
    config = committee_config(7, 2, stage_sizes=(1, 2, 2))
    schedule = Schedule(config, PrivateConfig(bytes(16), bytes(16)))
    tag = RoundTag(9, 3)
    original = schedule.stages(tag)
    rotated = [schedule.stage(tag, OracleId(i), 1) for i in range(7)]
    assert original.count(None) == 2
    assert [s is None for s in original] == [s is None for s in rotated]
    assert rotated[original.index(0)] == 2
    assert sorted(s for s in rotated if s is not None) == [0, 1, 1, 2, 2]


def test_pending_reports_are_bounded() -> None:
    committee = Committee(
        delta_round=Duration(SECOND // 10),
        delta_grace=Duration(0),
        delta_stage=Duration(100 * SECOND),
        r_max=254,
    )
    committee.chain.refuse_from = frozenset(OracleId(i) for i in range(4))
    committee.start()
    committee.run(40)
    assert len(committee.reached(MilestoneKind.FINALIZED, 0)) > 2 * MAX_PENDING
    assert all(0 < len(state.pending) <= MAX_PENDING for state in committee.stored)


def test_nothing_stays_pending_once_the_chain_shows_it() -> None:
    committee = Committee(reporting_plugin_config=SLOW_FEED)
    committee.start()
    committee.run(60)
    assert all(state.pending == () for state in committee.stored)
