"""What transmit accepts, what it refuses, and what it leaves behind. Invariants T1 to T13."""

from __future__ import annotations

import pytest
from eth_abi import encode

from .chain import GAS_LIMIT, Chain, Contract, Event, Reverted, RpcError, hexed
from .feed import JUELS, MAX_ANSWER, MIN_ANSWER, OBSERVED_AT, OUTSIDER, OWNER, Feed, observations
from .signing import (
    TRANSMIT_SELECTOR,
    TRANSMIT_TYPES,
    Report,
    Signature,
    Transmission,
    address_of,
    committee,
    epoch_and_round,
    report_context,
    sign,
    signing_hash,
)

WORD = 32


def word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


# -------------------------------------------------------------------------------------------------- T1


@pytest.mark.parametrize(("n", "k"), [(4, 4), (4, 2), (7, 5), (31, 31)])
def test_accepted_report_is_published(chain: Chain, n: int, k: int) -> None:
    feed = Feed.deploy(chain, n)
    report = feed.report(observations(k))
    sender = feed.oracles[-1]
    before = feed.state()

    receipt = feed.transmit(feed.signed(7, 3, report=report.encode()), sender.transmitting_key)

    mined_at = chain.timestamp(receipt.block_number)
    assert feed.contract.events(receipt) == [
        Event(
            "NewTransmission",
            {
                "aggregatorRoundId": 1,
                "answer": report.median,
                "transmitter": sender.transmitter,
                "observationsTimestamp": OBSERVED_AT,
                "observations": report.observations,
                "observers": bytes(report.observers),
                "juelsPerFeeCoin": JUELS,
                "configDigest": feed.digest,
                "epochAndRound": epoch_and_round(7, 3),
            },
        ),
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


def test_any_quorum_in_any_order_is_enough(chain: Chain) -> None:
    feed = Feed.deploy(chain, 7)
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


def test_nobody_sends_before_the_first_configuration(chain: Chain) -> None:
    feed = Feed.deploy(chain, f=0, configured=False)
    feed.digest = bytes(32)
    for key in (OWNER, OUTSIDER, feed.transmitter):
        transmission = Transmission.signed(feed.context(1, 1), feed.report().encode(), [key])
        assert feed.refuses(transmission, key) == ("UnauthorizedTransmitter", (address_of(key),))


# -------------------------------------------------------------------------------------------------- T4


def test_report_of_an_old_configuration_is_dead(feed: Feed) -> None:
    feed.transmit(feed.signed(1, 1))
    unsent, old = feed.signed(9, 9), feed.digest
    feed.configure()
    assert old != feed.digest
    assert feed.refuses(unsent) == ("ConfigDigestMismatch", (old, feed.digest))
    feed.transmit(feed.signed(1, 1))
    assert feed.refuses(unsent) == ("ConfigDigestMismatch", (old, feed.digest))


def test_report_for_another_contract_is_refused(chain: Chain) -> None:
    one, other = Feed.deploy(chain), Feed.deploy(chain)
    expected = ("ConfigDigestMismatch", (one.digest, other.digest))
    assert other.refuses(one.signed()) == expected
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


@pytest.mark.parametrize("extra", [1, 31])
def test_padding_of_an_unaligned_report_is_refused(feed: Feed, extra: int) -> None:
    transmission = feed.signed(report=feed.report().encode() + bytes(extra))
    length = len(transmission.calldata)
    assert feed.refuses(transmission) == ("CalldataLengthMismatch", (length, length - WORD + extra))


def test_gap_between_the_arguments_is_refused(feed: Feed) -> None:
    calldata = feed.signed().calldata
    head = 4 + 3 * WORD
    # The three offsets, each moved up by a word to make room for the gap.
    offsets = [int.from_bytes(calldata[at : at + WORD], "big") for at in range(head, head + 3 * WORD, WORD)]
    moved = b"".join(word(offset + WORD) for offset in offsets)
    vs_end = head + 4 * WORD
    gapped = calldata[:head] + moved + calldata[head + 3 * WORD : vs_end] + bytes(WORD) + calldata[vs_end:]
    assert feed.refuses(gapped) == ("CalldataLengthMismatch", (len(gapped), len(calldata)))


# -------------------------------------------------------------------------------------------------- T6


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7])
def test_other_numbers_of_signatures_are_refused(chain: Chain, count: int) -> None:
    feed = Feed.deploy(chain, 7)
    assert feed.f + 1 == 3
    assert feed.refuses(feed.signed(signers=range(count))) == ("WrongNumberOfSignatures", (count, 3))


