"""What only aggregator B can be sent: packed reports, docs/contract-b.md. Invariants T5 to T13, where B differs."""

from __future__ import annotations

import pytest
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from .feed import JUELS, MAX_ANSWER, OBSERVED_AT, OUTSIDER, B, Deploy, Feed, observations
from .packed import SELECTOR, PackedTransmission, compact, decode_report, encode_report
from .signing import CURVE_ORDER, Report, epoch_and_round, sign
from .test_properties import QUICK

SMALLEST, LARGEST = -(2**191), 2**191 - 1

# Where the number of observations and the two widths stand in a report.
COUNT, VALUE_WIDTH, DIFFERENCE_WIDTH = 4, 5, 6


@pytest.fixture
def kind() -> str:
    return B


def changed(report: bytes, at: int, value: int) -> bytes:
    return report[:at] + bytes((value,)) + report[at + 1 :]


# -------------------------------------------------------------------------------------------------- T1


def test_event_tells_what_was_signed(feed: Feed) -> None:
    transmission = feed.signed(3, 9)
    event = feed.contract.events(feed.transmit(transmission))[0]
    message = event.args["message"]
    assert keccak(message) == transmission.message_hash
    assert message[:32] == feed.digest
    assert int.from_bytes(message[32:37], "big") == epoch_and_round(3, 9)
    assert decode_report(message[37:]) == (OBSERVED_AT, (0, 1, 2, 3), observations(4))


# -------------------------------------------------------------------------------------------------- T5


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7])
def test_other_numbers_of_packed_signatures_are_refused(deploy: Deploy, count: int) -> None:
    feed = deploy(7)
    good, given = feed.signed().calldata, feed.signed(signers=range(count)).calldata
    assert feed.refuses(given) == ("CalldataLengthMismatch", (len(given), len(good)))


@pytest.mark.parametrize("at", [COUNT, VALUE_WIDTH, DIFFERENCE_WIDTH])
@pytest.mark.parametrize("by", [-1, 1])
def test_report_of_another_length_than_its_header_says_is_refused(feed: Feed, at: int, by: int) -> None:
    report = feed.encode(feed.report())
    longer = {COUNT: 1 + report[DIFFERENCE_WIDTH], VALUE_WIDTH: 1, DIFFERENCE_WIDTH: 3}[at] * by
    transmission = feed.signed(report=changed(report, at, report[at] + by))
    length = len(transmission.calldata)
    assert feed.refuses(transmission) == ("CalldataLengthMismatch", (length, length + longer))


# -------------------------------------------------------------------------------------------------- T7


def test_there_is_one_form_of_a_signature(feed: Feed) -> None:
    """The other one has s in the upper half: in the compact form its highest bit is the recovery id."""
    good = feed.signed()
    other = good.signatures[0].malleated
    assert int.from_bytes(other.s, "big") > CURVE_ORDER // 2
    with pytest.raises(ValueError, match="lower half"):
        compact(other)
    start = 4 + 5 + len(good.report)
    for vs in (other.s, bytes((other.s[0] ^ 0x80,)) + other.s[1:]):
        data = good.calldata
        data = data[: start + 32] + vs + data[start + 64 :]
        assert feed.refuses(data)[0] == "InvalidSignature"


# -------------------------------------------------------------------------------------------------- T9


@pytest.mark.parametrize(
    ("at", "width"),
    [
        (VALUE_WIDTH, 0),
        (VALUE_WIDTH, 25),
        (VALUE_WIDTH, 255),
        (DIFFERENCE_WIDTH, 25),
        (DIFFERENCE_WIDTH, 255),
    ],
)
def test_impossible_widths_are_refused(feed: Feed, at: int, width: int) -> None:
    """In a report whose length they fit, which a quorum signed."""
    report = feed.encode(feed.report())
    value_width, difference_width = report[VALUE_WIDTH], report[DIFFERENCE_WIDTH]
    header = changed(report, at, width)[:11]
    widths = (width, difference_width) if at == VALUE_WIDTH else (value_width, width)
    body = bytes(widths[0] + 3 * widths[1])
    assert feed.refuses(feed.signed(report=header + body)) == ("WidthsOutOfRange", widths)


