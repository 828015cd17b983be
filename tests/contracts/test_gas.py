"""What a report costs, to the unit: keys, values and times are fixed, so a change of the contract shows here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .chain import NOW, Chain
from .feed import Feed

SNAPSHOT = Path(__file__).with_name("gas_snapshot.json")

# A deployed aggregator without billing, all n oracles observing, values of five bytes, measured on the same EVM rules.
DEPLOYED = {4: 92_231, 10: 110_630, 16: 128_996, 31: 174_963}

ROUNDS = 5


@pytest.mark.parametrize("n", sorted(DEPLOYED))
def test_cost_of_a_report(fresh_chain: Chain, n: int) -> None:
    feed = Feed.deploy(fresh_chain, n, configured=False, max_age=3600)
    configuring = feed.configure().gas_used
    used = [
        feed.transmit(feed.signed(1, round_, observed_at=NOW)).gas_used for round_ in range(1, ROUNDS + 1)
    ][-1]
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8")).get(str(n))
    measured = {"setConfig": configuring, "transmit": used}
    assert measured == expected, f"if this is meant, write it to {SNAPSHOT.name}"
    assert used < DEPLOYED[n]
