"""Scenarios 1 to 3, 7, 9 and 17 to 20: all is well, oracles are silent, leaders are bad."""

from __future__ import annotations

import itertools

import pytest

from ocr_peer import crypto
from ocr_peer.median.config import decode_int192
from ocr_peer.protocol.config import SECOND
from ocr_peer.protocol.effects import Broadcast, MilestoneKind, Observe
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.messages import NewEpoch, ObserveReq
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.chronicle import Step
from ocr_peer.simulation.committee import Timing
from ocr_peer.simulation.faults import Behaviour, FaultKind
from ocr_peer.simulation.liveness import liveness_bound
from tests.scenarios.stage import byzantine, fault, leaders, play, plays, request_round, seconds, seed_where


@pytest.mark.parametrize("n", [4, 7, 16, 31])
def test_scenario_01_no_faults(n: int) -> None:
    # All is due: every final round is on chain, once, in order.
    for run in plays(n=n, rounds=8, seeds=2):
        on_chain = [landing.tag for landing in run.chronicle.accepted()]
        assert on_chain == sorted(run.finalized())[: len(on_chain)]
        assert len(on_chain) >= 6
        assert not run.outcome.refused
        assert not run.outcome.peer_faults
        assert run.outcome.epoch <= 3
    # Only a heartbeat is due: one report each time, and no other. The chain counts whole seconds, and
    # transactions are mined before the next round looks.
    timing = Timing(alpha_infinite=True, delta_c=seconds(10), delta_round=seconds(2))
    run = play(request_round(45), n=n, rounds=4, timing=timing)
    times = [landing.elapsed / SECOND for landing in run.chronicle.accepted()]
    times = [time for time in times if time < 45]
    assert all(9 < later - earlier < 14 for earlier, later in itertools.pairwise(times))
    assert len(times) >= 4


@pytest.mark.parametrize(("n", "f"), [(4, 1), (7, 2), (16, 5)])
def test_scenario_02_f_silent(n: int, f: int) -> None:
    silent = range(f)
    for run in plays(byzantine(Behaviour.SILENT, *silent), n=n, rounds=8, seeds=3):
        assert not [step for step, sender, _ in run.chronicle.heard(ObserveReq) if sender in silent]
        assert len(run.finalized()) >= 7
        # A silent oracle transmits nothing either; later rounds overtake what waits for it.
        assert len(run.chronicle.accepted()) >= 2


def test_scenario_03_f_plus_one_silent_then_one_returns() -> None:
    gone = (fault(FaultKind.CRASH, (1,)), fault(FaultKind.CRASH, (2,), 0, 60))
    for run in plays(*gone):
        assert not run.accepted_between(0, 60)
        assert all(step.epoch == 1 for step in run.chronicle.steps if step.elapsed < 60 * SECOND)
        assert run.accepted_between(60, 60 + 60)
        assert {landing.transmitter for landing in run.chronicle.accepted()} <= {0, 2, 3}


@pytest.mark.parametrize("first", [1, 5])
def test_scenario_07_a_run_of_bad_leaders(first: int) -> None:
    # OCR2 draws leaders at random: the worst run is found, 2f of them in a row; 5 … 8 crosses n = 7.
    bad = (0, 1)
    epochs = range(first, first + 4)

    def leads_to_it(seed: int) -> bool:
        before = leaders(seed, 7, range(1, first))
        return set(leaders(seed, 7, epochs)) <= set(bad) and not set(before) & set(bad)

    seed = seed_where(leads_to_it, 20_000)
    plan = byzantine(Behaviour.SILENT, *bad)
    run = play(plan, seed=seed, n=7, rounds=10, timing=Timing(r_max=1))
    # Nothing becomes final under them, and under the first good leader behind them it does.
    assert not [tag for tag in run.finalized() if tag.epoch in epochs]
    after = next(e for e in itertools.count(first + 4) if leaders(seed, 7, [e])[0] not in bad)
    assert RoundTag(after, 1) in run.finalized()
    entered = run.chronicle.milestones(MilestoneKind.EPOCH_ENTERED, 2)
    began = next(step.elapsed for step, m in entered if m.tag.epoch == first)
    accepted = next(item.elapsed for item in run.chronicle.accepted() if item.tag.epoch >= after)
    assert accepted - began <= liveness_bound(run.outcome.plan, run.cluster.committees[0], first)
    # The first f+1 of them cost ΔProgress each; only then does patience double.
    silences = {m.tag.epoch: step.elapsed for step, m in entered}
    lengths = [(silences[e + 1] - silences[e]) / SECOND for e in range(first, first + 3)]
    assert all(4.9 < length < 6 for length in lengths)


