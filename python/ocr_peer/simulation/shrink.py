"""From a failing run to the smallest plan that fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ocr_peer.protocol.config import Duration
from ocr_peer.simulation.faults import FOREVER, FaultPlan
from ocr_peer.simulation.run import Outcome, Scenario, simulate

__all__ = ["shrink"]

_MOST_ATTEMPTS = 200


def shrink(failed: Outcome, *, on_attempt: Callable[[], None] = lambda: None) -> Outcome:
    """Take away faults, oracles and time while the same invariant still breaks; the trace is kept.

    Greedy and deterministic: the same failing seed shrinks to the same plan everywhere.
    """
    if failed.violation is None:
        return failed
    invariant = failed.violation.invariant
    scenario = replace(failed.scenario, plan=failed.plan)
    best = simulate(scenario, keep_trace=True)
    attempts = 0
    improved = True
    while improved and attempts < _MOST_ATTEMPTS:
        improved = False
        for candidate in _smaller(best.scenario):
            attempts += 1
            on_attempt()
            outcome = simulate(candidate, keep_trace=True)
            if outcome.violation is not None and outcome.violation.invariant == invariant:
                best, improved = outcome, True
                break
            if attempts >= _MOST_ATTEMPTS:
                break
    return best


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    plan = scenario.fault_plan()
    if scenario.rounds > 1:
        yield replace(scenario, rounds=scenario.rounds // 2)
    for index in range(len(plan.faults)):
        yield replace(scenario, plan=plan.without(index))
    for index, fault in enumerate(plan.faults):
        if len(fault.who) > 1:
            for oracle in fault.who:
                fewer = tuple(other for other in fault.who if other != oracle)
                yield _with(scenario, plan, index, who=fewer)
        length = fault.stop - fault.start
        if fault.stop < FOREVER and length > 1_000_000:
            yield _with(scenario, plan, index, stop=Duration(fault.start + length // 2))
        if fault.probability < 1:
            yield _with(scenario, plan, index, probability=1.0)


def _with(scenario: Scenario, plan: FaultPlan, index: int, **changes: object) -> Scenario:
    return replace(scenario, plan=plan.with_replaced(index, **changes))
