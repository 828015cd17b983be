"""How old a report may be, and the heartbeat that consumers read. Invariants F1 to F4."""

from __future__ import annotations

import pytest

from .chain import Chain, Event
from .feed import OUTSIDER, OWNER, Deploy, Feed
from .signing import address_of

MAX_AGE = 120


# -------------------------------------------------------------------------------------------------- F1


@pytest.mark.parametrize("ahead", [-MAX_AGE, 1 - MAX_AGE, 0, 1000], ids="observed at block time {:+}".format)
def test_report_of_the_last_seconds_is_accepted(chain: Chain, deploy: Deploy, ahead: int) -> None:
    """Also one from the future: clocks of f+1 oracles go ahead of the chain's now and then."""
    feed = deploy(max_age=MAX_AGE)
    observed_at = chain.next_timestamp + ahead
    receipt = feed.transmit(feed.signed(observed_at=observed_at))
    assert chain.timestamp(receipt.block_number) == observed_at - ahead
    assert feed.contract.read("latestRoundData")[2] == observed_at


def test_withheld_report_is_worthless(chain: Chain, deploy: Deploy) -> None:
    feed = deploy(max_age=MAX_AGE)
    for observed_at in (0, chain.next_timestamp - 1 - MAX_AGE - 1):
        expected = ("ReportTooOld", (observed_at, chain.next_timestamp - 1 - MAX_AGE))
        assert feed.refuses(feed.signed(observed_at=observed_at)) == expected
    # Nothing was burnt: the same round with fresh observations.
    feed.transmit(feed.signed(observed_at=chain.next_timestamp))


def test_report_ages_while_it_waits(chain: Chain, deploy: Deploy) -> None:
    feed = deploy(max_age=MAX_AGE)
    observed_at = chain.next_timestamp
    withheld = feed.signed(1, 1, observed_at=observed_at)
    chain.call(feed.contract.address, withheld.calldata, feed.oracles[0].transmitter)
    chain.mine(observed_at + MAX_AGE)
    receipt = chain.send(feed.transmitter, feed.contract.address, withheld.calldata)
    assert not receipt.success, "a second too late"
    assert feed.refuses(withheld)[0] == "ReportTooOld"


# -------------------------------------------------------------------------------------------------- F2


def test_without_a_limit_any_age_will_do(feed: Feed) -> None:
    assert feed.contract.read("maxAge") == 0
    feed.transmit(feed.signed(observed_at=0))
    assert feed.contract.read("latestRoundData")[:3:2] == (1, 0)


# -------------------------------------------------------------------------------------------------- F3


@pytest.mark.parametrize(
    ("setter", "reader", "event", "most"),
    [
        ("setMaxAge", "maxAge", "MaxAgeSet", 2**24 - 1),
        ("setHeartbeat", "heartbeat", "HeartbeatSet", 2**32 - 1),
    ],
)
def test_owner_changes_it_and_everybody_hears(
    feed: Feed, setter: str, reader: str, event: str, most: int
) -> None:
    contract = feed.contract
    feed.transmit(feed.signed(5, 1))
    before = feed.state()
    for old, current in ((0, 1), (1, most), (most, 0)):
        receipt = contract.send(OWNER, setter, current)
        assert contract.events(receipt) == [Event(event, {"old": old, "current": current})]
        assert feed.state() == before | {reader: current}
        assert contract.events(contract.send(OWNER, setter, current)) == []
    for key in (OUTSIDER, feed.transmitter):
        expected = ("OnlyOwner", (address_of(key), address_of(OWNER)))
        assert feed.refuses(contract.calldata(setter, 1), key) == expected


def test_limit_holds_from_its_change_on(feed: Feed) -> None:
    """And survives reports and configurations."""
    old = feed.signed(1, 1)
    feed.contract.send(OWNER, "setMaxAge", MAX_AGE)
    assert feed.refuses(old)[0] == "ReportTooOld"
    feed.transmit(feed.signed(1, 2, observed_at=feed.chain.next_timestamp))
    feed.configure()
    assert feed.contract.read("maxAge") == MAX_AGE
    assert feed.refuses(feed.signed(1, 3))[0] == "ReportTooOld"
    feed.contract.send(OWNER, "setMaxAge", 0)
    feed.transmit(feed.signed(1, 3))


# -------------------------------------------------------------------------------------------------- F4


def test_feed_is_born_with_both(deploy: Deploy) -> None:
    contract = deploy(max_age=2**24 - 1, heartbeat=3600).contract
    assert (contract.read("maxAge"), contract.read("heartbeat")) == (2**24 - 1, 3600)
