"""Scenarios 4 to 6 and 36 to 40: processes that die in the act, disks that fail or forget, clocks that lie."""

from __future__ import annotations

import itertools

import pytest

from ocr_peer.protocol.config import SECOND
from ocr_peer.protocol.effects import Broadcast, Evidence, MilestoneKind, Send
from ocr_peer.protocol.events import TimeAdvanced
from ocr_peer.protocol.messages import NewEpoch, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.chronicle import Chronicle
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.faults import FaultKind
from ocr_peer.simulation.plans import draw_plan
from ocr_peer.simulation.streams import Streams
from tests.scenarios.stage import Run, fault, leaders, play, plays, seconds, seed_where

FIRST = RoundTag(1, 1)


def next_epoch_takes_over(run: Run) -> None:
    """The leader of epoch 1 is gone; ΔProgress later the next one leads, and reports come on chain."""
    assert run.outcome.crashes == 1
    entered = run.chronicle.milestones(MilestoneKind.EPOCH_ENTERED)
    second = [step.elapsed / SECOND for step, milestone in entered if milestone.tag.epoch == 2]
    assert len(second) == 3
    assert all(5 <= time < 5.2 for time in second)
    assert not [tag for tag in run.finalized(0, 1) if tag.epoch == 1]
    assert RoundTag(2, 1) in run.finalized(0, 1)
    assert run.accepted_between(5, 10)


def test_scenario_04_the_leader_dies_before_its_first_request() -> None:
    death = fault(FaultKind.CRASH, (2,), messages=("ObserveReq",))
    seed = seed_where(lambda s: leaders(s, 4, (1, 2)) == [2, 1])
    run = play(death, seed=seed)
    assert not [m for _, sender, m in run.chronicle.heard(ObserveReq) if sender == 2]
    next_epoch_takes_over(run)


def test_scenario_05_the_leader_dies_between_grace_and_report_request() -> None:
    death = fault(FaultKind.CRASH, (2,), messages=("ReportReq",))
    seed = seed_where(lambda s: leaders(s, 4, (1, 2)) == [2, 1])
    run = play(death, seed=seed)
    # It has the observations, and grace is over: its last step makes the request that never leaves.
    for oracle in (0, 1, 3):
        assert FIRST in run.chronicle.reached(MilestoneKind.OBSERVATION_SENT, oracle)
    last = [step for step in run.chronicle.steps if step.oracle == 2][-1]
    assert any(isinstance(e, Broadcast) and isinstance(e.message, ReportReq) for e in last.effects)
    assert not [m for _, sender, m in run.chronicle.heard(ReportReq) if sender == 2]
    next_epoch_takes_over(run)


@pytest.mark.parametrize("lucky", [0, 1, 3])
def test_scenario_06_the_leader_dies_with_one_final_report_out(lucky: int) -> None:
    death = fault(FaultKind.CRASH, (2,), messages=("Final",), to=(lucky,))
    seed = seed_where(lambda s: leaders(s, 4, (1, 2)) == [2, 1])
    run = play(death, seed=seed)
    final = run.chronicle.milestones(MilestoneKind.FINALIZED)
    source = {s.oracle: dict(m.detail)["sender"] for s, m in final if m.tag == FIRST and s.oracle != 2}
    others = {0, 1, 3} - {lucky}
    assert source[lucky] == 2
    assert {source[oracle] for oracle in others} <= {0, 1, 3}, "all others know it by echo"
    assert FIRST in [landing.tag for landing in run.chronicle.accepted()]
    assert run.accepted_between(5, 12), "and the next leader goes on"


def deaths(run: Run) -> set[str]:
    return {entry.text for entry in run.outcome.entries if entry.verb == "crashes"}


def test_scenario_36_a_crash_at_every_effect_boundary() -> None:
    where: set[str] = set()
    for role in (0, 1):
        seed = seed_where(lambda s, role=role: leaders(s, 4, [1]) == [role])
        for boundary in range(60):
            crash = fault(FaultKind.CRASH, (0,), 0, 4, amount=boundary)
            run = play(crash, seed=seed, rounds=5)
            where |= deaths(run)
    kinds = {text.split(",")[0] for text in where}
    effects = ("Persist", "Send", "Broadcast", "Observe", "ReadChain", "Transmit", "Milestone")
    assert kinds >= {f"before {effect}" for effect in effects}
    # With records that are lost, and with records that are not.
    assert {"before Send, 1 unwritten", "before Broadcast, 1 unwritten"} <= where
    assert {"before Send, all written", "before Broadcast, all written"} <= where


@pytest.mark.parametrize("vote", [Observe, Report])
def test_scenario_37_asked_again_after_a_restart(vote: type[Observe | Report]) -> None:
    asked_again = 0
    asks = ObserveReq if vote is Observe else ReportReq
    for seed in range(12):
        if leaders(seed, 4, [1]) == [3]:
            continue
        # The record is durable, the vote itself is lost; copies of the request come after the restart.
        back = 0.3 if vote is Observe else 0.36
        crash = fault(FaultKind.CRASH, (3,), 0.05, back, messages=(vote.__name__,))
        copies = fault(FaultKind.DUPLICATE, (), 0, 5, amount=9, messages=("ObserveReq", "ReportReq"))
        run = play(crash, copies, seed=seed, rounds=5)
        if run.outcome.crashes == 0:
            continue
        for step, _, message in run.chronicle.heard(asks):
            if step.oracle == 3 and step.life == 2 and (message.epoch, message.round) == (1, 1):
                assert not step.effects
                asked_again += 1
        votes = [
            effect.message
            for step, effect in run.chronicle.effects(Send)
            if step.oracle == 3 and isinstance(effect.message, vote)
        ]
        tags = [RoundTag(message.epoch, message.round) for message in votes]
        assert tags.count(FIRST) == 1, "the first life's, which never left"
        assert len(tags) == len(set(tags))
        assert not list(run.chronicle.effects(Evidence))
    assert asked_again > 5


