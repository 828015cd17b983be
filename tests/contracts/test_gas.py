"""What a report costs, to the unit: keys, values and times are fixed, so a change of the contracts shows here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .gas import NAMES, OPENING, README, SIZES, SNAPSHOT, measured, table

# A deployed aggregator without billing, all n oracles observing, values of five bytes, measured on the same EVM rules.
DEPLOYED = {4: 92_231, 10: 110_630, 16: 128_996, 31: 174_963}

# The most that a report may cost.
BUDGETS = {"A": {4: 78_000, 16: 102_000, 31: 132_000}, "B": {4: 70_500, 16: 90_000, 31: 114_000}}


@pytest.fixture(scope="module")
def snapshot() -> dict[str, Any]:
    return json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_costs_are_those_written_down(snapshot: dict[str, Any]) -> None:
    assert measured() == snapshot, "if this is meant, write it down: make gas"


def test_costs_are_within_their_budgets(snapshot: dict[str, Any]) -> None:
    for name, budget in BUDGETS.items():
        for n, most in budget.items():
            assert snapshot[name][str(n)] <= most
    for n, deployed in DEPLOYED.items():
        costs = [snapshot[name][str(n)] for name in reversed(NAMES)]
        assert sorted(costs) == costs, "B is the cheaper one"
        assert costs[-1] < deployed < snapshot["one_tx_per_oracle"][str(n)]


def test_one_report_stands_sooner_than_many_transactions(snapshot: dict[str, Any]) -> None:
    times = snapshot["until_answer"]
    for n in map(str, SIZES):
        assert times["A"][n] == times["B"][n] == {"blocks": 1, "seconds": 12}
    blocks = [times["one_tx_per_oracle"][str(n)]["blocks"] for n in SIZES]
    assert blocks == sorted(blocks)
    assert blocks[-1] > 1


def test_table_for_people_is_up_to_date(snapshot: dict[str, Any]) -> None:
    assert OPENING + table(snapshot) in README.read_text(encoding="utf-8"), "write it anew: make gas"
