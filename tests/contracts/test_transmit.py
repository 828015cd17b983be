"""What transmit accepts, what it refuses, and what it leaves behind. Invariants T1 to T13."""

from __future__ import annotations

import pytest

from .chain import GAS_LIMIT, Chain, Contract, Event, Reverted, RpcError, hexed
from .feed import JUELS, MAX_ANSWER, MIN_ANSWER, OBSERVED_AT, OUTSIDER, OWNER, Deploy, Feed, observations
from .signing import (
    CURVE_ORDER,
    Report,
    Signature,
    address_of,
    committee,
    epoch_and_round,
)

WORD = 32


def word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


# -------------------------------------------------------------------------------------------------- T1


@pytest.mark.parametrize(("n", "k"), [(4, 4), (4, 2), (7, 5), (31, 31)])
def test_accepted_report_is_published(chain: Chain, deploy: Deploy, n: int, k: int) -> None:
    feed = deploy(n)
    report = feed.report(observations(k))
    sender = feed.oracles[-1]
    before = feed.state()

    transmission = feed.signed(7, 3, report=report)
    receipt = feed.transmit(transmission, sender.transmitting_key)

    mined_at = chain.timestamp(receipt.block_number)
    assert feed.contract.events(receipt) == [
        feed.event(report, transmission, sender.transmitter),
        Event("NewRound", {"roundId": 1, "startedBy": "0x" + "00" * 20, "startedAt": OBSERVED_AT}),
        Event("AnswerUpdated", {"current": report.median, "roundId": 1, "updatedAt": mined_at}),
    ]
    round_data = (1, report.median, OBSERVED_AT, mined_at, 1)
    assert feed.state() == before | {
        "latestConfigDigestAndEpoch": (False, feed.digest, 7),
        "latestTransmissionDetails": (feed.digest, 7, 3, report.median, mined_at),
        "latestRoundData": round_data,
        "latestAnswer": report.median,
        "latestTimestamp": mined_at,
        "latestRound": 1,
        "history": [(0, 0, 0, 0, 0), round_data, (2, 0, 0, 0, 2)],
    }


def test_any_quorum_in_any_order_is_enough(deploy: Deploy) -> None:
    feed = deploy(7)
    for round_, signers in enumerate([(0, 1, 2), (6, 5, 4), (3, 0, 5)], start=1):
        feed.transmit(feed.signed(1, round_, signers=signers))
    assert feed.contract.read("latestRound") == 3


def test_every_transmitter_may_send(feed: Feed) -> None:
    for round_, oracle in enumerate(feed.oracles, start=1):
        feed.transmit(feed.signed(1, round_), oracle.transmitting_key)
    assert feed.contract.read("latestRound") == 4


# -------------------------------------------------------------------------------------------------- T2


def test_replay_is_stale(feed: Feed) -> None:
    transmission = feed.signed(5, 2)
    feed.transmit(transmission)
    both = epoch_and_round(5, 2)
    assert feed.refuses(transmission) == ("StaleReport", (both, both))
    other = feed.oracles[1].transmitting_key
    assert feed.refuses(transmission, other) == ("StaleReport", (both, both))


@pytest.mark.parametrize(("epoch", "round_"), [(5, 2), (5, 1), (5, 0), (4, 255), (0, 255), (0, 0)])
def test_older_report_is_stale(feed: Feed, epoch: int, round_: int) -> None:
    feed.transmit(feed.signed(5, 2))
    stale = feed.signed(epoch, round_, observations(3))
    expected = (epoch_and_round(epoch, round_), epoch_and_round(5, 2))
    assert feed.refuses(stale) == ("StaleReport", expected)


