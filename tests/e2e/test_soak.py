"""A short soak: real nodes on anvil, while nodes, endpoints and the chain itself are disturbed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_fifty_answers_through_kills_reorganisations_and_lost_transactions() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--rounds", "50", "--seed", "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.stdout, done.stderr[-4000:]
    verdict = json.loads(done.stdout)
    assert verdict["problems"] == []
    assert done.returncode == 0
    assert verdict["answers"] >= 40, "a reorganisation may take a few away"
    disturbances = verdict["disturbances"]
    assert disturbances["nodes killed"] >= 2
    assert disturbances["endpoints killed"] >= 5
    assert disturbances["reorganisations"] >= 1
