"""Scenarios 8, 26, 27, 41 to 45 and 51: bringing reports on chain, and a chain that hangs, lies or forgets."""

from __future__ import annotations

import pytest

from ocr_peer.protocol.config import SECOND
from ocr_peer.protocol.effects import MilestoneKind, Transmit
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.committee import Timing
from ocr_peer.simulation.faults import Behaviour, FaultKind
from tests.scenarios.stage import (
    RARELY,
    Run,
    byzantine,
    fault,
    leaders,
    play,
    plays,
    request_round,
    seconds,
    seed_where,
    stages,
)

FIRST = RoundTag(1, 1)


def finalized_at(run: Run, tag: RoundTag, oracle: int) -> float:
    """Seconds until this oracle took the round for final."""
    found = run.chronicle.milestones(MilestoneKind.FINALIZED, oracle)
    return next(step.elapsed / SECOND for step, milestone in found if milestone.tag == tag)


def test_scenario_08_a_final_report_released_hours_later() -> None:
    # The first leader tells nobody but its partner; all others are away while it waits for two hours.
    seed = seed_where(lambda s: leaders(s, 7, [1]) == [0])
    hours = 2 * 3600
    secret = byzantine(Behaviour.WITHHOLD, 0, 1, amount=hours * SECOND)
    away = fault(FaultKind.CRASH, range(2, 7), 0.9, hours + 100)
    run = play(secret, away, seed=seed, n=7, rounds=10, max_age=seconds(600))
    (released,) = [item for item in run.chronicle.landings if item.elapsed < (hours + 100) * SECOND]
    assert released.tag == FIRST
    assert released.transmitter == 0
    # Nothing is on chain, so it would be the newest: its age alone speaks against it.
    assert released.refusal == "older than maxAge"
    assert run.outcome.refused["older than maxAge"] >= 1
    assert run.chronicle.accepted(), "and the others go on"
    # A contract that does not look at the age takes the same report.
    gullible = play(secret, away, seed=seed, n=7, rounds=10, max_age=seconds(10**6))
    assert gullible.chronicle.landings[0].tag == FIRST
    assert gullible.chronicle.landings[0].refusal is None


def test_scenario_26_chain_reads_hang_at_half_the_oracles() -> None:
    for run in plays(fault(FaultKind.RPC_DOWN, (0, 1), 0, 30)):
        for oracle in (0, 1):
            signed = run.chronicle.milestones(MilestoneKind.REPORT_SIGNED, oracle)
            during = [step for step, _ in signed if step.elapsed < 30 * SECOND]
            assert len(during) > 10, "an unreadable chain is a reason to sign"
        blind = {e.oracle for e in run.outcome.entries if e.verb == "transmits" and e.elapsed < 30 * SECOND}
        assert not blind & {0, 1}, "and none to transmit"
        assert len(run.accepted_between(0, 30)) > 5


def test_scenario_27_one_endpoint_shows_an_old_state() -> None:
    # Only the first report is due; to oracle 1 the chain looks as if it had none.
    old = fault(FaultKind.RPC_STALE, (1,), 0, 30, amount=3600 * SECOND)
    for run in plays(old, request_round(30), rounds=2, timing=RARELY):
        signers = {
            step.oracle
            for step, _ in run.chronicle.milestones(MilestoneKind.REPORT_SIGNED)
            if 4 * SECOND < step.elapsed < 30 * SECOND
        }
        assert signers == {1}, "its vote"
        assert len(run.accepted_between(0, 30)) == 1, "is alone"
        assert run.accepted_between(30, 40)


@pytest.mark.parametrize("behaviour", [Behaviour.SILENT, Behaviour.WITHHOLD])
def test_scenario_41_byzantine_transmitters_in_the_first_stage(behaviour: Behaviour) -> None:
    timing = Timing(alpha_infinite=True, delta_c=seconds(3600), stage_sizes=(2, 2, 3))

    def first_stage_is_theirs(seed: int) -> bool:
        order = stages(seed, 7, FIRST, timing)
        return [i for i, stage in enumerate(order) if stage == 0] == [0, 1] and leaders(seed, 7, [1])[0] > 1

    seed = seed_where(first_stage_is_theirs)
    run = play(byzantine(behaviour, 0, 1), seed=seed, n=7, rounds=1, timing=timing)
    landed = run.chronicle.accepted()[0]
    assert (landed.tag, landed.stage, landed.attempt) == (FIRST, 1, 0)
    assert stages(seed, 7, FIRST, timing)[landed.transmitter] == 1
    waited = landed.elapsed / SECOND - finalized_at(run, FIRST, landed.transmitter)
    assert 2.2 <= waited < 3.2, "ΔStage, and as long as a transaction takes"


