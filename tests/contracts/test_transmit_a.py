"""What only aggregator A can be sent: the calldata and reports of OCR2. Invariants T5 to T13, where A differs."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st

from .feed import MAX_ANSWER, OUTSIDER, A, Deploy, Feed, observations
from .signing import (
    TRANSMIT_SELECTOR,
    TRANSMIT_TYPES,
    Report,
    Signature,
    Transmission,
    epoch_and_round,
    report_context,
)
from .test_properties import QUICK

WORD = 32


@pytest.fixture
def kind() -> str:
    return A


def word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


# -------------------------------------------------------------------------------------------------- T1


def test_event_names_as_many_observers_as_observations(feed: Feed) -> None:
    """Whatever else a signed report has in that word; and the event is encoded as everybody encodes it."""
    report = feed.report().encode()
    report = report[:WORD] + bytes(range(200, 232)) + report[2 * WORD :]
    receipt = feed.transmit(feed.signed(report=report))
    event = feed.contract.events(receipt)[0]
    assert event.args["observers"] == bytes((200, 201, 202, 203))
    assert receipt.logs[0].data[-WORD:] == bytes((200, 201, 202, 203)).ljust(WORD, b"\0")


# -------------------------------------------------------------------------------------------------- T5


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
def test_other_numbers_of_signatures_are_refused(deploy: Deploy, count: int) -> None:
    feed = deploy(7)
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


@pytest.mark.parametrize("v", [2, 27, 28, 228, 229, 230, 255])
def test_v_is_zero_or_one(feed: Feed, v: int) -> None:
    good = feed.signed()
    first = good.signatures[0]
    changed = good.with_signatures(Signature(first.r, first.s, v), good.signatures[1])
    assert feed.refuses(changed) == ("InvalidSignature", (0, "0x" + "00" * 20))


def test_upper_half_signature_counts_once(feed: Feed) -> None:
    """As deployed: s is not confined to the lower half, and the other form is the same signer."""
    good = feed.signed()
    first, second = good.signatures
    twice = good.with_signatures(first, first.malleated)
    assert feed.refuses(twice) == ("DuplicateSigner", (1, feed.oracles[0].signer))
    feed.transmit(good.with_signatures(first.malleated, second))
    both = epoch_and_round(1, 1)
    assert feed.refuses(good) == ("StaleReport", (both, both))


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


odd_words = st.sampled_from([0, 1, 32, 128, 2**31, 2**32, 2**191 - 1, 2**191, 2**256 - 2**191, 2**256 - 1])


@given(
    count=st.integers(0, 5) | st.integers(30, 32),
    changes=st.lists(st.tuples(st.integers(0, 9), odd_words), max_size=2),
    length=st.sampled_from([0] * 6 + [-WORD, -1, WORD]),
)
@QUICK
def test_signed_bytes_are_accepted_if_they_are_a_report(
    deploy: Deploy, count: int, changes: list[tuple[int, int]], length: int
) -> None:
    """Whatever a quorum signs: the contract and a strict decoder agree on what is a report, and on its median."""
    feed = deploy(answers=(-(2**191), 2**191 - 1))
    report = feed.report(observations(count)).encode()
    for index, value in changes:
        if (index + 1) * WORD <= len(report):
            report = report[: index * WORD] + word(value) + report[(index + 1) * WORD :]
    report = report[:length] if length < 0 else report + bytes(length)
    try:
        decoded = Report.decode(report)
    except DecodingError:
        wanted = False
    else:
        k = len(decoded.observations)
        # The word of observers may say anything.
        again = decoded.encode()
        wanted = again[:WORD] + again[2 * WORD :] == report[:WORD] + report[2 * WORD :] and feed.f < k <= 31
    transmission = feed.signed(report=report)
    if wanted:
        feed.transmit(transmission)
        assert feed.contract.read("latestAnswer") == decoded.median
    else:
        feed.refuses(transmission)


# ------------------------------------------------------------------------------------------------- T10


@pytest.mark.parametrize(
    ("count", "error"),
    [
        (0, ("TooFewObservations", (0, 2))),
        (2**251, ("TooManyObservations", (2**251, 31))),
        (2**256 - 1, ("TooManyObservations", (2**256 - 1, 31))),
    ],
)
def test_absurd_number_of_observations_is_refused(feed: Feed, count: int, error: tuple[str, tuple]) -> None:
    report = feed.report().encode()
    changed = report[: 4 * WORD] + word(count) + report[5 * WORD :]
    assert feed.refuses(feed.signed(report=changed)) == error


# ------------------------------------------------------------------------------------------------- T13


def test_first_complaint_is_the_deployed_one(deploy: Deploy) -> None:
    """Reports with everything wrong, mended one thing at a time, in the deployed aggregator's order of checks."""
    feed = deploy(7)
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
