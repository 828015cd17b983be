"""How long a message may be, by kind, and which broadcasts a network relays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocr_peer.protocol.config import OracleId, ReportFormat
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
from ocr_peer.protocol.plugin import SizeLimits
from ocr_peer.protocol.report import RoundTag
from ocr_peer.wire.codec import encode_message
from ocr_peer.wire.limits import max_length, max_message_bytes, oversize, relay_check
from tests.protocol.committee import committee_config
from tests.protocol.machines import ReadableKeys, attested

CONFIG = committee_config(4, 1)
LIMITS = SizeLimits(query=1000, observation=2000, report=4000)
REPORT = attested(CONFIG, RoundTag(1, 1))
FINAL = Final(1, 1, REPORT.context.extra_hash, REPORT.report, REPORT.signatures)
SIGNATURE = 64


@pytest.mark.parametrize(
    ("message", "length"),
    [
        (NewEpoch(1), 256),
        (ObserveReq(1, 1, b""), 1000 + 256),
        (Observe(1, 1, b"", b""), 2000 + 256),
        (ReportReq(1, 1, b"", ()), 1000 + 7 * (2000 + SIGNATURE) + 256),
        (Report(1, 1, skip=False, report=b"", signature=b""), 4000 + SIGNATURE + 256),
        (FINAL, 4000 + 7 * (SIGNATURE + 1) + 256),
        (FinalEcho(FINAL), 4000 + 7 * (SIGNATURE + 1) + 256),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_has_its_limit(message: Message, length: int) -> None:
    assert max_length(message, 7, LIMITS) == length
    assert not oversize(message, length, 7, LIMITS)
    assert oversize(message, length + 1, 7, LIMITS)


@pytest.mark.parametrize(
    ("n", "limits", "expected"),
    [
        (7, LIMITS, 1000 + 7 * 2064 + 256),  # a report request
        (7, replace(LIMITS, observation=0, report=40_000), 40_000 + 7 * 65 + 256),  # a final
        (0, replace(LIMITS, query=0), 4000 + 64 + 256),  # a report
        (4, SizeLimits(9000, 0, 0), 9000 + 4 * 64 + 256),
    ],
)
def test_a_transport_carries_the_longest_kind(n: int, limits: SizeLimits, expected: int) -> None:
    assert max_message_bytes(n, limits) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (NewEpoch(1), True),
        (ObserveReq(1, 1, b""), True),
        (ReportReq(1, 1, b"", ()), True),
        (FINAL, True),
        (replace(FINAL, signatures=FINAL.signatures[:1]), False),
        (replace(FINAL, epoch=2), False),
        (Observe(1, 1, b"", b""), False),
        (Report(1, 1, skip=False, report=b"", signature=b""), False),
        (FinalEcho(FINAL), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_broadcasts_that_hold_are_relayed(message: Message, expected: bool) -> None:
    check = relay_check(CONFIG, ReadableKeys(0), LIMITS)
    assert check(OracleId(1), encode_message(message)) is expected


def test_an_extra_hash_that_nobody_signed_is_not_relayed() -> None:
    packed = replace(CONFIG, report_format=ReportFormat.PACKED)
    check = relay_check(packed, ReadableKeys(0), LIMITS)
    assert check(OracleId(1), encode_message(FINAL))
    assert not check(OracleId(1), encode_message(replace(FINAL, extra_hash=b"\1" * 32)))


def test_what_does_not_decode_or_is_too_long_is_not_relayed() -> None:
    check = relay_check(CONFIG, ReadableKeys(0), LIMITS)
    assert not check(OracleId(1), b"\xff")
    assert not check(OracleId(1), b"")
    payload = encode_message(NewEpoch(1))
    padding = b"\x4a\x80\x02" + bytes(256)  # an unknown field
    assert check(OracleId(1), payload + b"\x4a\x7f" + bytes(127))
    assert not check(OracleId(1), payload + padding)
