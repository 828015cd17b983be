"""From a failing run to the smallest one that fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ocr_peer.protocol.config import MILLISECOND, Duration
from ocr_peer.simulation.faults import FOREVER, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.run import Outcome, Scenario, simulate

__all__ = ["shrink"]

_MOST_ATTEMPTS = 300
_SHORTEST = MILLISECOND
"""Windows are not narrowed below this."""

_Size = tuple[int, int, int, int, int]


def shrink(failed: Outcome, *, on_attempt: Callable[[], None] = lambda: None) -> Outcome:
    """Take away faults, oracles, time and rounds while the same invariant still breaks; the trace is kept.

    Greedy, at most 300 runs, and deterministic: the same failing seed shrinks to the same plan everywhere.
    Each step makes the failure smaller in this order: faults, oracles that they concern, kinds of messages
    and chances in them, what the trace holds, how long faults last.
    """
    if failed.violation is None:
        return failed
    invariant = failed.violation.invariant
    best = simulate(replace(failed.scenario, plan=failed.plan), keep_trace=True)
    attempts = 0
    for candidates in (_without_faults, _of_fewer_oracles, _with_plainer_faults, _shorter, _without_faults):
        improved = True
        while improved:
            improved = False
            for candidate in candidates(best):
                if attempts >= _MOST_ATTEMPTS:
                    return best
                attempts += 1
                on_attempt()
                outcome = simulate(candidate, keep_trace=True)
                broken = outcome.violation
                if broken is not None and broken.invariant == invariant and _size(outcome) < _size(best):
                    best, improved = outcome, True
                    break
    return best


def _size(outcome: Outcome) -> _Size:
    faults = outcome.plan.faults
    return (
        len(faults),
        sum(len(fault.who) + len(fault.to) for fault in faults),
        sum(len(fault.messages) + (fault.probability < 1) for fault in faults),
        outcome.trace_length,
        sum(_lasts(fault) for fault in faults) + outcome.scenario.rounds,
    )


def _lasts(fault: Fault) -> int:
    return min(fault.stop, FOREVER) - fault.start


def _without_faults(best: Outcome) -> Iterator[Scenario]:
    # Halves first: most of what a seed draws has nothing to do with the failure.
    faults = best.plan.faults
    length = len(faults) // 2
    while length >= 1:
        for start in range(0, len(faults), length):
            yield replace(best.scenario, plan=FaultPlan(faults[:start] + faults[start + length :]))
        length //= 2
    if len(faults) == 1:
        yield replace(best.scenario, plan=FaultPlan())


def _of_fewer_oracles(best: Outcome) -> Iterator[Scenario]:
    for index, fault in enumerate(best.plan.faults):
        for side in ("who", "to"):
            oracles: tuple[int, ...] = getattr(fault, side)
            # Nobody in particular would mean everybody.
            for oracle in oracles if len(oracles) > 1 else ():
                fewer = tuple(other for other in oracles if other != oracle)
                yield _with(best, index, **{side: fewer})


def _with_plainer_faults(best: Outcome) -> Iterator[Scenario]:
    for index, fault in enumerate(best.plan.faults):
        if fault.probability < 1:
            yield _with(best, index, probability=1.0)
        for kind in fault.messages if len(fault.messages) > 1 else ():
            yield _with(best, index, messages=tuple(other for other in fault.messages if other != kind))


def _shorter(best: Outcome) -> Iterator[Scenario]:
    rounds = best.scenario.rounds
    for fewer in (1, rounds // 2, rounds - 1):
        if 1 <= fewer < rounds:
            yield replace(best.scenario, rounds=fewer)
    end = int(best.seconds * 1e9)
    for index, fault in enumerate(best.plan.faults):
        # What ends a crash is a restart, and a rollback happens at its end: those stay as they are.
        if fault.what in (FaultKind.BYZANTINE, FaultKind.CRASH, FaultKind.ROLLBACK, FaultKind.RECONFIGURE):
            continue
        if fault.stop > end > fault.start:
            yield _with(best, index, stop=Duration(end))
            continue
        for part in (2, 4):
            cut = (fault.stop - fault.start) // part
            if cut > _SHORTEST:
                yield _with(best, index, stop=Duration(fault.stop - cut))
                yield _with(best, index, start=Duration(fault.start + cut))


def _with(best: Outcome, index: int, **changes: object) -> Scenario:
    return replace(best.scenario, plan=best.plan.with_replaced(index, **changes))
