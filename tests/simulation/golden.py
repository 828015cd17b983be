"""Writes the digests of a few runs, to be compared on every machine: `python -m tests.simulation.golden`."""

from __future__ import annotations

import json
from pathlib import Path

from ocr_peer.protocol.config import ReportFormat
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.run import Scenario, simulate

FILE = Path(__file__).with_name("golden.json")

SCENARIOS = {
    "four, fair weather": Scenario(seed=1, rounds=10, plan=FaultPlan()),
    "four, faults": Scenario(seed=2, rounds=10),
    "seven, faults": Scenario(seed=3, n=7, rounds=10),
    "seven, faults, unique reports": Scenario(seed=4, n=7, rounds=10, unique=True),
    "seven, faults, packed reports": Scenario(seed=8, n=7, rounds=10, report_format=ReportFormat.PACKED),
    "four, faults, fast": Scenario(seed=5, rounds=40, fast=True),
    "sixteen, faults, fast": Scenario(seed=6, n=16, rounds=5, fast=True),
    "thirty-one, fair weather": Scenario(seed=7, n=31, rounds=2, plan=FaultPlan()),
}
"""Small, and between them through every part of the core."""


def digests() -> dict[str, str]:
    """The digest of every run, by name."""
    return {name: simulate(scenario).digest for name, scenario in SCENARIOS.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