@given(
    head=st.tuples(st.integers(0, 5) | st.integers(30, 33), st.integers(0, 25), st.integers(0, 25)),
    body=st.binary(min_size=0, max_size=64),
    fill=st.booleans(),
)
@QUICK
def test_signed_bytes_are_accepted_if_they_are_a_report(
    deploy: Deploy, head: tuple[int, int, int], body: bytes, *, fill: bool
) -> None:
    """Whatever a quorum signs: the contract and the reference codec agree on what is a report, and on its median."""
    feed = deploy(answers=(SMALLEST, LARGEST))
    count, value_width, difference_width = head
    if fill:
        length = count + value_width + max(0, count - 1) * difference_width
        body = (body or b"\xa5").ljust(length, body[-1:] or b"\x5a")[:length]
    report = OBSERVED_AT.to_bytes(4, "big") + bytes(head) + body
    try:
        _, _, values = decode_report(report)
    except ValueError:
        wanted = False
    else:
        wanted = feed.f < count <= 31 and SMALLEST <= values[count // 2] <= LARGEST
    transmission = feed.signed(report=report)
    if wanted:
        feed.transmit(transmission)
        assert feed.contract.read("latestAnswer") == values[count // 2]
    else:
        feed.refuses(transmission)


WIDE = {
    "all equal": (7, 7, 7),
    "all zero": (0, 0, 0),
    "one byte": (-128, 0, 127),
    "two bytes": (-129, 0, 128),
    "below zero": (-(2**40), -3, -1),
    "range of the type": (SMALLEST, 0, LARGEST),
    "smallest thrice": (SMALLEST, SMALLEST, SMALLEST),
    "largest thrice": (LARGEST, LARGEST, LARGEST),
    "largest is the median": (SMALLEST, LARGEST, LARGEST),
}


@pytest.mark.parametrize("values", WIDE.values(), ids=WIDE)
def test_every_width_is_read_right(deploy: Deploy, values: tuple[int, ...]) -> None:
    feed = deploy(answers=(SMALLEST, LARGEST))
    feed.transmit(feed.signed(values=values))
    assert feed.contract.read("latestAnswer") == values[1]


def test_wider_numbers_than_needed_are_the_signers_business(feed: Feed) -> None:
    report = OBSERVED_AT.to_bytes(4, "big") + bytes((3, 24, 24, 0, 1, 2))
    report += (5).to_bytes(24, "big") + (1).to_bytes(24, "big") + (2).to_bytes(24, "big")
    feed.transmit(feed.signed(report=report))
    assert feed.contract.read("latestAnswer") == 6


def test_median_beyond_its_type_is_out_of_range(deploy: Deploy) -> None:
    """The sum of two numbers of 24 bytes need not be one: it is not cut, but refused."""
    feed = deploy(answers=(SMALLEST, LARGEST))
    head = OBSERVED_AT.to_bytes(4, "big") + bytes((2, 24, 24, 0, 1))
    for difference, answer in ((1, LARGEST + 1), (2**192 - 1, LARGEST + 2**192 - 1)):
        report = head + LARGEST.to_bytes(24, "big") + difference.to_bytes(24, "big")
        assert feed.refuses(feed.signed(report=report)) == ("AnswerOutOfRange", (answer, SMALLEST, LARGEST))


# ------------------------------------------------------------------------------------------------- T10


@pytest.mark.parametrize(
    ("count", "error"), [(0, ("TooFewObservations", (0, 2))), (255, ("TooManyObservations", (255, 31)))]
)
def test_absurd_count_is_refused(feed: Feed, count: int, error: tuple[str, tuple]) -> None:
    report = changed(feed.encode(feed.report()), COUNT, count)
    assert feed.refuses(feed.signed(report=report)) == error


# ------------------------------------------------------------------------------------------------- T13


def test_first_complaint_is_the_cheapest(deploy: Deploy) -> None:
    """Transmissions with everything wrong, mended one thing at a time, in the order of checks."""
    feed = deploy(7, max_age=60)
    feed.transmit(feed.signed(2, 2, observed_at=feed.chain.next_timestamp))
    sender = feed.transmitter

    def complaint(transmission: PackedTransmission, key: bytes, tail: bytes = b"") -> str:
        return feed.contract.reverts(key, transmission.calldata + tail)[0]

    too_few = encode_report(feed.report([MAX_ANSWER + 1] * 2))
    odd = changed(encode_report(feed.report([MAX_ANSWER + 1] * 3)), DIFFERENCE_WIDTH, 25)
    too_high = encode_report(feed.report([MAX_ANSWER + 1] * 3))
    old = encode_report(feed.report([MAX_ANSWER] * 3))
    twice = (0, 0, 1)
    assert complaint(feed.signed(2, 2, report=too_few, signers=twice), OUTSIDER, b"0") == "StaleReport"
    bad = feed.signed(2, 3, report=too_few, signers=twice)
    assert complaint(bad, OUTSIDER, b"0") == "UnauthorizedTransmitter"
    assert complaint(bad, sender, b"0") == "TooFewObservations"
    assert complaint(feed.signed(2, 3, report=odd, signers=twice), sender, b"0") == "WidthsOutOfRange"
    bad = feed.signed(2, 3, report=too_high, signers=twice)
    assert complaint(bad, sender, b"0") == "CalldataLengthMismatch"
    assert complaint(bad, sender) == "DuplicateSigner"
    assert complaint(feed.signed(2, 3, report=too_high), sender) == "AnswerOutOfRange"
    assert complaint(feed.signed(2, 3, report=old), sender) == "ReportTooOld"


# -------------------------------------------------------------------------------------------------- V3


@given(
    timestamp=st.integers(0, 2**32 - 1),
    values=st.lists(st.integers(SMALLEST, LARGEST) | st.integers(-300, 300), min_size=1, max_size=31).map(
        sorted
    ),
    data=st.data(),
)
@QUICK
def test_reference_codec_takes_back_what_it_makes(
    timestamp: int, values: list[int], data: st.DataObject
) -> None:
    observers = tuple(data.draw(st.permutations(range(31)))[: len(values)])
    encoded = encode_report(Report(timestamp, observers, tuple(values), JUELS))
    assert decode_report(encoded) == (timestamp, observers, tuple(values))
    for wrong in (encoded[:-1], encoded + b"\0"):
        with pytest.raises(ValueError, match=r"report|header"):
            decode_report(wrong)


def test_bytes_of_the_example() -> None:
    """The one that docs/contract-b.md shows."""
    report = Report(0x6553F100, (2, 0, 3, 1), (-2, 5, 5, 300), JUELS)
    transmission = PackedTransmission(bytes(31) + b"\1", 7, 3, encode_report(report), ())
    assert SELECTOR.hex() == "d6d3cbeb"
    assert transmission.report.hex() == "6553f10004010202000301fe00070007012e"
    assert transmission.message.hex() == "00" * 31 + "01" + "0000000703" + transmission.report.hex()
    assert transmission.message_hash.hex() == (
        "aac0344585bf87a22e3077018b1f15cebaab43eca9911225c78ea44f6d660d91"
    )
    signature = compact(sign(b"\1" * 32, transmission.message_hash))
    assert signature.hex() == (
        "d2b20f2e98cee44903e35d8d054a9fdfc516a7883e3c7c10671c7c32252ecc30"
        "9b651058adf254c6464f99945214a341d37bdb9204f786f5d228fc8739519691"
    )
