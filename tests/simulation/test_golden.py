"""The same trace on every machine: its digest was written on another one."""

from __future__ import annotations

import json
from pathlib import Path

from ocr_peer.simulation.drawing import sequence_svg
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.run import Scenario, simulate
from tests.simulation.golden import FILE, digests

DRAWING = Path(__file__).parents[2] / "docs" / "round.svg"


def test_runs_are_the_same_as_where_their_digests_were_written() -> None:
    # A change of the core changes them; then write them anew: python -m tests.simulation.golden
    assert digests() == json.loads(FILE.read_text(encoding="utf-8"))


def test_the_drawing_in_the_documentation_is_this_codes() -> None:
    outcome = simulate(Scenario(seed=5, rounds=1, plan=FaultPlan()), keep_trace=True)
    assert sequence_svg(outcome) == DRAWING.read_text(encoding="utf-8")
