"""Aggregator B's reports from the native module against the reference encoding of docs/contract-b.md."""

from __future__ import annotations

import ocr_crypto  # noqa: TID251  the module itself is under test, not the facade
import pytest
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts import packed as reference
from tests.contracts.signing import CURVE_ORDER, Report, Signature, recover, sign

INT192_MIN, INT192_MAX = -(2**191), 2**191 - 1
WHOLE = st.integers(INT192_MIN, INT192_MAX)
SHORT = st.integers(0, 23).flatmap(lambda width: st.integers(-(2 ** (8 * width)), 2 ** (8 * width)))
EDGES = st.sampled_from([-129, -128, -1, 0, 127, 128, 255, 256, 32_767, 32_768, INT192_MIN, INT192_MAX])
INT192 = WHOLE | SHORT | EDGES
UINT32 = st.integers(0, 2**32 - 1)
SCALARS = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
BYTES32 = st.binary(min_size=32, max_size=32)

Observation = tuple[int, int, int, int]
"""Timestamp, value, juels per fee coin, observer."""


def octets(number: int) -> bytes:
    return number.to_bytes(24, "big", signed=True)


def number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def native(observations: list[Observation]) -> list[tuple[int, bytes, bytes, int]]:
    return [
        (timestamp, octets(value), octets(juels), observer)
        for timestamp, value, juels, observer in observations
    ]


@st.composite
def observation_lists(draw: st.DrawFn, most: int = 31) -> list[Observation]:
    observers = draw(st.permutations(range(31)))[: draw(st.integers(1, most))]
    values = INT192 if draw(st.booleans()) else st.integers(-2, 2)
    return [(draw(UINT32), draw(values), draw(values), observer) for observer in observers]


@given(observation_lists())
def test_reports_are_the_references_over_the_order_of_ocr2(observations: list[Observation]) -> None:
    timestamp, observers, values, _juels = ocr_crypto.decode_report(
        ocr_crypto.encode_report(native(observations))
    )
    report = ocr_crypto.encode_packed_report(native(observations))
    expected = Report(timestamp, tuple(observers), tuple(map(number, values)), 0)
    assert report == reference.encode_report(expected)
    assert ocr_crypto.decode_packed_report(report) == (timestamp, observers, values)
    assert reference.decode_report(report) == (timestamp, expected.observers, expected.observations)


@given(observation_lists(most=12))
def test_up_to_twelve_observations_ties_are_stable(observations: list[Observation]) -> None:
    order = sorted(observations, key=lambda item: item[1])
    for index in (0, 2, 1):
        order.sort(key=lambda item: item[index])
    timestamps = sorted(item[0] for item in observations)
    expected = Report(
        timestamps[len(timestamps) // 2],
        tuple(item[3] for item in order),
        tuple(item[1] for item in order),
        0,
    )
    assert ocr_crypto.encode_packed_report(native(observations)) == reference.encode_report(expected)


@given(
    timestamp=UINT32,
    observers=st.binary(min_size=1, max_size=31),
    value_width=st.integers(1, 24),
    difference_width=st.integers(0, 24),
    data=st.data(),
)
def test_whatever_the_contract_takes_is_read(
    timestamp: int, observers: bytes, value_width: int, difference_width: int, data: st.DataObject
) -> None:
    count = len(observers)
    rest = value_width + (count - 1) * difference_width
    head = timestamp.to_bytes(4, "big") + bytes([count, value_width, difference_width])
    report = head + observers + data.draw(st.binary(min_size=rest, max_size=rest))
    time, seen, values = reference.decode_report(report)
    if max(values) > INT192_MAX:
        with pytest.raises(ValueError, match="difference is 0x"):
            ocr_crypto.decode_packed_report(report)
        return
    assert ocr_crypto.decode_packed_report(report) == (time, bytes(seen), [octets(value) for value in values])


@given(
    st.binary(max_size=100) | st.binary(min_size=5, max_size=40).map(lambda tail: b"time\x03\x02\x01" + tail)
)
def test_any_bytes_are_a_report_or_a_value_error(data: bytes) -> None:
    try:
        timestamp, observers, values = ocr_crypto.decode_packed_report(data)
    except ValueError as error:
        assert str(error).startswith("report is malformed: ")  # noqa: PT017 - the absence of an error is fine
        return
    assert reference.decode_report(data) == (timestamp, tuple(observers), tuple(map(number, values)))


@given(digest=BYTES32, epoch=UINT32, round_=st.integers(0, 255), report=st.binary(max_size=300), key=SCALARS)
def test_what_is_signed(digest: bytes, epoch: int, round_: int, report: bytes, key: bytes) -> None:
    signed = ocr_crypto.packed_signing_hash(digest, epoch, round_, report)
    assert signed == keccak(reference.message_of(digest, epoch, round_, report))
    signer = ocr_crypto.OnchainSigner(key)
    signature = signer.sign_packed_report(digest, epoch, round_, report)
    assert ocr_crypto.recover_address(signed, signature) == signer.address
    expected = sign(key, signed)
    assert signature == expected.r + expected.s + bytes([expected.v])
    assert ocr_crypto.compact_signature(signature) == reference.compact(expected)
    # Anybody can make the other signature of the same signer; it has the same compact form.
    other = expected.malleated
    assert ocr_crypto.compact_signature(other.r + other.s + bytes([other.v])) == reference.compact(expected)


@given(st.binary(min_size=64, max_size=64), st.integers(0, 3))
def test_compact_signatures_of_any_bytes(raw: bytes, v: int) -> None:
    compact = ocr_crypto.compact_signature(raw + bytes([v]))
    numbers = [int.from_bytes(half, "big") for half in (raw[:32], raw[32:])]
    if v > 1 or not all(1 <= half < CURVE_ORDER for half in numbers):
        assert compact is None
        return
    assert compact is not None
    low = int.from_bytes(compact[32:], "big") & ~(1 << 255)
    assert low in {numbers[1], CURVE_ORDER - numbers[1]}
    assert low <= CURVE_ORDER // 2
    given_one = Signature(raw[:32], raw[32:], v)
    compacted = Signature(compact[:32], low.to_bytes(32, "big"), compact[32] >> 7)
    try:
        signer = recover(b"\7" * 32, given_one)
    except ValueError:
        return
    assert recover(b"\7" * 32, compacted) == signer