def test_scenario_42_transactions_that_are_never_mined() -> None:
    # The first transmitter's vanish: the next stage takes over.
    first = stages(3, 4, FIRST, RARELY).index(0)
    run = play(fault(FaultKind.NOT_MINED, (first,)), seed=3, rounds=1, timing=RARELY)
    landed = run.chronicle.accepted()[0]
    assert (landed.tag, landed.stage, landed.attempt) == (FIRST, 1, 0)
    # Everybody's vanish until the last stage is over: the schedule is repeated, rotated by one place.
    for again in plays(fault(FaultKind.NOT_MINED, (), 0, 15), rounds=1, timing=RARELY):
        seed = again.outcome.scenario.seed
        tried = [(step.oracle, e.stage, e.attempt) for step, e in again.chronicle.effects(Transmit)]
        order = stages(seed, 4, FIRST, RARELY)
        assert tried[:4] == [(order.index(stage), stage, 0) for stage in range(4)]
        landed = again.chronicle.accepted()[0]
        assert (landed.tag, landed.stage, landed.attempt) == (FIRST, 0, 1)
        assert landed.transmitter == order.index(1), "whoever failed first is not asked first again"
        assert landed.elapsed / SECOND - finalized_at(again, FIRST, landed.transmitter) > 20


def test_scenario_43_two_transmit_the_same_report() -> None:
    timing = Timing(alpha_infinite=True, delta_c=seconds(3600), stage_sizes=(2, 1, 1))
    for run in plays(request_round(20), rounds=2, timing=timing):
        landings = [item for item in run.chronicle.landings if item.tag == FIRST]
        assert [item.refusal for item in landings] == [None, "stale"]
        assert landings[0].transmitter != landings[1].transmitter
        assert {item.stage for item in landings} == {0}


def test_scenario_44_a_reorg_drops_the_report() -> None:
    again: set[bool] = set()
    for run in plays(fault(FaultKind.REORG, (), 6, 6, amount=1), seeds=6, rounds=1, timing=RARELY):
        assert run.accepted_between(0, 6) == [FIRST]
        # Mined again; or a later round's, once the memory of the last accepted report expires after 60 s.
        back = run.accepted_between(6, 75)
        again.add(back[0] == FIRST)
        assert [item.report.context.tag for item in run.cluster.chain.accepted] == back[:1]
    assert again == {True, False}
    # Where every round is due, the next one repairs it.
    for busy in plays(*(fault(FaultKind.REORG, (), t, t, amount=2) for t in (4, 7, 11)), seeds=4):
        assert all(busy.accepted_between(t, t + 3) for t in (4, 7, 11))


def test_scenario_45_a_crash_right_before_the_transaction_leaves() -> None:
    timing = Timing(alpha_infinite=True, delta_c=seconds(3600), stage_sizes=(1,))
    for seed in range(6):
        turn = stages(seed, 4, FIRST, timing).index(0)
        crash = fault(FaultKind.CRASH, (turn,), 0, 9, messages=("Transmit",))
        run = play(crash, seed=seed, rounds=1, timing=timing)
        assert [e.text for e in run.outcome.entries if e.verb == "crashes"] == ["sending Transmit"]
        # Only it has a turn. Its report is still on disk after the restart, and goes out once.
        (landed,) = run.chronicle.landings
        assert (landed.tag, landed.transmitter, landed.refusal) == (FIRST, turn, None)
        assert 9 <= landed.elapsed / SECOND < 11
        lives = [step.life for step, _ in run.chronicle.effects(Transmit)]
        assert lives == [1, 2]


def test_scenario_51_requested_rounds() -> None:
    # Three requests within a tenth of a second are one window; so is each of the later ones.
    moments = (10, 10.05, 10.1, 20, 30)
    for run in plays(*(request_round(at) for at in moments), rounds=4, timing=RARELY):
        windows = [run.accepted_between(a, b) for a, b in ((0, 10), (10, 20), (20, 30), (30, 40))]
        assert [len(window) for window in windows] == [1, 1, 1, 1]