def test_scenario_38_all_restart_together() -> None:
    for run in plays(fault(FaultKind.CRASH, (0, 1, 2, 3), 8, 12)):
        assert run.outcome.crashes == 4
        before = max(item.tag.epoch for item in run.chronicle.accepted() if item.elapsed < 12 * SECOND)
        first_wishes = {
            step.oracle: effect.message.epoch
            for step, effect in reversed(list(run.chronicle.effects(Broadcast)))
            if step.life == 2 and isinstance(effect.message, NewEpoch)
        }
        assert len(first_wishes) == 4
        assert set(first_wishes.values()) == {before + 1}, "the chain's epoch is behind them"
        after = [item.tag for item in run.chronicle.accepted() if item.elapsed >= 12 * SECOND]
        assert min(after) > RoundTag(before, 0)
        assert len(run.accepted_between(12, 25)) >= 2


def test_scenario_39_a_full_disk_and_an_old_one() -> None:
    for run in plays(fault(FaultKind.DISK, (2,), 3, 15)):
        failed = [e.elapsed for e in run.outcome.entries if e.verb == "cannot write" and e.oracle == 2]
        assert failed
        said = [e for e in run.outcome.entries if e.verb == "sends" and e.oracle == 2]
        assert not [e for e in said if failed[0] <= e.elapsed < 15 * SECOND], "mute"
        assert [e for e in said if e.elapsed >= 15 * SECOND], "until its disk is well"
        assert run.accepted_between(3.5, 15)
    twice = 0
    rollback = fault(FaultKind.ROLLBACK, (2,), 0.05, 0.35)
    copies = fault(FaultKind.DUPLICATE, (), 0, 5, amount=9, messages=("ObserveReq", "ReportReq"))
    for run in plays(rollback, copies, seeds=12):
        # It forgot its votes and gives them again: one of the f, so nothing else breaks.
        assert run.outcome.plan.faulty() == {2}
        sent = run.chronicle.reached(MilestoneKind.OBSERVATION_SENT, 2)
        twice += len(sent) - len(set(sent))
    assert twice > 0
    # Whatever a seed draws, those that forget and those that lie are f together.
    plans = [draw_plan(Streams(seed), 7, 2, seconds(10)) for seed in range(300)]
    assert all(len(plan.faulty()) <= 2 for plan in plans)
    assert any(plan.of(FaultKind.ROLLBACK) and plan.byzantine() for plan in plans)


def wakes(run: Run, oracle: int, start: float, stop: float) -> int:
    span = range(int(start * SECOND), int(stop * SECOND))
    return sum(e.verb == "wakes" and e.oracle == oracle and e.elapsed in span for e in run.outcome.entries)


def drifts(ppm: int) -> None:
    """A clock that gains, or loses, keeps what it gained, and nothing breaks."""
    shown: list[int] = []

    def look(cluster: Cluster, _: Chronicle) -> None:
        for second in range(1, 30):
            cluster.at(
                second * SECOND, lambda: shown.append(cluster.nodes[1].clock(cluster.now) - cluster.now)
            )

    for run in plays(fault(FaultKind.DRIFT, (1,), 2, 22, amount=ppm), seeds=3, rounds=35, inspect=look):
        assert len(run.finalized()) >= 34
        # Its rounds start when its own clock says so.
        starts = [
            step.elapsed / SECOND
            for step, milestone in run.chronicle.milestones(MilestoneKind.ROUND_STARTED, 1)
            if 2 < step.elapsed / SECOND < 22 and milestone.tag.round > 1
        ]
        gaps = [b - a for a, b in itertools.pairwise(starts) if b - a < 1.8]
        assert all(gap >= 1 / (1 + ppm / 1e6) - 0.001 for gap in gaps)
    assert shown[0] == 0
    assert shown[-1] == 20 * SECOND * ppm // 1_000_000, "what it gained stays"


def test_scenario_40_clocks_that_are_off_or_run_fast_and_a_long_pause() -> None:
    half_a_heartbeat = (-5, 5, 0, 3)
    skews = [fault(FaultKind.SKEW, (o,), amount=offset * SECOND) for o, offset in enumerate(half_a_heartbeat)]
    run = play(*skews, fault(FaultKind.PAUSE, (1,), 5, 600), rounds=20)
    assert len(run.accepted_between(5, 600)) > 250
    assert not wakes(run, 1, 5, 600)
    # Ten minutes of timers are a few wake-ups, not hundreds, and a wish or two.
    assert 1 <= wakes(run, 1, 600, 601) <= 5
    fired = [
        effect
        for step, effect in run.chronicle.effects(Broadcast)
        if step.oracle == 1 and 600 <= step.elapsed / SECOND < 601 and isinstance(step.event, TimeAdvanced)
    ]
    assert len(fired) <= 2
    # A clock that is set back while its process is down.
    for back in plays(
        fault(FaultKind.SKEW, (2,), 3, amount=-20 * SECOND), fault(FaultKind.CRASH, (2,), 5, 6)
    ):
        offsets = {node.clock_offset for node in back.cluster.nodes}
        assert offsets == {0, -20 * SECOND}
        assert [tag for tag in back.finalized() if tag.epoch >= 2]
    for ppm in (200_000, -200_000, 500):
        drifts(ppm)