def test_signature_halves_of_different_number_are_refused(feed: Feed) -> None:
    transmission = feed.signed()
    rs = [signature.r for signature in transmission.signatures]
    ss = [signature.s for signature in transmission.signatures]
    vs = bytes(signature.v for signature in transmission.signatures).ljust(WORD, b"\0")

    def calldata(rs: list[bytes], ss: list[bytes]) -> bytes:
        return TRANSMIT_SELECTOR + encode(
            TRANSMIT_TYPES, (transmission.context, transmission.report, rs, ss, vs)
        )

    assert feed.refuses(calldata(rs, ss[:1])) == ("SignatureListsDiffer", (2, 1))
    assert feed.refuses(calldata(rs, [*ss, ss[0]])) == ("SignatureListsDiffer", (2, 3))
    assert feed.refuses(calldata(rs[:1], ss)) == ("WrongNumberOfSignatures", (1, 2))
    feed.contract.send_raw(feed.transmitter, calldata(rs, ss))


# -------------------------------------------------------------------------------------------------- T7


def test_every_flipped_bit_is_refused(feed: Feed) -> None:
    """Each bit of the calldata in turn; only those of v bytes that belong to no signature do not matter."""
    calldata = feed.signed(3, 1).calldata
    sender = feed.oracles[0].transmitter
    vs_start = 4 + 6 * WORD
    idle = range(vs_start + feed.f + 1, vs_start + WORD)
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
    assert accepted == set(idle)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_signature_of_an_outsider_is_refused(chain: Chain, position: int) -> None:
    feed = Feed.deploy(chain, 7)
    for key in (OUTSIDER, OWNER, feed.transmitter, committee(1, "other")[0].signing_key):
        keys = [oracle.signing_key for oracle in feed.oracles[:3]]
        keys[position] = key
        transmission = Transmission.signed(feed.context(1, 1), feed.report().encode(), keys)
        assert feed.refuses(transmission) == ("InvalidSignature", (position, address_of(key)))


def test_signature_of_a_removed_oracle_is_refused(feed: Feed) -> None:
    removed = feed.oracles[3]
    feed.configure([*feed.oracles[:3], committee(1, "other")[0]])
    keys = [feed.oracles[0].signing_key, removed.signing_key]
    transmission = Transmission.signed(feed.context(1, 1), feed.report().encode(), keys)
    assert feed.refuses(transmission) == ("InvalidSignature", (1, removed.signer))


def test_signature_over_something_else_is_refused(feed: Feed) -> None:
    report, context = feed.report().encode(), feed.context(1, 1)
    key = feed.oracles[1].signing_key
    good = feed.signed().signatures
    others = [
        signing_hash(feed.report(observations(3)).encode(), context),
        signing_hash(report, feed.context(1, 2)),
        signing_hash(report, report_context(feed.digest, 1, 1, word(1))),
        signing_hash(report, report_context(bytes(32), 1, 1, context[2])),
    ]
    for message_hash in others:
        transmission = Transmission(context, report, (good[0], sign(key, message_hash)))
        name, (position, recovered) = feed.refuses(transmission)
        assert (name, position) == ("InvalidSignature", 1)
        assert recovered not in feed.signers


@pytest.mark.parametrize("v", [2, 27, 28, 228, 229, 230, 255])
def test_v_is_zero_or_one(feed: Feed, v: int) -> None:
    good = feed.signed()
    first = good.signatures[0]
    changed = Transmission(good.context, good.report, (Signature(first.r, first.s, v), good.signatures[1]))
    assert feed.refuses(changed) == ("InvalidSignature", (0, "0x" + "00" * 20))