def test_newer_reports_are_accepted_with_gaps(feed: Feed) -> None:
    ascending = [
        (0, 1),
        (0, 255),
        (1, 0),
        (1, 1),
        (1, 7),
        (2, 1),
        (900, 3),
        (2**32 - 1, 254),
        (2**32 - 1, 255),
    ]
    for count, (epoch, round_) in enumerate(ascending, start=1):
        feed.transmit(feed.signed(epoch, round_))
        assert feed.contract.read("latestTransmissionDetails")[1:3] == (epoch, round_)
        assert feed.contract.read("latestRound") == count
    assert feed.refuses(feed.signed(1, 8))[0] == "StaleReport"


def test_round_zero_of_epoch_zero_never_was(feed: Feed) -> None:
    assert feed.refuses(feed.signed(0, 0)) == ("StaleReport", (0, 0))


# -------------------------------------------------------------------------------------------------- T3


def test_only_transmitters_send(feed: Feed) -> None:
    transmission = feed.signed()
    signer = committee(1)[0].signing_key
    other = committee(1, "other")[0].transmitting_key
    for key in (OWNER, OUTSIDER, signer, other):
        assert feed.refuses(transmission, key) == ("UnauthorizedTransmitter", (address_of(key),))
    feed.transmit(transmission)


def test_removed_transmitter_is_locked_out(feed: Feed) -> None:
    removed, feed_after = feed.oracles[0], [*feed.oracles[1:], committee(1, "other")[0]]
    feed.configure(feed_after)
    transmission = feed.signed()
    expected = ("UnauthorizedTransmitter", (removed.transmitter,))
    assert feed.refuses(transmission, removed.transmitting_key) == expected
    feed.transmit(transmission)


def test_nobody_sends_before_the_first_configuration(deploy: Deploy) -> None:
    feed = deploy(f=0, configured=False)
    feed.digest = bytes(32)
    for key in (OWNER, OUTSIDER, feed.transmitter):
        transmission = feed.signed(keys=[key])
        assert feed.refuses(transmission, key) == ("UnauthorizedTransmitter", (address_of(key),))


# -------------------------------------------------------------------------------------------------- T4


def test_report_of_an_old_configuration_is_dead(feed: Feed) -> None:
    feed.transmit(feed.signed(1, 1))
    unsent, old = feed.signed(9, 9), feed.digest
    feed.configure()
    assert old != feed.digest
    feed.refuses_as_foreign(unsent, old)
    feed.transmit(feed.signed(1, 1))
    feed.refuses_as_foreign(unsent, old)


def test_report_for_another_contract_is_refused(deploy: Deploy) -> None:
    one, other = deploy(), deploy()
    other.refuses_as_foreign(one.signed(), one.digest)
    one.transmit(one.signed())


# -------------------------------------------------------------------------------------------------- T5


@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(31), bytes(32), bytes(1000)], ids=len)
def test_trailing_calldata_is_refused(feed: Feed, tail: bytes) -> None:
    calldata = feed.signed().calldata
    expected = (len(calldata) + len(tail), len(calldata))
    assert feed.refuses(calldata + tail) == ("CalldataLengthMismatch", expected)


def test_every_shorter_calldata_is_refused(feed: Feed) -> None:
    calldata = feed.signed().calldata
    sender = feed.oracles[0].transmitter
    for length in range(len(calldata)):
        with pytest.raises(Reverted):
            feed.chain.call(feed.contract.address, calldata[:length], sender)
    feed.refuses(calldata[:-1])
    feed.refuses(calldata[:-WORD])
    feed.transmit(feed.signed())


# -------------------------------------------------------------------------------------------------- T7


