"""The demo committee of four on this machine: round latency, rounds per second, memory of a node."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

_ROUNDS = 20


def _run() -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("ocr-peer")), "demo", "--json", "--rounds", str(_ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def test_demo_committee_of_four(benchmark: BenchmarkFixture) -> None:
    """One run; the pace is set by the configuration (a round every 1.25 s, a block every second)."""
    summary = benchmark.pedantic(_run, rounds=1, iterations=1)
    assert summary["median_mismatches"] == 0
    benchmark.extra_info |= {
        "oracles": summary["oracles"],
        "latency_p50_ms": summary["latency_ms"]["p50"],
        "latency_p99_ms": summary["latency_ms"]["p99"],
        "rounds_per_s": summary["rounds_per_s"],
        "gas_per_answer": summary["gas_per_answer"],
        "rss_mb": summary["rss_mb"],
    }
