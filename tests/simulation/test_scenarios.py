"""The design's numbered scenarios (protocol.md, section 7), by number. The others live in tests/protocol."""

from __future__ import annotations

import pytest

from ocr_peer.protocol.config import MILLISECOND, SECOND, Duration
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.committee import Timing
from ocr_peer.simulation.faults import FOREVER, Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.run import Outcome, Scenario, simulate


def seconds(count: float) -> Duration:
    return Duration(int(count * SECOND))


def fault(
    what: FaultKind, who: tuple[int, ...] = (), start: float = 0, stop: float | None = None, **more: object
) -> Fault:
    end = FOREVER if stop is None else seconds(stop)
    return Fault(what, who, seconds(start), end, **more)  # type: ignore[arg-type]


def byzantine(behaviour: Behaviour, *who: int) -> Fault:
    return fault(FaultKind.BYZANTINE, who, behaviour=behaviour)


def held(*faults: Fault, seeds: int = 4, n: int = 4, rounds: int = 12, **more: object) -> list[Outcome]:
    """Runs of a few seeds in which nothing broke and enough rounds became final."""
    outcomes = []
    for seed in range(seeds):
        scenario = Scenario(seed=seed, n=n, rounds=rounds, plan=FaultPlan(faults), fast=True, **more)  # type: ignore[arg-type]
        outcome = simulate(scenario)
        assert outcome.violation is None, f"seed {seed}: {outcome.violation}"
        outcomes.append(outcome)
    return outcomes


@pytest.mark.parametrize("n", [4, 7, 16, 31])
def test_01_no_faults(n: int) -> None:
    for outcome in held(n=n, rounds=6, seeds=2):
        assert outcome.rounds == 6
        assert outcome.epoch <= 3


@pytest.mark.parametrize(("n", "f"), [(4, 1), (7, 2), (16, 5)])
def test_02_f_silent(n: int, f: int) -> None:
    held(byzantine(Behaviour.SILENT, *range(f)), n=n, rounds=6, seeds=3)


def test_03_f_plus_one_silent_then_one_returns() -> None:
    plan = (fault(FaultKind.CRASH, (1,)), fault(FaultKind.CRASH, (2,), 0, 60))
    for outcome in held(*plan):
        assert outcome.seconds > 60
        assert outcome.rounds >= 12


@pytest.mark.parametrize("boundary", range(0, 24, 3))
def test_04_05_06_36_a_crash_at_any_effect_boundary(boundary: int) -> None:
    # All oracles, one after the other, at this many boundaries after half a second of every second.
    plan = [fault(FaultKind.CRASH, (o,), 2 * o + 0.5, 2 * o + 1.9, amount=boundary) for o in range(4)]
    for outcome in held(*plan, seeds=6):
        assert outcome.crashes > 0


def test_08_finals_held_back_are_refused_for_their_age() -> None:
    refused: set[str] = set()
    for outcome in held(byzantine(Behaviour.WITHHOLD, 0, 1), n=7, seeds=12, max_age=seconds(20), rounds=60):
        refused |= outcome.refused.keys()
    assert refused & {"older than maxAge", "stale"}


@pytest.mark.parametrize("n", [4, 7])
def test_09_10_22_an_equivocator(n: int) -> None:
    held(byzantine(Behaviour.EQUIVOCATE, 0), n=n, seeds=12)


def test_11_an_equivocating_leader_with_unique_reports() -> None:
    held(byzantine(Behaviour.EQUIVOCATE, 0, 1), n=7, seeds=12, unique=True)