def test_every_flipped_bit_is_refused(feed: Feed) -> None:
    """Each bit of the calldata in turn. Some contracts leave bytes without a meaning, and those alone do not matter."""
    calldata = feed.signed(3, 1).calldata
    sender = feed.oracles[0].transmitter
    accepted = set()
    for at in range(len(calldata)):
        for bit in range(8):
            flipped = bytearray(calldata)
            flipped[at] ^= 1 << bit
            try:
                feed.chain.call(feed.contract.address, bytes(flipped), sender)
            except Reverted:
                continue
            accepted.add(at)
    assert accepted == set(feed.idle)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_signature_of_an_outsider_is_refused(deploy: Deploy, position: int) -> None:
    feed = deploy(7)
    for key in (OUTSIDER, OWNER, feed.transmitter, committee(1, "other")[0].signing_key):
        keys = [oracle.signing_key for oracle in feed.oracles[:3]]
        keys[position] = key
        transmission = feed.signed(keys=keys)
        assert feed.refuses(transmission) == ("InvalidSignature", (position, address_of(key)))


def test_signature_of_a_removed_oracle_is_refused(feed: Feed) -> None:
    removed = feed.oracles[3]
    feed.configure([*feed.oracles[:3], committee(1, "other")[0]])
    keys = [feed.oracles[0].signing_key, removed.signing_key]
    transmission = feed.signed(keys=keys)
    assert feed.refuses(transmission) == ("InvalidSignature", (1, removed.signer))


def test_signature_over_something_else_is_refused(feed: Feed) -> None:
    good = feed.signed()
    digest = feed.digest
    others = [feed.signed(values=observations(3)), feed.signed(1, 2), feed.signed(2, 1)]
    feed.digest = bytes(31) + b"\1"
    others.append(feed.signed())
    feed.digest = digest
    for other in others:
        # The second signer signed the other thing.
        mixed = good.with_signatures(good.signatures[0], other.signatures[1])
        name, (position, recovered) = feed.refuses(mixed)
        assert (name, position) == ("InvalidSignature", 1)
        assert recovered not in feed.signers
    feed.transmit(good)


@pytest.mark.parametrize(("r", "s"), [(0, 0), (1, 0), (0, 1), (CURVE_ORDER, 1), (2**256 - 1, 2**255 - 1)])
def test_signature_of_nobody_is_refused(feed: Feed, r: int, s: int) -> None:
    """Also behind a good one, whose signer must not count again for a recovery that gives nothing."""
    good = feed.signed()
    nobody = Signature(word(r), word(s), 0)
    changed = good.with_signatures(good.signatures[0], nobody)
    assert feed.refuses(changed) == ("InvalidSignature", (1, "0x" + "00" * 20))
    changed = good.with_signatures(nobody, good.signatures[1])
    assert feed.refuses(changed) == ("InvalidSignature", (0, "0x" + "00" * 20))


# -------------------------------------------------------------------------------------------------- T8


@pytest.mark.parametrize(
    ("signers", "position"), [((0, 0, 1), 1), ((0, 1, 0), 2), ((2, 1, 1), 2), ((6, 6, 6), 1)]
)
def test_duplicate_signer_is_refused(deploy: Deploy, signers: tuple[int, ...], position: int) -> None:
    feed = deploy(7)
    expected = ("DuplicateSigner", (position, feed.oracles[signers[position]].signer))
    assert feed.refuses(feed.signed(signers=signers)) == expected


def test_last_of_31_oracles_counts_once(deploy: Deploy) -> None:
    feed = deploy(31)
    expected = ("DuplicateSigner", (10, feed.oracles[30].signer))
    assert feed.refuses(feed.signed(signers=[30, *range(9), 30])) == expected
    feed.transmit(feed.signed(signers=range(20, 31)))


# ------------------------------------------------------------------------------------------------- T10


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_observations_are_refused(deploy: Deploy, count: int) -> None:
    feed = deploy(7)
    assert feed.f == 2
    assert feed.refuses(feed.signed(values=observations(count))) == ("TooFewObservations", (count, 3))


def test_f_plus_one_observations_are_enough(deploy: Deploy) -> None:
    feed = deploy(7)
    feed.transmit(feed.signed(values=observations(3)))
    assert feed.contract.read("latestAnswer") == observations(3)[1]


