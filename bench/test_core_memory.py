"""Memory of one oracle after many rounds: its own objects, counted one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.simulation.lean_committee import LeanCommittee

_FEW, _WARM, _MANY = 1_000, 2_000, 100_000


@pytest.mark.timeout(1200)
def test_memory_of_an_oracle(benchmark: BenchmarkFixture) -> None:
    """Four oracles with fake signatures; the test that compares is `tests/simulation/test_memory.py`."""
    committee = LeanCommittee()
    facts: dict[str, float] = {}

    def run() -> None:
        for rounds in (_FEW, _WARM, _MANY):
            committee.run(rounds)
            facts[f"kib_after_{rounds}"] = round(committee.size() / 1024, 1)
            facts[f"process_mib_after_{rounds}"] = round(_resident() / 2**20, 1)

    benchmark.pedantic(run, rounds=1, iterations=1)
    benchmark.extra_info |= facts


def _resident() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
