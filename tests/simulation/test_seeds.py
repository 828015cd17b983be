"""Short seeds with faults, a stable digest, and the same verdicts with fake signatures."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import ocr_peer.simulation
from ocr_peer.protocol.config import ReportFormat
from ocr_peer.simulation.faults import Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.run import Outcome, Scenario, simulate

NO_FAULTS = FaultPlan()


def fails(outcome: Outcome) -> str:
    return f"seed {outcome.scenario.seed}: {outcome.violation}"


@pytest.mark.parametrize("hundred", range(5))
def test_a_hundred_short_seeds_of_four(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        outcome = simulate(Scenario(seed=seed, fast=True))
        assert outcome.violation is None, fails(outcome)


@pytest.mark.parametrize("n", [5, 7, 10, 16, 31])
def test_seeds_of_larger_committees(n: int) -> None:
    for seed in range(max(1, 40 // n)):
        outcome = simulate(Scenario(seed=seed, n=n, rounds=8, fast=True))
        assert outcome.violation is None, fails(outcome)


def test_a_leader_that_dies_with_its_own_signature_in_a_final_report_has_signed() -> None:
    # Its own report completed the quorum, and the final report still reached one oracle.
    outcome = simulate(Scenario(seed=7683, fast=True))
    assert outcome.violation is None, fails(outcome)
    assert outcome.crashes > 0


def test_seeds_with_real_signatures() -> None:
    for seed in range(20):
        outcome = simulate(Scenario(seed=seed))
        assert outcome.violation is None, fails(outcome)


def test_seeds_with_unique_reports() -> None:
    for seed in range(40):
        outcome = simulate(Scenario(seed=seed, n=7, rounds=8, fast=True, unique=True))
        assert outcome.violation is None, fails(outcome)


def test_seeds_with_packed_reports() -> None:
    counted: set[str] = set()
    accepted = evidence = 0
    for seed in range(120):
        scenario = Scenario(seed=seed, rounds=12, fast=True, report_format=ReportFormat.PACKED)
        outcome = simulate(scenario)
        assert outcome.violation is None, fails(outcome)
        accepted += outcome.accepted
        evidence += outcome.evidence
        counted |= {reason.partition(": ")[2] for reason in outcome.peer_faults}
    assert accepted > 1000
    assert evidence > 0
    assert "final report refused: an extra hash that nobody signed" in counted


def test_packed_seeds_of_a_larger_committee_with_unique_reports_and_real_signatures() -> None:
    packed = Scenario(seed=0, n=7, rounds=8, report_format=ReportFormat.PACKED)
    for seed in range(20):
        outcome = simulate(replace(packed, seed=seed, fast=True, unique=seed % 2 == 0))
        assert outcome.violation is None, fails(outcome)
    for seed in range(6):
        outcome = simulate(replace(packed, seed=seed))
        assert outcome.violation is None, fails(outcome)


def test_seeds_draw_every_fault_and_every_behaviour() -> None:
    plans = [Scenario(seed=seed).fault_plan() for seed in range(1000)]
    assert {fault.what for plan in plans for fault in plan.faults} == set(FaultKind)
    assert {behaviour for plan in plans for behaviour in plan.byzantine().values()} == set(Behaviour)


def test_seeds_reach_what_can_go_wrong() -> None:
    crashes = evidence = 0
    refused: set[str] = set()
    counted: set[str] = set()
    for seed in range(200):
        outcome = simulate(Scenario(seed=seed, fast=True, rounds=8, replay=False))
        crashes += outcome.crashes
        evidence += outcome.evidence
        refused |= outcome.refused.keys()
        counted |= {reason.partition(": ")[2] for reason in outcome.peer_faults}
    assert crashes > 40
    assert evidence > 0
    assert {"stale", "other configuration"} <= refused
    assert {"report request refused: invalid_signature", "report with an invalid signature"} <= counted


def test_the_same_seed_makes_the_same_trace_in_any_process() -> None:
    code = (
        "from ocr_peer.simulation.run import Scenario, simulate\n"
        "print(simulate(Scenario(seed=5, n=7, rounds=10)).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("0", "1", "31337")
    }
    assert digests == {simulate(Scenario(seed=5, n=7, rounds=10)).digest}


def test_another_seed_makes_another_trace() -> None:
    assert len({simulate(Scenario(seed=seed, rounds=3, fast=True)).digest for seed in range(20)}) == 20


def test_fake_signatures_lead_to_the_same_verdicts() -> None:
    for seed in range(12):
        report_format = ReportFormat.PACKED if seed % 3 == 2 else ReportFormat.OCR2
        scenario = Scenario(seed=seed, rounds=10, report_format=report_format)
        real = simulate(scenario, keep_trace=True)
        fast = simulate(replace(scenario, fast=True), keep_trace=True)
        assert len(real.entries) == len(fast.entries), seed
        for one, other in zip(real.entries, fast.entries, strict=True):
            assert one._replace(text="") == other._replace(text=""), seed
            assert one.text.partition("#")[0] == other.text.partition("#")[0], seed
        summary = replace(real, entries=[], digest="", scenario=fast.scenario)
        assert summary == replace(fast, entries=[], digest="", scenario=fast.scenario)


def test_kept_traces_have_the_same_digest() -> None:
    kept = simulate(Scenario(seed=9, fast=True), keep_trace=True)
    assert kept.digest == simulate(Scenario(seed=9, fast=True)).digest
    assert len(kept.entries) == kept.trace_length


def test_taking_a_fault_away_leaves_the_rest_as_it_was() -> None:
    far = Fault(FaultKind.REQUEST_ROUND, start=Scenario(seed=1).timing.delta_c, stop=10_000_000_000)  # type: ignore[arg-type]
    with_it = simulate(Scenario(seed=1, fast=True, plan=FaultPlan((far,))), keep_trace=True)
    without = simulate(Scenario(seed=1, fast=True, plan=NO_FAULTS), keep_trace=True)
    assert with_it.entries[:200] == without.entries[:200]


def test_the_package_knows_no_clock_and_does_no_io() -> None:
    forbidden = {
        "asyncio", "logging", "os", "pathlib", "secrets", "socket", "sqlite3", "structlog", "subprocess",
        "threading", "time", "trio",
    }  # fmt: skip
    for path in Path(ocr_peer.simulation.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert not names & forbidden, path.name