@pytest.mark.parametrize("n", [4, 7])
def test_12_13_14_15_24_50_forged_requests_signatures_and_echoes(n: int) -> None:
    held(byzantine(Behaviour.FORGE, *range((n - 1) // 3)), n=n, seeds=12)


def test_17_a_leader_that_always_leaves_the_same_f_out() -> None:
    held(byzantine(Behaviour.OMIT, 0, 1), n=7, seeds=6)


def test_18_a_slow_leader() -> None:
    held(byzantine(Behaviour.SLOW, 0), seeds=8)


def test_19_a_leader_that_overruns_r_max() -> None:
    for outcome in held(byzantine(Behaviour.OVERRUN, 0), seeds=8):
        # One request for an epoch each time it leads, no storm of them.
        assert outcome.epoch <= 25


def test_20_a_usurper() -> None:
    held(byzantine(Behaviour.USURP, 2), seeds=8)


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_21_23_observations_at_the_extremes(n: int) -> None:
    held(byzantine(Behaviour.LIE, *range((n - 1) // 3)), n=n, seeds=6)


def test_25_half_of_the_honest_say_skip() -> None:
    # Endpoints that show an old state say that a report is due; the others see no reason for one.
    timing = Timing(alpha_infinite=True, delta_c=seconds(30))
    for outcome in held(
        fault(FaultKind.RPC_STALE, (0,), 0, 40, amount=3600 * SECOND), rounds=3, timing=timing
    ):
        assert outcome.epoch < 40


def test_26_half_of_the_chain_reads_hang() -> None:
    held(fault(FaultKind.RPC_DOWN, (0, 1), 0, 30))


def test_27_one_endpoint_shows_an_old_state() -> None:
    held(fault(FaultKind.RPC_STALE, (1,), 0, 30, amount=100 * SECOND))


def test_28_29_35_floods_of_wishes_and_of_coming_epochs() -> None:
    for outcome in held(byzantine(Behaviour.FLOOD, 0, 1), n=7, seeds=6):
        assert outcome.epoch < 40


def test_30_a_minority_is_cut_off_and_comes_back() -> None:
    for outcome in held(fault(FaultKind.PARTITION, (0, 1), 1, 40), n=7, seeds=6, rounds=30):
        assert outcome.accepted > 20


def test_31_an_even_partition() -> None:
    for outcome in held(fault(FaultKind.PARTITION, (0, 1), 1, 60)):
        assert outcome.seconds > 60


def test_32_nine_of_ten_wishes_are_lost() -> None:
    plan = fault(FaultKind.LOSS, (), 0, 60, probability=0.9, messages=("NewEpoch",))
    held(plan, rounds=20)


def test_33_delay_reordering_and_tenfold_duplication() -> None:
    plan = (
        fault(FaultKind.DELAY, (), 0, 40, amount=8 * SECOND, probability=0.5),
        fault(FaultKind.DUPLICATE, (), 0, 40, amount=9),
    )
    held(*plan)


def test_34_late_wishes_for_one_oracle() -> None:
    plan = fault(FaultKind.DELAY, (), 0, 30, amount=SECOND, messages=("NewEpoch",), to=(3,))
    held(plan, rounds=20)


def test_37_restarts_under_repeated_requests() -> None:
    crashes = [fault(FaultKind.CRASH, (k % 4,), k / 3, k / 3 + 0.15) for k in range(1, 40)]
    held(fault(FaultKind.DUPLICATE, (), amount=5, messages=("ObserveReq", "ReportReq")), *crashes, seeds=8)


def test_38_all_restart_together() -> None:
    for outcome in held(fault(FaultKind.CRASH, (0, 1, 2, 3), 8, 12)):
        assert outcome.crashes == 4


def test_39_a_full_disk_and_a_rollback() -> None:
    held(fault(FaultKind.DISK, (2,), 3, 15))
    held(fault(FaultKind.ROLLBACK, (2,), 3, 9), seeds=8)


def test_40_skewed_clocks_and_a_long_pause() -> None:
    skews = [fault(FaultKind.SKEW, (o,), amount=offset * SECOND) for o, offset in enumerate((-5, 5, 0, 3))]
    held(*skews, fault(FaultKind.PAUSE, (1,), 5, 600), rounds=20, seeds=2)
    backwards = fault(FaultKind.SKEW, (2,), 3, amount=-20 * SECOND)
    held(backwards, fault(FaultKind.CRASH, (2,), 5, 6), seeds=4)


def test_41_42_transactions_that_vanish() -> None:
    held(fault(FaultKind.NOT_MINED, (0,)), rounds=20)
    held(fault(FaultKind.NOT_MINED, (), 0, 30), rounds=20)


def test_43_several_transmit_at_once() -> None:
    stale = 0
    for outcome in held(timing=Timing(stage_sizes=(4,)), rounds=8):
        stale += outcome.refused.get("stale", 0)
    assert stale > 0


def test_44_reorgs() -> None:
    held(*(fault(FaultKind.REORG, (), t, t, amount=2) for t in (4, 7, 11)), seeds=8)


def test_45_a_crash_around_transmission_keeps_the_report() -> None:
    timing = Timing(alpha_infinite=True, delta_c=seconds(60))
    crashes = [fault(FaultKind.CRASH, (o,), 0.3, 5, amount=b) for o, b in enumerate((2, 5, 9, 14))]
    held(*crashes, rounds=1, timing=timing, seeds=10)


@pytest.mark.parametrize("spread", [0, 1, 120])
def test_46_47_configurations_change(spread: int) -> None:
    changes = (fault(FaultKind.RECONFIGURE, (), t, t, amount=spread * SECOND) for t in (3.3, 9.1))
    for outcome in held(*changes, rounds=20, seeds=6):
        assert outcome.rounds >= 20


def test_51_requested_rounds() -> None:
    timing = Timing(alpha_infinite=True, delta_c=seconds(3600))
    asked = [fault(FaultKind.REQUEST_ROUND, (), t, t) for t in (10, 20, 30)]
    seen: list[int] = []

    def watch(cluster: Cluster) -> None:
        for moment in (9, 19, 29, 39):
            cluster.at(seconds(moment), lambda: seen.append(cluster.counts.accepted))

    plan = FaultPlan((*asked, fault(FaultKind.REQUEST_ROUND, (), 40, 40)))
    outcome = simulate(Scenario(seed=1, rounds=5, plan=plan, timing=timing, fast=True), inspect=watch)
    assert outcome.violation is None
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("value", [0, -5, 10**13])
def test_52_answers_at_and_beyond_the_limits(value: int) -> None:
    plan = fault(FaultKind.SOURCE_VALUE, (0, 1, 2, 3), 0, 20, amount=value)
    held(plan, timing=Timing(minimum=-10))


@pytest.mark.parametrize("r_max", [1, 254])
def test_53_extreme_numbers_of_rounds(r_max: int) -> None:
    held(timing=Timing(r_max=r_max), rounds=20, seeds=2)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_53_committees_that_tolerate_nobody(n: int) -> None:
    held(n=n, seeds=2)


def test_54_sources_fail() -> None:
    for outcome in held(fault(FaultKind.SOURCE_DOWN, (0, 1), 0, 30)):
        assert outcome.seconds > 30


def test_56_damaged_and_random_bytes() -> None:
    held(byzantine(Behaviour.FUZZ, 0, 1), n=7, seeds=8)


def test_replays_of_what_others_said() -> None:
    held(byzantine(Behaviour.REPLAY, 0, 1), n=7, seeds=8)


def test_every_behaviour_together_in_a_large_committee() -> None:
    some = list(Behaviour)[:10]
    held(*(byzantine(behaviour, index) for index, behaviour in enumerate(some)), n=31, seeds=1, rounds=5)


def test_milliseconds_are_enough_for_a_round() -> None:
    timing = Timing(delta_round=Duration(300 * MILLISECOND), delta_grace=Duration(0))
    held(timing=timing, rounds=40, seeds=2)