def test_31_observations_are_the_most(feed: Feed) -> None:
    """As deployed, the limit is that of the protocol, not the size of the committee."""
    feed.transmit(feed.signed(1, 1, observations(31)))
    assert feed.contract.read("latestAnswer") == observations(31)[15]
    assert feed.refuses(feed.signed(1, 2, observations(32))) == ("TooManyObservations", (32, 31))


# ------------------------------------------------------------------------------------------------- T11


@pytest.mark.parametrize("answer", [MIN_ANSWER, -1, 0, 1, MAX_ANSWER])
def test_answers_in_the_range_are_accepted(feed: Feed, answer: int) -> None:
    feed.transmit(feed.signed(values=[answer] * 3))
    assert feed.contract.read("latestAnswer") == answer


@pytest.mark.parametrize("answer", [MIN_ANSWER - 1, MAX_ANSWER + 1, -(2**191), 2**191 - 1])
def test_answer_out_of_the_range_is_refused(feed: Feed, answer: int) -> None:
    expected = ("AnswerOutOfRange", (answer, MIN_ANSWER, MAX_ANSWER))
    assert feed.refuses(feed.signed(values=[answer] * 3)) == expected


def test_only_the_median_has_to_be_in_the_range(feed: Feed) -> None:
    feed.transmit(feed.signed(values=[-(2**191), 5, 2**191 - 1]))
    assert feed.contract.read("latestAnswer") == 5


@pytest.mark.parametrize(("values", "median"), [((1, 2), 2), ((1, 2, 3), 2), ((1, 2, 3, 4), 3)])
def test_median_is_the_upper_middle(feed: Feed, values: tuple[int, ...], median: int) -> None:
    feed.transmit(feed.signed(values=values))
    assert feed.contract.read("latestAnswer") == median


def test_order_of_the_observations_is_the_signers_business(feed: Feed) -> None:
    """f+1 signers vouch for the order, the contract does not look."""
    report = Report(OBSERVED_AT, (3, 3, 3), (1, 9, 5), JUELS)
    feed.transmit(feed.signed(report=report))
    assert feed.contract.read("latestAnswer") == 9


@pytest.mark.parametrize("only", [-(2**191), 0, 2**191 - 1])
def test_range_of_one_value(deploy: Deploy, only: int) -> None:
    feed = deploy(answers=(only, only))
    feed.transmit(feed.signed(values=[only] * 2))
    assert feed.contract.read("latestAnswer") == only


# ------------------------------------------------------------------------------------------------- T12


def test_refused_report_can_still_come_in_properly(feed: Feed) -> None:
    """A refused transmission burns neither its (epoch, round) nor an aggregator round."""
    good = feed.signed(4, 4)
    for bad in (
        good.calldata + b"\0",
        feed.signed(4, 4, signers=(0, 0)).calldata,
        feed.signed(4, 4, [MAX_ANSWER + 1] * 2).calldata,
    ):
        feed.refuses(bad)
    feed.transmit(good)
    assert feed.contract.read("latestRound") == 1


def test_ether_is_not_accepted(feed: Feed) -> None:
    call = {
        "from": feed.oracles[0].transmitter,
        "to": feed.contract.address,
        "data": hexed(feed.signed().calldata),
        "gas": hex(GAS_LIMIT),
    }
    feed.chain.rpc("eth_call", call, "latest")
    with pytest.raises(RpcError, match="revert"):
        feed.chain.rpc("eth_call", call | {"value": "0x1"}, "latest")


# ------------------------------------------------------------------------------------------------- T13


def test_stale_report_is_known_by_its_selector(feed: Feed) -> None:
    """What a transmitter looks for to learn that another oracle was first."""
    transmission = feed.signed(1, 1)
    feed.transmit(transmission)
    with pytest.raises(Reverted) as caught:
        feed.chain.call(feed.contract.address, transmission.calldata, feed.oracles[1].transmitter)
    both = word(epoch_and_round(1, 1))
    assert caught.value.data == Contract.selector("StaleReport(uint40,uint40)") + both + both
