"""The request for a new round. Invariants R1 to R3."""

from __future__ import annotations

from .chain import Event
from .feed import OUTSIDER, OWNER, Deploy, Feed
from .signing import address_of

ZERO = "0x" + "00" * 20
REQUEST = "requestNewRound"


def test_owner_and_requester_request(feed: Feed) -> None:
    contract = feed.contract
    feed.transmit(feed.signed(6, 2))
    contract.send(OWNER, "setRequester", address_of(OUTSIDER))
    before = feed.state()
    for key in (OWNER, OUTSIDER):
        assert contract.read(REQUEST, sender=address_of(key)) == 2
        receipt = contract.send(key, REQUEST)
        fields = {"requester": address_of(key), "configDigest": feed.digest, "epoch": 6, "round": 2}
        assert contract.events(receipt) == [Event("RoundRequested", fields)]
    assert feed.state() == before


def test_nobody_else_requests(feed: Feed) -> None:
    owner, outsider, sender = address_of(OWNER), address_of(OUTSIDER), feed.oracles[0].transmitter
    request = feed.contract.calldata(REQUEST)
    assert feed.refuses(request, OUTSIDER) == ("OnlyOwnerOrRequester", (outsider, owner, ZERO))
    assert feed.refuses(request) == ("OnlyOwnerOrRequester", (sender, owner, ZERO))
    feed.contract.send(OWNER, "setRequester", outsider)
    assert feed.refuses(request) == ("OnlyOwnerOrRequester", (sender, owner, outsider))
    feed.contract.send(OWNER, "setRequester", ZERO)
    assert feed.refuses(request, OUTSIDER) == ("OnlyOwnerOrRequester", (outsider, owner, ZERO))


def test_request_before_anything_happened(deploy: Deploy) -> None:
    contract = deploy(configured=False).contract
    owner = address_of(OWNER)
    assert contract.read(REQUEST, sender=owner) == 1
    fields = {"requester": owner, "configDigest": bytes(32), "epoch": 0, "round": 0}
    assert contract.events(contract.send(OWNER, REQUEST)) == [Event("RoundRequested", fields)]


def test_request_after_a_configuration_names_the_new_one(feed: Feed) -> None:
    feed.transmit(feed.signed(6, 2))
    feed.configure()
    fields = {"requester": address_of(OWNER), "configDigest": feed.digest, "epoch": 0, "round": 0}
    assert feed.contract.events(feed.contract.send(OWNER, REQUEST)) == [Event("RoundRequested", fields)]


def test_only_the_owner_appoints_the_requester(feed: Feed) -> None:
    contract = feed.contract
    outsider = address_of(OUTSIDER)
    appoint = contract.calldata("setRequester", outsider)
    assert feed.refuses(appoint, OUTSIDER) == ("OnlyOwner", (outsider, address_of(OWNER)))
    assert contract.read("requester") == ZERO

    changed = [Event("RequesterSet", {"old": ZERO, "current": outsider})]
    assert contract.events(contract.send_raw(OWNER, appoint)) == changed
    assert contract.read("requester") == outsider
    assert contract.events(contract.send_raw(OWNER, appoint)) == []
    assert feed.refuses(appoint, OUTSIDER) == ("OnlyOwner", (outsider, address_of(OWNER)))
