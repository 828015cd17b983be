"""What consumers and oracles read. Invariants H1 to H5."""

from __future__ import annotations

import pytest

from .chain import Chain, Contract, Reverted, unhexed
from .feed import OUTSIDER, OWNER, Deploy, Feed, observations
from .signing import Report, address_of

NOTHING = (0, 0, 0, 0, 0)


def test_every_round_is_kept(feed: Feed) -> None:
    read = feed.contract.read
    expected = [NOTHING]
    for round_ in range(1, 8):
        if round_ in (3, 5):
            feed.configure()
        values = tuple(sorted(value * (-1) ** round_ for value in observations(3, first=round_)))
        report = Report(1_700_000_000 + round_, (0, 1, 2), values, 0)
        receipt = feed.transmit(feed.signed(1, round_, report=report))
        mined_at = feed.chain.timestamp(receipt.block_number)
        expected.append((round_, report.median, report.timestamp, mined_at, round_))

        assert read("latestRoundData") == expected[-1]
        assert read("latestRound") == round_
        assert read("latestAnswer") == report.median
        assert read("latestTimestamp") == mined_at
        # Rounds before are as they were.
        assert [read("getRoundData", id_) for id_ in range(round_ + 1)] == expected
        assert [read("getAnswer", id_) for id_ in range(round_ + 1)] == [row[1] for row in expected]
        assert [read("getTimestamp", id_) for id_ in range(round_ + 1)] == [row[3] for row in expected]


def test_before_the_first_report_everything_is_zero(feed: Feed) -> None:
    read = feed.contract.read
    assert read("latestRoundData") == NOTHING
    assert (read("latestRound"), read("latestAnswer"), read("latestTimestamp")) == (0, 0, 0)
    assert read("latestTransmissionDetails") == (feed.digest, 0, 0, 0, 0)


def test_unconfigured_contract_reads_as_zero(deploy: Deploy) -> None:
    read = deploy(configured=False).contract.read
    assert read("latestTransmissionDetails") == (bytes(32), 0, 0, 0, 0)
    assert read("latestConfigDigestAndEpoch") == (False, bytes(32), 0)
    assert read("latestConfigDetails") == (0, 0, bytes(32))


def test_rounds_that_do_not_exist_read_as_zero(feed: Feed) -> None:
    """As deployed: no revert, updatedAt is zero, and the id asked for comes back while it fits 32 bits."""
    read = feed.contract.read
    feed.transmit(feed.signed())
    for unknown in (0, 2, 3, 2**32 - 1):
        assert read("getRoundData", unknown) == (unknown, 0, 0, 0, unknown)
        assert (read("getAnswer", unknown), read("getTimestamp", unknown)) == (0, 0)
    # Ids that would be round 1 if they were cut to 32 bits.
    assert read("getRoundData", 2**32 + 1) == NOTHING
    assert read("getRoundData", 2**80 - 1) == NOTHING
    for huge in (2**32, 2**32 + 1, 2**256 - 2**32 + 1, 2**256 - 1):
        assert (read("getAnswer", huge), read("getTimestamp", huge)) == (0, 0)


def test_oracles_learn_where_the_protocol_stands(feed: Feed) -> None:
    read = feed.contract.read
    receipt = feed.transmit(feed.signed(0x01020304, 0x05, [42] * 3))
    mined_at = feed.chain.timestamp(receipt.block_number)
    assert read("latestTransmissionDetails") == (feed.digest, 0x01020304, 0x05, 42, mined_at)
    assert read("latestConfigDigestAndEpoch") == (False, feed.digest, 0x01020304)


def forwarder(chain: Chain, target: str) -> str:
    """A contract that calls target with its calldata and gives back what comes back."""
    runtime = bytes.fromhex(
        "36 6000 6000 37"  # the calldata to memory
        "6000 6000 36 6000 73" + unhexed(target).hex() + "5a fa"  # staticcall with it
        "3d 6000 6000 3e"  # the result to memory
        "6031 57 3d 6000 fd 5b 3d 6000 f3"  # return or revert with it
    )
    deployer = bytes.fromhex(f"60{len(runtime):02x} 80 600b 6000 39 6000 f3")
    receipt = chain.send(OWNER, None, deployer + runtime)
    assert receipt.contract is not None
    return receipt.contract


def test_contracts_read_answers_but_not_transmission_details(feed: Feed) -> None:
    feed.transmit(feed.signed())
    direct, sender = feed.contract, address_of(OUTSIDER)
    through = Contract(feed.chain, forwarder(feed.chain, direct.address), [])
    through.functions, through.errors = direct.functions, direct.errors
    for name in ("latestRoundData", "latestAnswer", "latestConfigDigestAndEpoch", "latestConfigDetails"):
        assert through.read(name, sender=sender) == direct.read(name, sender=sender)
    direct.read("latestTransmissionDetails", sender=sender)
    with pytest.raises(Reverted) as caught:
        through.read("latestTransmissionDetails", sender=sender)
    assert direct.error(caught.value.data) == ("OnlyExternallyOwnedAccount", (through.address, sender))
