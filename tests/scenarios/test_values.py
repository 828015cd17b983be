"""Scenarios 21, 23, 25 and 52 to 55: what is observed, and when it is worth a report."""

from __future__ import annotations

import itertools

import pytest

from ocr_peer import crypto
from ocr_peer.median.config import INT192_MAX, INT192_MIN, decode_int192
from ocr_peer.protocol.config import MILLISECOND, SECOND, Duration
from ocr_peer.protocol.effects import Broadcast, Milestone, MilestoneKind
from ocr_peer.protocol.messages import NewEpoch, Observe, ReportReq
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.simulation.committee import Timing
from ocr_peer.simulation.faults import Behaviour, FaultKind, FaultPlan
from ocr_peer.simulation.run import Scenario, simulate
from tests.scenarios.stage import (
    Run,
    byzantine,
    fault,
    leaders,
    play,
    plays,
    request_round,
    seconds,
    seed_where,
)

PERCENT = 10**7
"""In parts per 10⁹."""


def answer(report: AttestedReport) -> int:
    values = crypto.decode_report(report.report)[2]
    return decode_int192(values[len(values) // 2])


@pytest.mark.parametrize("n", [4, 5, 7, 8])
def test_scenario_21_observations_at_the_ends_of_int192(n: int) -> None:
    liars, even, extremes = range((n - 1) // 3), set(), set()
    for run in plays(byzantine(Behaviour.LIE, *liars), n=n, seeds=6):
        for landing in run.chronicle.accepted():
            values = [decode_int192(value) for value in crypto.decode_report(landing.report.report)[2]]
            even.add(len(values) % 2 == 0)
            extremes |= {INT192_MAX, INT192_MIN} & set(values)
            # The world's price moves within these; so does every honest observation of it.
            assert 100_000 <= answer(landing.report) <= 101_100
    assert even == {True, False}
    assert extremes == {INT192_MAX, INT192_MIN}


def test_scenario_23_impossible_times_and_values() -> None:
    future, out_of_range = 0, 0
    for run in plays(byzantine(Behaviour.LIE, 1), seeds=6):
        for step, sender, message in run.chronicle.heard(ReportReq):
            tag = RoundTag(message.epoch, message.round)
            if sender == 1 or tag not in run.finalized():
                continue
            assert not [e for e in step.effects if not isinstance(e, Milestone) and hasattr(e, "reason")]
            for item in message.observations:
                body = crypto.decode_observation(item.observation)
                if item.observer == 1 and body is not None:
                    # Kept, as Go keeps it: the round is final with it.
                    future += body[0] > 1_700_000_000 + 9_000
                    out_of_range += not 1 <= decode_int192(body[1]) <= 10**12
        assert not run.chronicle.accusations(1)
    assert future > 0
    assert out_of_range > 0


@pytest.mark.parametrize("one_report_is_lost", [False, True])
def test_scenario_25_half_of_the_honest_say_skip(one_report_is_lost: bool) -> None:
    # n = 7, f = 2: two are silent, two see an old chain and find a report due, the others do not. With
    # one of their reports lost neither side has f+1, and the round is abandoned.
    until = 32.0
    plan = [
        byzantine(Behaviour.SILENT, 5, 6),
        fault(FaultKind.RPC_STALE, (0, 1), 3, until, amount=3600 * SECOND),
    ]
    if one_report_is_lost:
        plan.append(fault(FaultKind.LOSS, (4,), 3, until, messages=("Report",)))
    timing = Timing(alpha_infinite=True, delta_c=seconds(40), r_max=20)
    seed = seed_where(lambda s: not set(leaders(s, 7, range(1, 9))) & {4, 5, 6})
    run = play(*plan, seed=seed, n=7, rounds=2, timing=timing)
    finals = run.chronicle.milestones(MilestoneKind.FINALIZED)
    assert not [step for step, _ in finals if 4 < step.elapsed / SECOND < until], "no certificate"
    votes: dict[RoundTag, dict[int, MilestoneKind]] = {}
    for kind in (MilestoneKind.REPORT_SIGNED, MilestoneKind.REPORT_SKIPPED):
        for step, milestone in run.chronicle.milestones(kind):
            if 4 < step.elapsed / SECOND < until and step.oracle in run.honest:
                votes.setdefault(milestone.tag, {})[step.oracle] = kind
    split = [set(by.values()) for by in votes.values() if len(by) == 5]
    assert len(split) > 5
    assert all(len(kinds) == 2 for kinds in split)
    abandoned = run.chronicle.milestones(MilestoneKind.ROUND_ABANDONED)
    honest = [
        step for step, _ in abandoned if step.oracle in run.honest and 4 < step.elapsed / SECOND < until
    ]
    # f+1 that skip finish the round, and it is as good as any.
    assert bool(honest) == one_report_is_lost
    entered = run.chronicle.milestones(MilestoneKind.EPOCH_ENTERED, 2)
    times = [step.elapsed / SECOND for step, _ in entered if step.elapsed < until * SECOND]
    # No storm: an epoch ends for its rounds, or for ΔProgress, and oracles repeat themselves at ΔResend.
    assert all(later - earlier > 4.9 for earlier, later in itertools.pairwise(times[1:]))
    wishes = [s for s, e in run.chronicle.effects(Broadcast) if isinstance(e.message, NewEpoch)]
    assert len([step for step in wishes if step.oracle == 0]) < run.outcome.seconds / 2 + 3 * len(entered) + 2
    assert run.accepted_between(until, until + 20), "and the heartbeat brings a report after that"


def reported(values: tuple[int, int], **timing: object) -> list[int]:
    """Answers on chain after all sources said the one value, and then the other, ten seconds each."""
    said = [fault(FaultKind.SOURCE_VALUE, (), 10 * i, 10 * i + 10, amount=v) for i, v in enumerate(values)]
    options = {"minimum": -(10**6), "delta_c": seconds(3600), "delta_round": seconds(2), "r_max": 20}
    run = play(*said, request_round(30), rounds=2, timing=Timing(**(options | timing)))  # type: ignore[arg-type]
    return [answer(item.report) for item in run.chronicle.accepted() if item.elapsed < 20 * SECOND]


@pytest.mark.parametrize(
    ("values", "alpha", "due"),
    [
        ((100, 0), 200 * PERCENT, False),
        ((100, 0), 100 * PERCENT, True),
        ((0, 0), 1, False),
        ((0, 1), 10**18, True),
        ((-10_000, -10_100), PERCENT, True),
        ((-10_000, -10_099), PERCENT, False),
        ((100, -100), 200 * PERCENT, True),
        ((100, -100), 200 * PERCENT + 1, False),
        ((-100, 100), 200 * PERCENT, True),
        ((10_000, 10_100), PERCENT, True),
        ((10_000, 10_099), PERCENT, False),
        ((10_000, 9_900), PERCENT, True),
        ((10_000, 9_901), PERCENT, False),
        ((10_000, 10_100), PERCENT + 1, False),
        ((10_000, 10_000_000_001), None, False),
        ((0, 500_000), None, False),
    ],
)
def test_scenario_52_deviations(values: tuple[int, int], alpha: int | None, due: bool) -> None:
    timing = {"alpha_infinite": True} if alpha is None else {"alpha_report_ppb": alpha}
    maximum = {"maximum": 10**12}
    assert reported(values, **timing, **maximum) == [values[0], *([values[1]] if due else [])]


@pytest.mark.parametrize("values", [(7, 7), (7, 8)])
def test_a_threshold_of_zero_calls_everything_a_deviation(values: tuple[int, int]) -> None:
    answers = reported(values, alpha_report_ppb=0)
    assert len(answers) > 8
    assert set(answers) == set(values)


@pytest.mark.parametrize(
    ("timing", "options"),
    [
        (Timing(r_max=1), {}),
        (Timing(r_max=254), {}),
        (Timing(), {"n": 1}),
        (Timing(), {"n": 2}),
        (Timing(), {"n": 3}),
        (Timing(delta_round=Duration(300 * MILLISECOND), delta_grace=Duration(0)), {}),
    ],
)
def test_scenario_53_extreme_parameters(timing: Timing, options: dict[str, int]) -> None:
    for run in plays(timing=timing, rounds=20, seeds=2, **options):
        tags = sorted(run.finalized())
        assert len(tags) >= 19
        assert max(tag.round for tag in tags) <= timing.r_max
        if timing.r_max == 1:
            assert run.outcome.epoch >= 20
        elif timing.r_max == 254:
            assert run.outcome.epoch == 1
            assert tags[-1].round >= 19
        assert len(run.chronicle.accepted()) > 10
        if options:
            assert run.outcome.scenario.faults_tolerated == 0
            assert all(len(item.report.signatures) == 1 for item in run.chronicle.accepted())


def observed(run: Run) -> set[int]:
    """Every value that an honest oracle signed."""
    bodies = [
        crypto.decode_observation(m.observation)
        for _, sender, m in run.chronicle.heard(Observe)
        if sender in run.honest
    ]
    own = [bytes.fromhex(str(dict(m.detail)["observation"]))
           for _, m in run.chronicle.milestones(MilestoneKind.OBSERVATION_SENT)]  # fmt: skip
    bodies += [crypto.decode_observation(body) for body in own]
    return {decode_int192(body[1]) for body in bodies if body is not None}


def test_scenario_54_sources_disagree_or_fail() -> None:
    values = (1, 10**3, 10**6, 10**9)
    apart = [fault(FaultKind.SOURCE_VALUE, (o,), 0, 20, amount=v) for o, v in enumerate(values)]
    for run in plays(*apart):
        early = [answer(item.report) for item in run.chronicle.accepted() if item.elapsed < 19 * SECOND]
        assert early
        assert set(early) <= set(values)
    # More than f have nothing to say: nobody asks for a report, nothing is made up.
    for run in plays(fault(FaultKind.SOURCE_DOWN, (0, 1), 0, 30)):
        requests = [step for step, _, _ in run.chronicle.heard(ReportReq) if step.elapsed < 30 * SECOND]
        assert not requests
        assert not run.accepted_between(0, 30)
        assert run.accepted_between(30, 60)
        assert {answer(item.report) for item in run.chronicle.accepted()} <= observed(run)
    # As many as f: the others suffice.
    assert play(fault(FaultKind.SOURCE_DOWN, (0,), 0, 30)).accepted_between(0, 30)


@pytest.mark.parametrize(("n", "liars"), [(4, 2), (7, 3), (16, 6)])
def test_scenario_55_more_than_f_liars_are_detected(n: int, liars: int) -> None:
    plan = FaultPlan((byzantine(Behaviour.COLLUDE, *range(liars)),))
    broken = [
        simulate(Scenario(seed=seed, n=n, plan=plan, fast=True, rounds=10)).violation for seed in range(12)
    ]
    found = {violation.invariant for violation in broken if violation is not None}
    assert "I1" in found
    # As many liars could also drag honest oracles into epochs; one fewer can do nothing.
    assert found <= {"I1", "I5"}
    fewer = FaultPlan((byzantine(Behaviour.COLLUDE, *range(liars - 1)),))
    for seed in range(4):
        assert simulate(Scenario(seed=seed, n=n, plan=fewer, fast=True, rounds=6)).violation is None
