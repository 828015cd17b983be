"""Rounds a second of simulated committees on one core, every check on: codec, echoes, invariants, replay."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from ocr_peer.cli.sim import collect_rarely
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.run import Scenario, simulate

_REPEATS = 3
_SEEDS = 100


@pytest.fixture(autouse=True)
def _as_the_command_does() -> Iterator[None]:
    before = gc.get_threshold()
    collect_rarely()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("n", "fast", "rounds"),
    [(4, True, 400), (16, True, 60), (31, True, 30), (4, False, 200), (16, False, 30), (31, False, 15)],
    ids=["4-fast", "16-fast", "31-fast", "4-real", "16-real", "31-real"],
)
def test_rounds_per_second(benchmark: BenchmarkFixture, n: int, fast: bool, rounds: int) -> None:
    scenario = Scenario(seed=1, n=n, rounds=rounds, plan=FaultPlan(), fast=fast)

    def run() -> int:
        outcome = simulate(scenario)
        assert outcome.violation is None
        return outcome.rounds

    benchmark.extra_info["rounds_per_s"] = round(_rate(benchmark, run), 1)


def test_short_seeds_per_second(benchmark: BenchmarkFixture) -> None:
    """Four oracles, twenty rounds, faults of the seed, fake signatures: what `make sim` runs."""

    def run() -> int:
        for seed in range(1, _SEEDS + 1):
            assert simulate(Scenario(seed=seed, fast=True)).violation is None
        return _SEEDS

    rate = _rate(benchmark, run)
    benchmark.extra_info |= {
        "seeds_per_s": round(rate, 1),
        "minutes_for_10000_on_two_cores": round(10_000 / rate / 2 / 60, 1),
    }


def _rate(benchmark: BenchmarkFixture, run: Callable[[], int]) -> float:
    # Processor time of the best repeat: what else the machine does must not count.
    rates = []

    def timed() -> None:
        began = time.process_time()
        done = run()
        rates.append(done / (time.process_time() - began))

    benchmark.pedantic(timed, rounds=_REPEATS, iterations=1)
    return max(rates)