@pytest.mark.parametrize(("r", "s"), [(0, 0), (1, 0), (0, 1), (2**256 - 1, 2**256 - 1)])
def test_signature_of_nobody_is_refused(feed: Feed, r: int, s: int) -> None:
    good = feed.signed()
    changed = Transmission(good.context, good.report, (good.signatures[0], Signature(word(r), word(s), 0)))
    assert feed.refuses(changed) == ("InvalidSignature", (1, "0x" + "00" * 20))


def test_upper_half_signature_counts_once(feed: Feed) -> None:
    """As deployed: s is not confined to the lower half, and the other form is the same signer."""
    good = feed.signed()
    first, second = good.signatures
    twice = Transmission(good.context, good.report, (first, first.malleated))
    assert feed.refuses(twice) == ("DuplicateSigner", (1, feed.oracles[0].signer))
    feed.transmit(Transmission(good.context, good.report, (first.malleated, second)))
    both = epoch_and_round(1, 1)
    assert feed.refuses(good) == ("StaleReport", (both, both))


# -------------------------------------------------------------------------------------------------- T8


@pytest.mark.parametrize(
    ("signers", "position"), [((0, 0, 1), 1), ((0, 1, 0), 2), ((2, 1, 1), 2), ((6, 6, 6), 1)]
)
def test_duplicate_signer_is_refused(chain: Chain, signers: tuple[int, ...], position: int) -> None:
    feed = Feed.deploy(chain, 7)
    expected = ("DuplicateSigner", (position, feed.oracles[signers[position]].signer))
    assert feed.refuses(feed.signed(signers=signers)) == expected


def test_last_of_31_oracles_counts_once(chain: Chain) -> None:
    feed = Feed.deploy(chain, 31)
    expected = ("DuplicateSigner", (10, feed.oracles[30].signer))
    assert feed.refuses(feed.signed(signers=[30, *range(9), 30])) == expected
    feed.transmit(feed.signed(signers=range(20, 31)))


# -------------------------------------------------------------------------------------------------- T9

# Every report below is signed by a quorum: it is refused for what it says.


@pytest.mark.parametrize("length", [0, WORD, 4 * WORD])
def test_truncated_report_is_refused(feed: Feed, length: int) -> None:
    report = feed.report().encode()[:length]
    assert feed.refuses(feed.signed(report=report)) == ("ReportLengthMismatch", (length, 5 * WORD))


def test_report_of_another_length_than_it_says_is_refused(feed: Feed) -> None:
    report = feed.report().encode()
    length = len(report)
    for changed in (report[:-WORD], report + bytes(WORD)):
        expected = ("ReportLengthMismatch", (len(changed), length))
        assert feed.refuses(feed.signed(report=changed)) == expected


@pytest.mark.parametrize("offset", [0, WORD, 3 * WORD, 5 * WORD, 4 * WORD + 1, 2**255])
def test_misplaced_observations_are_refused(feed: Feed, offset: int) -> None:
    report = feed.report().encode()
    changed = report[: 2 * WORD] + word(offset) + report[3 * WORD :]
    expected = ("ObservationsMisplaced", (offset, 4 * WORD))
    assert feed.refuses(feed.signed(report=changed)) == expected


@pytest.mark.parametrize(
    ("index", "value"),
    [
        pytest.param(0, 2**32, id="timestamp"),
        pytest.param(3, 2**191, id="juels above int192"),
        pytest.param(3, 2**256 - 2**191 - 1, id="juels below int192"),
        pytest.param(5, 2**191, id="first observation"),
        pytest.param(7, 2**191, id="median"),
        pytest.param(7, 2**256 - 2**191 - 1, id="median below int192"),
        pytest.param(8, 2**192, id="last observation"),
    ],
)
def test_value_beyond_its_type_is_refused(feed: Feed, index: int, value: int) -> None:
    report = feed.report().encode()
    changed = report[: index * WORD] + word(value) + report[(index + 1) * WORD :]
    assert feed.refuses(feed.signed(report=changed)) == ("", ())


# ------------------------------------------------------------------------------------------------- T10


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_observations_are_refused(chain: Chain, count: int) -> None:
    feed = Feed.deploy(chain, 7)
    assert feed.f == 2
    assert feed.refuses(feed.signed(values=observations(count))) == ("TooFewObservations", (count, 3))


