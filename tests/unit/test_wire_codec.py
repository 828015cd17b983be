"""What Go's decoder makes of odd bytes, rule by rule; whole messages are in the vectors."""

from __future__ import annotations

import pytest

from ocr_peer.protobuf import bytes_field as sub
from ocr_peer.protobuf import varint_field
from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.messages import (
    Final,
    FinalEcho,
    Message,
    NewEpoch,
    Observe,
    ObserveReq,
    Report,
    ReportReq,
)
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message

H = bytes(range(32))


def varint(number: int, value: int) -> bytes:
    """Written even when zero."""
    return varint_field(number, value) or bytes([number << 3, 0])


HEAD = varint(1, 7) + varint(2, 5)
SIGNED = sub(1, b"seen") + sub(2, b"signature")
SIGNATURE = sub(1, b"signed") + varint(2, 3)
ATTESTED = sub(3, b"report") + sub(4, SIGNATURE)
FINAL = HEAD + sub(4, H) + sub(5, ATTESTED)
AS_FINAL = Final(7, 5, H, b"report", (AttributedSignature(b"signed", OracleId(3)),))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (sub(2, varint(1, 7)), NewEpoch(7)),
        (sub(3, HEAD + sub(3, b"query")), ObserveReq(7, 5, b"query")),
        (sub(4, HEAD + sub(3, SIGNED)), Observe(7, 5, b"seen", b"signature")),
        (
            sub(5, HEAD + sub(3, b"q") + sub(4, sub(1, SIGNED) + varint(2, 3))),
            ReportReq(7, 5, b"q", (AttributedObservation(b"seen", b"signature", OracleId(3)),)),
        ),
        (
            sub(6, HEAD + sub(3, varint(3, 1) + sub(4, b"r") + sub(5, b"s"))),
            Report(7, 5, skip=True, report=b"r", signature=b"s"),
        ),
        (sub(7, FINAL), AS_FINAL),
        (sub(8, sub(1, FINAL)), FinalEcho(AS_FINAL)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind(data: bytes, expected: Message) -> None:
    assert decode_message(data) == expected
    assert encode_message(expected) == data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # Integers are truncated.
        (sub(2, varint(1, 2**32 + 9)), NewEpoch(9)),
        (sub(2, varint(1, 2**32 - 1)), NewEpoch(2**32 - 1)),
        (sub(3, varint(1, 2**33) + varint(2, 256)), ObserveReq(0, 0, b"")),
        (sub(3, varint(2, 255)), ObserveReq(0, 255, b"")),
        (
            sub(5, sub(4, sub(1, b"") + varint(2, 256 + 255))),
            ReportReq(0, 0, b"", (AttributedObservation(b"", b"", OracleId(255)),)),
        ),
        (
            sub(7, varint(1, 2**32 + 2**32 - 1) + varint(2, 511) + sub(4, H) + sub(5, b"")),
            Final(2**32 - 1, 255, H, b"", ()),
        ),
        (
            sub(7, sub(4, H) + sub(5, sub(4, varint(2, 511)))),
            Final(0, 0, H, b"", (AttributedSignature(b"", OracleId(255)),)),
        ),
        # A bool is any non-zero varint.
        (sub(6, sub(3, varint(3, 2**63))), Report(0, 0, skip=True, report=b"", signature=b"")),
        (sub(6, sub(3, b"")), Report(0, 0, skip=False, report=b"", signature=b"")),
        # The last scalar wins.
        (sub(2, varint(1, 7) + varint(1, 0)), NewEpoch(0)),
        (sub(3, sub(3, b"a") + sub(3, b"")), ObserveReq(0, 0, b"")),
        # Unknown fields, and known ones of another type, are skipped.
        (varint(1, 5) + varint(2, 5) + sub(9, b"x") + sub(2, b""), NewEpoch(0)),
        (sub(2, sub(1, b"x") + b"\x0d\1\0\0\0" + varint(2, 4) + varint(1, 7)), NewEpoch(7)),
        (sub(2, b"\x09" + bytes(8)), NewEpoch(0)),
        (sub(3, varint(3, 9) + sub(2, b"x") + HEAD), ObserveReq(7, 5, b"")),
        (sub(4, varint(3, 9) + sub(3, b"")), Observe(0, 0, b"", b"")),
        (sub(5, varint(4, 9)), ReportReq(0, 0, b"", ())),
        # … wherever they stand.
        (sub(2, varint(1, 7) + b"\x0d\1\0\0\0" + b"\x09" + b"\1" * 8 + sub(1, b"x")), NewEpoch(7)),
        (sub(3, sub(3, b"query") + varint(3, 9) + b"\x1d\1\0\0\0"), ObserveReq(0, 0, b"query")),
        (sub(4, sub(3, SIGNED) + varint(3, 9)), Observe(0, 0, b"seen", b"signature")),
        (sub(5, sub(9, b"x") + varint(9, 1)), ReportReq(0, 0, b"", ())),
        (sub(2, varint(1, 7)) + varint(2, 9) + b"\x15\1\0\0\0", NewEpoch(7)),
        (sub(7, FINAL + sub(9, b"x")) + varint(7, 9), AS_FINAL),
        # Occurrences of an embedded message merge, within the oneof as well.
        (sub(4, sub(3, sub(1, b"a")) + sub(3, sub(2, b"b"))), Observe(0, 0, b"a", b"b")),
        (sub(3, varint(1, 7)) + sub(3, varint(2, 5)), ObserveReq(7, 5, b"")),
        (sub(8, sub(1, HEAD + sub(4, H))) + sub(8, sub(1, sub(5, ATTESTED))), FinalEcho(AS_FINAL)),
        # Items of a list do not.
        (
            sub(5, sub(4, sub(1, sub(1, b"a"))) + sub(4, sub(1, sub(2, b"b")))),
            ReportReq(
                0,
                0,
                b"",
                (
                    AttributedObservation(b"a", b"", OracleId(0)),
                    AttributedObservation(b"", b"b", OracleId(0)),
                ),
            ),
        ),
        # Another member of the oneof replaces the earlier one, for good.
        (sub(2, varint(1, 7)) + sub(3, b""), ObserveReq(0, 0, b"")),
        (sub(3, varint(1, 7)) + sub(2, varint(1, 8)) + sub(3, varint(2, 5)), ObserveReq(0, 5, b"")),
    ],
)
def test_odd_bytes_that_are_a_message(data: bytes, expected: Message) -> None:
    assert decode_message(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no known kind of message"),
        (varint(2, 5) + sub(9, b""), "no known kind of message"),
        (b"\xff", "not protobuf"),
        (sub(2, b"\x08"), "not protobuf"),
        (sub(2, b"\x08") + sub(3, b""), "not protobuf"),
        (sub(4, sub(3, b"\x0a\x05")), "not protobuf"),
        (sub(5, sub(4, b"\x10")), "not protobuf"),
        (sub(5, sub(4, sub(1, b"\x0a\x05"))), "not protobuf"),
        (sub(4, HEAD), "observe without signed_observation"),
        (sub(4, HEAD + varint(3, 1)), "observe without signed_observation"),
        (sub(5, sub(4, varint(2, 3))), "report_req with an observation without signed_observation"),
        (
            sub(5, sub(4, sub(1, SIGNED)) + sub(4, b"")),
            "report_req with an observation without signed_observation",
        ),
        (sub(6, HEAD), "report without attested_report"),
        (sub(7, HEAD + sub(5, ATTESTED)), "final with h of 0 bytes"),
        (sub(7, HEAD + sub(4, H[1:]) + sub(5, ATTESTED)), "final with h of 31 bytes"),
        (sub(7, HEAD + sub(4, H + H[:1]) + sub(5, ATTESTED)), "final with h of 33 bytes"),
        (sub(7, HEAD + sub(4, H)), "final without attested_report"),
        (sub(8, b""), "final_echo without final"),
        (sub(8, varint(1, 1)), "final_echo without final"),
        (sub(8, sub(1, b"")), "final with h of 0 bytes"),
    ],
)
def test_odd_bytes_that_are_none(data: bytes, reason: str) -> None:
    assert decode_message(data) == Undecodable(reason)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (NewEpoch(0), sub(2, b"")),
        (ObserveReq(0, 0, b""), sub(3, b"")),
        (Observe(0, 0, b"", b""), sub(4, sub(3, b""))),
        (ReportReq(0, 0, b"", (AttributedObservation(b"", b"", OracleId(0)),)), sub(5, sub(4, sub(1, b"")))),
        (Report(0, 0, skip=False, report=b"", signature=b""), sub(6, sub(3, b""))),
        (
            Final(0, 0, H, b"", (AttributedSignature(b"", OracleId(0)),)),
            sub(7, sub(4, H) + sub(5, sub(4, b""))),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_zeros_are_left_out_and_embedded_messages_are_not(message: Message, data: bytes) -> None:
    assert encode_message(message) == data
