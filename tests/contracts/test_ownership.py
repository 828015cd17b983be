"""Two-step ownership. Invariants O1 to O3."""

from __future__ import annotations

from .chain import Event
from .feed import OUTSIDER, OWNER, Feed
from .signing import address_of

ZERO = "0x" + "00" * 20
OWNER_ADDRESS = address_of(OWNER)
OUTSIDER_ADDRESS = address_of(OUTSIDER)


def test_deployer_owns_the_contract(feed: Feed) -> None:
    assert feed.contract.read("owner") == OWNER_ADDRESS


def test_ownership_passes_in_two_steps(feed: Feed) -> None:
    contract = feed.contract
    handover = {"from": OWNER_ADDRESS, "to": OUTSIDER_ADDRESS}

    receipt = contract.send(OWNER, "transferOwnership", OUTSIDER_ADDRESS)
    assert contract.events(receipt) == [Event("OwnershipTransferRequested", handover)]
    assert contract.read("owner") == OWNER_ADDRESS
    expected = ("OnlyOwner", (OUTSIDER_ADDRESS, OWNER_ADDRESS))
    assert feed.refuses(feed.config_calldata(), OUTSIDER) == expected

    receipt = contract.send(OUTSIDER, "acceptOwnership")
    assert contract.events(receipt) == [Event("OwnershipTransferred", handover)]
    assert contract.read("owner") == OUTSIDER_ADDRESS
    expected = ("OnlyOwner", (OWNER_ADDRESS, OUTSIDER_ADDRESS))
    assert feed.refuses(feed.config_calldata(), OWNER) == expected
    contract.send(OUTSIDER, "setConfig", *feed.config())


def test_offer_is_used_up_by_accepting(feed: Feed) -> None:
    contract = feed.contract
    contract.send(OWNER, "transferOwnership", OUTSIDER_ADDRESS)
    contract.send(OUTSIDER, "acceptOwnership")
    expected = ("OnlyPendingOwner", (OUTSIDER_ADDRESS, ZERO))
    assert feed.refuses(contract.calldata("acceptOwnership"), OUTSIDER) == expected


def test_only_the_successor_accepts(feed: Feed) -> None:
    accept = feed.contract.calldata("acceptOwnership")
    sender = feed.oracles[0].transmitter
    assert feed.refuses(accept, OUTSIDER) == ("OnlyPendingOwner", (OUTSIDER_ADDRESS, ZERO))
    feed.contract.send(OWNER, "transferOwnership", OUTSIDER_ADDRESS)
    assert feed.refuses(accept, OWNER) == ("OnlyPendingOwner", (OWNER_ADDRESS, OUTSIDER_ADDRESS))
    assert feed.refuses(accept) == ("OnlyPendingOwner", (sender, OUTSIDER_ADDRESS))


def test_offer_can_be_changed_and_withdrawn(feed: Feed) -> None:
    contract = feed.contract
    accept = contract.calldata("acceptOwnership")
    contract.send(OWNER, "transferOwnership", OUTSIDER_ADDRESS)
    contract.send(OWNER, "transferOwnership", feed.oracles[0].transmitter)
    assert feed.refuses(accept, OUTSIDER)[0] == "OnlyPendingOwner"
    contract.send(OWNER, "transferOwnership", ZERO)
    assert feed.refuses(accept)[0] == "OnlyPendingOwner"
    assert contract.read("owner") == OWNER_ADDRESS


def test_only_the_owner_offers(feed: Feed) -> None:
    offer = feed.contract.calldata("transferOwnership", OUTSIDER_ADDRESS)
    assert feed.refuses(offer, OUTSIDER) == ("OnlyOwner", (OUTSIDER_ADDRESS, OWNER_ADDRESS))


def test_owner_is_no_successor_of_itself(feed: Feed) -> None:
    offer = feed.contract.calldata("transferOwnership", OWNER_ADDRESS)
    assert feed.refuses(offer, OWNER) == ("TransferToSelf", (OWNER_ADDRESS,))
