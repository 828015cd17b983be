"""An oracle's memory does not grow with the rounds behind it. `bench/test_core_memory.py` goes on to 10⁵."""

from __future__ import annotations

from tests.simulation.lean_committee import LeanCommittee


def peak(committee: LeanCommittee, rounds: int) -> int:
    """The largest that oracle 0 gets in the thirty rounds, some epochs, up to this one."""
    sizes = []
    for reached in range(rounds - 29, rounds + 1):
        committee.run(reached)
        sizes.append(committee.size())
    return max(sizes)


def test_memory_of_an_oracle_is_flat() -> None:
    committee = LeanCommittee()
    # By then the window of final rounds is full, and its set has grown to its last size.
    early = peak(committee, 2_000)
    assert 10_000 < early < 500_000
    assert peak(committee, 10_000) <= early + 1_024


def test_an_oracle_that_forgets_nothing_is_noticed() -> None:
    committee = LeanCommittee()
    committee.oracles[0]._finalizer.window = 1_000_000
    early = peak(committee, 2_000)
    assert peak(committee, 4_000) > early + 50_000