def test_f_plus_one_observations_are_enough(chain: Chain) -> None:
    feed = Feed.deploy(chain, 7)
    feed.transmit(feed.signed(values=observations(3)))
    assert feed.contract.read("latestAnswer") == observations(3)[1]


def test_31_observations_are_the_most(feed: Feed) -> None:
    """As deployed, the limit is that of the protocol, not the size of the committee."""
    feed.transmit(feed.signed(1, 1, observations(31)))
    assert feed.contract.read("latestAnswer") == observations(31)[15]
    assert feed.refuses(feed.signed(1, 2, observations(32))) == ("TooManyObservations", (32, 31))


@pytest.mark.parametrize("count", [2**251, 2**256 - 1])
def test_absurd_number_of_observations_is_refused(feed: Feed, count: int) -> None:
    report = feed.report().encode()
    changed = report[: 4 * WORD] + word(count) + report[5 * WORD :]
    assert feed.refuses(feed.signed(report=changed)) == ("TooManyObservations", (count, 31))


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
    """As deployed: f+1 signers vouch for the order, the contract does not look."""
    report = Report(OBSERVED_AT, (3, 3, 3), (9, 1, 5), JUELS)
    feed.transmit(feed.signed(report=report.encode()))
    assert feed.contract.read("latestAnswer") == 1


@pytest.mark.parametrize("only", [-(2**191), 0, 2**191 - 1])
def test_range_of_one_value(chain: Chain, only: int) -> None:
    feed = Feed.deploy(chain, answers=(only, only))
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


def test_first_complaint_is_the_deployed_one(chain: Chain) -> None:
    """Reports with everything wrong, mended one thing at a time, in the deployed aggregator's order of checks."""
    feed = Feed.deploy(chain, 7)
    feed.transmit(feed.signed(2, 2))
    contract, sender = feed.contract, feed.transmitter
    bad_report = feed.report([MAX_ANSWER + 1]).encode()
    other_digest = bytes(31) + b"\1"

    def attempt(
        digest: bytes, epoch: int, report: bytes, signers: tuple[int, ...], tail: bytes = b""
    ) -> bytes:
        keys = [feed.oracles[index].signing_key for index in signers]
        context = report_context(digest, epoch, 2)
        return Transmission.signed(context, report, keys).calldata + tail

    def complaint(key: bytes, data: bytes) -> str:
        return contract.reverts(key, data)[0]

    assert complaint(OUTSIDER, attempt(other_digest, 2, bad_report, (), b"\0")) == "StaleReport"
    assert complaint(OUTSIDER, attempt(other_digest, 3, bad_report, (), b"\0")) == "UnauthorizedTransmitter"
    assert complaint(sender, attempt(other_digest, 3, bad_report, (), b"\0")) == "ConfigDigestMismatch"
    assert complaint(sender, attempt(feed.digest, 3, bad_report, (), b"\0")) == "CalldataLengthMismatch"
    assert complaint(sender, attempt(feed.digest, 3, bad_report, ())) == "WrongNumberOfSignatures"
    assert complaint(sender, attempt(feed.digest, 3, bad_report, (0, 0, 1))) == "DuplicateSigner"
    assert complaint(sender, attempt(feed.digest, 3, bad_report, (0, 1, 2))) == "TooFewObservations"
    bad_report = feed.report([MAX_ANSWER + 1] * 3).encode()
    assert complaint(sender, attempt(feed.digest, 3, bad_report, (0, 1, 2))) == "AnswerOutOfRange"


def test_stale_report_is_known_by_its_selector(feed: Feed) -> None:
    """What a transmitter looks for to learn that another oracle was first."""
    transmission = feed.signed(1, 1)
    feed.transmit(transmission)
    with pytest.raises(Reverted) as caught:
        feed.chain.call(feed.contract.address, transmission.calldata, feed.oracles[1].transmitter)
    both = word(epoch_and_round(1, 1))
    assert caught.value.data == Contract.selector("StaleReport(uint40,uint40)") + both + both