@pytest.mark.parametrize("n", [4, 7])
def test_scenario_09_different_rounds_for_different_followers(n: int) -> None:
    lost = 0
    for run in plays(byzantine(Behaviour.TWO_ROUNDS, 0), n=n, seeds=6, rounds=20):
        asked: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for step, sender, message in run.chronicle.heard(ObserveReq):
            if sender == 0 and step.oracle != 0:
                asked.setdefault((message.epoch, step.elapsed // SECOND), set()).add(
                    (step.oracle, message.round)
                )
        split = [rounds for rounds in asked.values() if len({round_ for _, round_ in rounds}) > 1]
        started = run.chronicle.reached(MilestoneKind.ROUND_STARTED, 0)
        lost += len([tag for tag in started if tag not in run.finalized()])
        assert split or not started
        # The committee gets over it: others lead, and their rounds become final.
        assert [tag for tag in run.finalized() if run.led(tag.epoch) != 0]
    assert lost > 0


def test_scenario_17_the_same_f_always_left_out() -> None:
    left_out, omissions = (2, 3), 0
    for run in plays(byzantine(Behaviour.OMIT, 0, 1), n=7, seeds=4):
        for step, milestone in run.chronicle.milestones(MilestoneKind.REPORT_REQUESTED):
            observers = dict(milestone.detail)["observers"]
            bad = run.led(milestone.tag.epoch) in (0, 1)
            # What a follower needs to see its own omission: it observed, and is not in the request.
            if step.oracle in left_out and bad:
                assert milestone.tag in run.chronicle.reached(MilestoneKind.OBSERVATION_SENT, step.oracle)
                assert step.oracle not in observers
                omissions += 1
        for landing in run.chronicle.accepted():
            answer = decode_int192(crypto.decode_report(landing.report.report)[2][2])
            assert 100_000 <= answer <= 101_100
    assert omissions > 10


def test_scenario_18_a_leader_at_just_under_delta_progress() -> None:
    slow = 0
    seed = seed_where(lambda s: leaders(s, 4, (1, 2)) == [slow, 1])
    # Its clock runs at 21 % of the others': its rounds are 4.76 s apart, ΔProgress is 5 s.
    run = play(fault(FaultKind.DRIFT, (slow,), amount=-790_000), seed=seed, rounds=20, max_age=seconds(3600))
    times = [
        step.elapsed / SECOND
        for step, milestone in run.chronicle.milestones(MilestoneKind.FINALIZED, 1)
        if milestone.tag.epoch == 1
    ]
    assert len(times) == 5
    assert all(4.5 < later - earlier < 5 for earlier, later in itertools.pairwise(times))
    # The epoch ends by r_max, not by anybody's patience; then rounds take a second again.
    second_epoch = next(
        step.elapsed / SECOND
        for step, milestone in run.chronicle.milestones(MilestoneKind.EPOCH_ENTERED, 1)
        if milestone.tag.epoch == 2
    )
    assert 0 < second_epoch - times[-1] < 5
    assert len(run.accepted_between(second_epoch, second_epoch + 6)) >= 4
    # One whose requests come later than ΔRoundMax finishes nothing, and is given up after ΔProgress.
    late = play(byzantine(Behaviour.SLOW, slow), seed=seed)
    assert not [tag for tag in late.finalized() if tag.epoch == 1]
    entered = late.chronicle.milestones(MilestoneKind.EPOCH_ENTERED, 1)
    assert 5 <= next(step.elapsed / SECOND for step, m in entered if m.tag.epoch == 2) < 5.5


def test_scenario_19_rounds_above_r_max() -> None:
    def requests(step: Step) -> int:
        return sum(isinstance(e, Broadcast) and isinstance(e.message, NewEpoch) for e in step.effects)

    overrun = 0
    for run in plays(byzantine(Behaviour.OVERRUN, 0), seeds=5, first_leader=0):
        wishes: dict[tuple[int, int, int], int] = {}
        asked: dict[tuple[int, int, int], set[int]] = {}
        for step, sender, message in run.chronicle.heard(ObserveReq):
            if sender == 0 and message.epoch == step.epoch and step.oracle != 0:
                key = (step.oracle, step.life, message.epoch)
                wishes[key] = wishes.get(key, 0) + requests(step)
                asked.setdefault(key, set()).add(message.round)
        for key, rounds in asked.items():
            # Three requests for impossible rounds, one request for an epoch.
            assert wishes[key] == (6 in rounds)
            overrun += rounds == {6, 7, 255}
        # The one and only that leads nowhere but to the next epoch.
        for step, effect in run.chronicle.effects(Broadcast):
            if isinstance(effect.message, NewEpoch) and step.oracle != 0:
                assert effect.message.epoch <= step.epoch + 1
    assert overrun > 0


def test_scenario_20_leaders_messages_of_another() -> None:
    told: set[str] = set()
    for run in plays(byzantine(Behaviour.USURP, 2), seeds=6):
        told |= {why for step, why in run.chronicle.accusations(2) if run.led(step.epoch) != 2}
        for step, effect in run.chronicle.effects(Observe):
            event = step.event
            if isinstance(event, MessageReceived) and isinstance(event.message, ObserveReq):
                assert event.sender == run.led(effect.tag.epoch)
        assert len(run.finalized()) >= 11
    assert told == {
        "asked for observations without leading the epoch",
        "asked for a report without leading the epoch",
    }
