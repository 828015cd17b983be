"""What setConfig accepts and what it changes. Invariants C1 to C9."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from .chain import NOW, Chain, Contract, Event, unhexed
from .feed import (
    DECIMALS,
    DESCRIPTION,
    MAX_ANSWER,
    MIN_ANSWER,
    OFFCHAIN,
    OFFCHAIN_VERSION,
    OUTSIDER,
    OWNER,
    Deploy,
    Feed,
)
from .signing import Oracle, address_of, committee, config_digest, onchain_config

ZERO = "0x" + "00" * 20


# -------------------------------------------------------------------------------------------------- C1


def test_only_the_owner_configures(feed: Feed) -> None:
    for key in (OUTSIDER, feed.transmitter, committee(1)[0].signing_key):
        expected = ("OnlyOwner", (address_of(key), address_of(OWNER)))
        assert feed.refuses(feed.config_calldata(), key) == expected


# -------------------------------------------------------------------------------------------------- C2


@pytest.mark.parametrize(("n", "f"), [(4, 1), (5, 1), (6, 1), (7, 1), (7, 2), (31, 1), (31, 10)])
def test_committees_that_tolerate_f_are_accepted(deploy: Deploy, n: int, f: int) -> None:
    feed = deploy(n, f)
    assert feed.contract.read("latestConfigDetails")[0] == 1
    feed.transmit(feed.signed())


@pytest.mark.parametrize("n", [32, 40])
def test_too_many_oracles_are_refused(feed: Feed, n: int) -> None:
    oracles = committee(n)
    data = feed.config_calldata(
        signers=[oracle.signer for oracle in oracles],
        transmitters=[oracle.transmitter for oracle in oracles],
    )
    assert feed.refuses(data, OWNER) == ("TooManyOracles", (n, 31))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_committee_too_small_for_f_is_refused(feed: Feed, n: int) -> None:
    data = feed.config_calldata(signers=feed.signers[:n], transmitters=feed.transmitters[:n])
    assert feed.refuses(data, OWNER) == ("FaultToleranceTooHigh", (1, n))


@pytest.mark.parametrize("f", [2, 85, 86, 255])
def test_f_too_high_for_the_committee_is_refused(feed: Feed, f: int) -> None:
    """86 is the smallest f whose threefold does not fit into its own type."""
    assert feed.refuses(feed.config_calldata(f=f), OWNER) == ("FaultToleranceTooHigh", (f, 4))


def test_f_of_zero_is_refused(feed: Feed) -> None:
    assert feed.refuses(feed.config_calldata(f=0), OWNER) == ("FaultToleranceZero", ())


def test_empty_committee_is_refused(feed: Feed) -> None:
    data = feed.config_calldata(signers=[], transmitters=[], f=0)
    assert feed.refuses(data, OWNER) == ("FaultToleranceTooHigh", (0, 0))


@pytest.mark.parametrize(("signers", "transmitters"), [(4, 3), (3, 4), (4, 0)])
def test_lists_of_different_length_are_refused(feed: Feed, signers: int, transmitters: int) -> None:
    data = feed.config_calldata(signers=feed.signers[:signers], transmitters=feed.transmitters[:transmitters])
    assert feed.refuses(data, OWNER) == ("OracleListsDiffer", (signers, transmitters))


# -------------------------------------------------------------------------------------------------- C3


@pytest.mark.parametrize("index", [0, 2, 3])
def test_zero_addresses_are_refused(feed: Feed, index: int) -> None:
    signers, transmitters = feed.signers, feed.transmitters
    signers[index] = transmitters[index] = ZERO
    assert feed.refuses(feed.config_calldata(signers=signers), OWNER) == ("ZeroSigner", (index,))
    assert feed.refuses(feed.config_calldata(transmitters=transmitters), OWNER) == (
        "ZeroTransmitter",
        (index,),
    )


# -------------------------------------------------------------------------------------------------- C4


@pytest.mark.parametrize(("first", "again"), [(0, 1), (0, 3), (1, 2)])
def test_repeated_addresses_are_refused(feed: Feed, first: int, again: int) -> None:
    signers, transmitters = feed.signers, feed.transmitters
    signers[again], transmitters[again] = signers[first], transmitters[first]
    expected = ("RepeatedSigner", (signers[first], first, again))
    assert feed.refuses(feed.config_calldata(signers=signers), OWNER) == expected
    expected = ("RepeatedTransmitter", (transmitters[first], first, again))
    assert feed.refuses(feed.config_calldata(transmitters=transmitters), OWNER) == expected


def test_one_key_may_sign_and_send(deploy: Deploy) -> None:
    oracles = [Oracle(o.transmitting_key, o.transmitting_key) for o in committee(4)]
    feed = deploy(oracles=oracles)
    feed.transmit(feed.signed())


# -------------------------------------------------------------------------------------------------- C5


OTHER_ONCHAIN_CONFIGS = {
    "empty": b"",
    "short": onchain_config(MIN_ANSWER, MAX_ANSWER)[:-1],
    "long": onchain_config(MIN_ANSWER, MAX_ANSWER) + b"\0",
    "version": b"\2" + onchain_config(MIN_ANSWER, MAX_ANSWER)[1:],
    "min": onchain_config(MIN_ANSWER - 1, MAX_ANSWER),
    "max": onchain_config(MIN_ANSWER, MAX_ANSWER - 1),
}


@pytest.mark.parametrize("given", OTHER_ONCHAIN_CONFIGS.values(), ids=OTHER_ONCHAIN_CONFIGS)
def test_other_onchain_config_is_refused(feed: Feed, given: bytes) -> None:
    expected = onchain_config(MIN_ANSWER, MAX_ANSWER)
    assert feed.refuses(feed.config_calldata(onchain=given), OWNER) == (
        "InvalidOnchainConfig",
        (given, expected),
    )


# -------------------------------------------------------------------------------------------------- C6


@pytest.mark.parametrize("n", [4, 5, 16, 31])
def test_digest_is_the_independently_computed_one(chain: Chain, deploy: Deploy, n: int) -> None:
    feed = deploy(n)
    for count in (1, 2, 3):
        expected = config_digest(
            chain.chain_id,
            feed.contract.address,
            count,
            feed.signers,
            feed.transmitters,
            feed.f,
            onchain_config(MIN_ANSWER, MAX_ANSWER),
            OFFCHAIN_VERSION,
            OFFCHAIN,
        )
        assert expected[:2] == b"\0\1"
        assert feed.contract.read("latestConfigDetails")[2] == expected
        assert feed.contract.read("latestConfigDigestAndEpoch") == (False, expected, 0)
        feed.configure()


@pytest.mark.parametrize("offchain", [b"", b"x", bytes(31), bytes(32), bytes(33), bytes(range(256)) * 20])
@pytest.mark.parametrize("version", [0, 2, 2**64 - 1])
def test_digest_binds_every_argument(feed: Feed, offchain: bytes, version: int) -> None:
    arguments = feed.config(offchain=offchain, version=version)
    feed.contract.send(OWNER, "setConfig", *arguments)
    expected = config_digest(feed.chain.chain_id, feed.contract.address, 2, *arguments)
    assert feed.contract.read("latestConfigDetails")[2] == expected


# -------------------------------------------------------------------------------------------------- C7


def test_configuration_is_announced(deploy: Deploy) -> None:
    feed = deploy(configured=False)
    contract = feed.contract
    assert contract.read("latestConfigDetails") == (0, 0, bytes(32))
    assert contract.read("getTransmitters") == ()
    previous = 0
    for count, oracles in enumerate([committee(4), committee(7, "other"), committee(5)], start=1):
        receipt = feed.configure(oracles, f=1)
        assert contract.events(receipt) == [
            Event(
                "ConfigSet",
                {
                    "previousConfigBlockNumber": previous,
                    "configDigest": feed.digest,
                    "configCount": count,
                    "signers": tuple(feed.signers),
                    "transmitters": tuple(feed.transmitters),
                    "f": 1,
                    "onchainConfig": feed.onchain,
                    "offchainConfigVersion": OFFCHAIN_VERSION,
                    "offchainConfig": OFFCHAIN,
                },
            )
        ]
        assert contract.read("latestConfigDetails") == (count, receipt.block_number, feed.digest)
        assert contract.read("getTransmitters") == tuple(feed.transmitters)
        previous = receipt.block_number


# -------------------------------------------------------------------------------------------------- C8


def test_configuration_starts_the_protocol_anew_and_keeps_the_answers(feed: Feed) -> None:
    contract = feed.contract
    feed.transmit(feed.signed(8, 5))
    before = feed.state()

    receipt = feed.configure(committee(7, "other"), f=2)

    _, _, _, answer, timestamp = before["latestTransmissionDetails"]
    assert feed.state() == before | {
        "latestConfigDetails": (2, receipt.block_number, feed.digest),
        "latestConfigDigestAndEpoch": (False, feed.digest, 0),
        "latestTransmissionDetails": (feed.digest, 0, 0, answer, timestamp),
        "getTransmitters": tuple(feed.transmitters),
    }
    feed.transmit(feed.signed(0, 1))
    assert contract.read("latestRound") == 2


# -------------------------------------------------------------------------------------------------- C9


def test_oracles_take_their_new_places(feed: Feed) -> None:
    """The same oracles in another order: their indices are those of the new configuration."""
    feed.configure(feed.oracles[::-1])
    feed.transmit(feed.signed(1, 1, signers=(0, 3)))
    for signers in ((0, 0), (3, 3)):
        assert feed.refuses(feed.signed(1, 2, signers=signers))[0] == "DuplicateSigner"


def test_returning_oracle_is_one_again(feed: Feed) -> None:
    first = feed.oracles
    feed.configure(committee(4, "other"))
    assert feed.refuses(feed.signed(), first[0].transmitting_key)[0] == "UnauthorizedTransmitter"
    feed.configure(first)
    feed.transmit(feed.signed(), first[0].transmitting_key)


def test_signers_and_transmitters_change_independently(feed: Feed) -> None:
    keys = committee(4, "other")
    mixed = [replace(old, signing_key=new.signing_key) for old, new in zip(feed.oracles, keys, strict=True)]
    old_signer = feed.oracles[1].signing_key
    feed.configure(mixed)
    feed.transmit(feed.signed(1, 1))
    feed.oracles[1] = replace(feed.oracles[1], signing_key=old_signer)
    assert feed.refuses(feed.signed(1, 2)) == ("InvalidSignature", (1, address_of(old_signer)))


# ---------------------------------------------------------------------------------------- constructor


@pytest.mark.parametrize("answers", [(1, 0), (2**191 - 1, -(2**191))])
def test_empty_range_of_answers_is_refused(chain: Chain, kind: str, answers: tuple[int, int]) -> None:
    arguments: tuple[Any, ...] = (*answers, DECIMALS, DESCRIPTION, 0, 0)
    with pytest.raises(AssertionError, match="deployment failed"):
        Contract.deploy(chain, OWNER, kind, *arguments)


def test_storage_slot_holds_all_that_transmit_needs(feed: Feed) -> None:
    """Where the committee is, maxAge, (epoch, round) and aggregator round share one slot."""
    feed.contract.send(OWNER, "setMaxAge", 2**24 - 1)
    feed.transmit(feed.signed(3, 7, observed_at=NOW))
    slot = feed.chain.storage(feed.contract.address, 0)
    assert slot >> 160 == (1 << 64) | (3 << 8 | 7) << 24 | 2**24 - 1
    code = unhexed(feed.chain.rpc("eth_getCode", f"0x{slot % 2**160:040x}", "latest"))
    assert code[:33] == b"\0" + feed.digest
