"""Every behaviour of Byzantine oracles, alone and all together: nothing breaks, and all can be written down."""

from __future__ import annotations

import pytest

from ocr_peer.simulation.fault_file import read_fault_file
from ocr_peer.simulation.faults import Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.run import Scenario, simulate


def byzantine(behaviour: Behaviour, *who: int) -> Fault:
    return Fault(FaultKind.BYZANTINE, who, behaviour=behaviour)


@pytest.mark.parametrize("behaviour", Behaviour)
def test_f_oracles_of_one_behaviour(behaviour: Behaviour) -> None:
    for n, liars in ((4, (1,)), (7, (0, 1))):
        plan = FaultPlan((byzantine(behaviour, *liars),))
        for seed in range(2):
            outcome = simulate(Scenario(seed=seed, n=n, rounds=10, plan=plan, fast=True))
            assert outcome.violation is None, f"seed {seed}: {outcome.violation}"


@pytest.mark.parametrize("part", range(4))
def test_ten_behaviours_together_in_a_large_committee(part: int) -> None:
    some = list(Behaviour)[8 * part : 8 * part + 10]
    plan = FaultPlan(tuple(byzantine(behaviour, index) for index, behaviour in enumerate(some)))
    outcome = simulate(Scenario(seed=part, n=31, rounds=4, plan=plan, fast=True))
    assert outcome.violation is None, str(outcome.violation)


@pytest.mark.parametrize("behaviour", Behaviour)
def test_real_signatures_lead_to_the_same_verdicts(behaviour: Behaviour) -> None:
    plan = FaultPlan((byzantine(behaviour, 2),))
    real, fast = (
        simulate(Scenario(seed=4, rounds=6, plan=plan, fast=keyed), keep_trace=True)
        for keyed in (False, True)
    )
    assert real.violation is None
    assert [(e.elapsed, e.oracle, e.verb, e.peer) for e in real.entries] == [
        (e.elapsed, e.oracle, e.verb, e.peer) for e in fast.entries
    ]
    assert (real.peer_faults, real.evidence, real.sent) == (fast.peer_faults, fast.evidence, fast.sent)


@pytest.mark.parametrize("behaviour", Behaviour)
def test_a_behaviour_in_a_fault_file(behaviour: Behaviour) -> None:
    text = f'[[fault]]\nwhat = "byzantine"\nbehaviour = "{behaviour}"\nwho = [1]'
    assert read_fault_file(text).byzantine() == {1: behaviour}


def test_new_keys_of_a_fault_file() -> None:
    plan = read_fault_file(
        '[[fault]]\nwhat = "drift"\nppm = -500\nwho = [1]\nuntil = 5\n'
        '[[fault]]\nwhat = "crash"\nmessages = ["Transmit", "Final"]\nto = [2]\ncount = 1\nwho = [0]\n'
        '[[fault]]\nwhat = "byzantine"\nbehaviour = "withhold"\nseconds = 7200\nwho = [3]\n'
    )
    drift, crash, withhold = plan.faults
    assert (drift.what, drift.amount) == (FaultKind.DRIFT, -500)
    assert (crash.messages, crash.to, crash.amount) == (("Transmit", "Final"), (2,), 1)
    assert withhold.amount == 7200 * 10**9
