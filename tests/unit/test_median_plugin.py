"""When a median is worth a report, a transmission, or nothing: every condition alone, on both sides of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.median.config import (
    INT192_MAX,
    INT192_MIN,
    MedianLimits,
    MedianOffchainConfig,
    decode_int192,
    encode_int192,
)
from ocr_peer.median.plugin import MedianPlugin, report_median
from ocr_peer.median.policy import deviates
from ocr_peer.median.report import MedianReport, decode_report, encode_report
from ocr_peer.protocol.attestation import committee_keys
from ocr_peer.protocol.config import SECOND, ConfigDigest, Duration, Instant, OracleId, ReportFormat
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.report import (
    AttestedReport,
    AttributedObservation,
    BuiltReport,
    ReportContext,
    RequestRefused,
    RoundTag,
)
from tests.protocol.committee import committee_config, member_keys

NOW = 1_700_000_000
OTHER_DIGEST = ConfigDigest(b"\1" * 32)
TEN_PERCENT = 100_000_000
CONFIG = committee_config(
    4,
    1,
    onchain_config=MedianLimits(100, 2000).encode(),
    reporting_plugin_config=MedianOffchainConfig(
        False, TEN_PERCENT, False, TEN_PERCENT, Duration(60 * SECOND)
    ).encode(),
)
QUIET = ChainView(CONFIG.config_digest, 3, 2, 1000, NOW, None, 0, 0, Instant(NOW * SECOND))
"""Nothing is due: a fresh answer that is near."""


def plugin(**changes: Any) -> MedianPlugin:
    offchain = MedianOffchainConfig.decode(CONFIG.reporting_plugin_config)
    config = replace(CONFIG, reporting_plugin_config=replace(offchain, **changes).encode())
    return MedianPlugin(config, committee_keys(config))


def built(median: int) -> BuiltReport:
    return BuiltReport(b"", bytes(32), bytes(32), median, NOW, ())


def due(median: int = 1050, *, of: MedianPlugin | None = None, **chain: Any) -> bool:
    return (of or plugin()).should_report(RoundTag(3, 3), built(median), replace(QUIET, **chain))


def test_nothing_is_due_without_a_reason() -> None:
    assert not due()


@pytest.mark.parametrize(
    ("median", "expected"),
    [
        (99, False),
        (100, True),
        (899, True),
        (901, False),
        (1099, False),
        (1100, True),
        (2000, True),
        (2001, False),
    ],
)
def test_a_deviation_within_the_range(median: int, expected: bool) -> None:
    assert due(median) is expected


def test_an_infinite_threshold_reports_no_deviation() -> None:
    assert not due(2000, of=plugin(alpha_report_infinite=True))
    assert due(2000, of=plugin(alpha_accept_infinite=True))


def test_each_threshold_has_its_own_question() -> None:
    assert due(1001, of=plugin(alpha_report_ppb=1))
    assert not due(1001, of=plugin(alpha_accept_ppb=1))


def test_an_unreadable_chain_is_a_reason_within_the_range_only() -> None:
    assert plugin().should_report(RoundTag(3, 3), built(100), None)
    assert not plugin().should_report(RoundTag(3, 3), built(99), None)


@pytest.mark.parametrize(("late", "expected"), [(0, False), (1, True)])
def test_a_heartbeat_is_due_when_the_answer_is_older(late: int, expected: bool) -> None:
    assert due(read_at=Instant((NOW + 60) * SECOND + late)) is expected


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ({"epoch": 0, "round": 0}, True),
        ({"epoch": 0, "round": 1}, False),
        ({"epoch": 1, "round": 0}, False),
        ({"epoch": 0, "round": 0, "config_digest": OTHER_DIGEST}, False),
    ],
)
def test_the_first_report_of_a_configuration(chain: dict[str, Any], expected: bool) -> None:
    assert due(**chain) is expected


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ((CONFIG.config_digest, 3, 2), True),
        ((CONFIG.config_digest, 3, 1), False),
        ((CONFIG.config_digest, 3, 3), True),
        ((CONFIG.config_digest, 2, 9), False),
        ((CONFIG.config_digest, 4, 0), True),
        ((OTHER_DIGEST, 3, 3), False),
        ((None, 3, 3), False),
    ],
)
def test_a_requested_round(requested: tuple[ConfigDigest | None, int, int], expected: bool) -> None:
    digest, epoch, round_ = requested
    assert due(requested_digest=digest, requested_epoch=epoch, requested_round=round_) is expected


def report(epoch: int, round_: int, *medians: int) -> AttestedReport:
    body = crypto.encode_report(
        [(NOW, encode_int192(median), bytes(24), oracle) for oracle, median in enumerate(medians)]
    )
    return AttestedReport(ReportContext(CONFIG.config_digest, epoch, round_, bytes(32)), body, ())


@pytest.mark.parametrize(
    ("tag", "digest", "expected"),
    [
        ((3, 3), None, True),
        ((3, 2), None, False),
        ((3, 1), None, False),
        ((4, 1), None, True),
        ((4, 1), OTHER_DIGEST, False),
    ],
)
def test_only_what_is_newer_than_the_chain_is_accepted_and_transmitted(
    tag: tuple[int, int], digest: ConfigDigest | None, expected: bool
) -> None:
    chain = replace(QUIET, config_digest=digest or QUIET.config_digest)
    assert plugin().should_accept(report(*tag, 1000), chain, None) is expected
    assert plugin().should_transmit(report(*tag, 1000), chain) is expected


@pytest.mark.parametrize(
    ("last", "median", "expected"),
    [
        (report(3, 3, 1000), 1100, True),  # under way, and different enough
        (report(3, 3, 1000), 1099, False),
        (report(3, 2, 1000), 1000, True),  # on chain
        (report(3, 1, 1000), 1000, True),
        (report(3, 4, 1000), 1100, False),  # this very round
        (report(3, 5, 1000), 1100, False),
    ],
)
def test_a_report_is_accepted_beside_one_under_way_if_it_differs(
    last: AttestedReport, median: int, expected: bool
) -> None:
    assert plugin().should_accept(report(3, 4, median), QUIET, last) is expected


def test_an_infinite_threshold_accepts_nothing_beside_one_under_way() -> None:
    last, new = report(3, 3, 1000), report(3, 4, 2000)
    assert not plugin(alpha_accept_infinite=True).should_accept(new, QUIET, last)
    assert plugin(alpha_report_infinite=True).should_accept(new, QUIET, last)
    assert plugin(alpha_accept_ppb=1).should_accept(report(3, 4, 1001), QUIET, last)
    assert not plugin(alpha_report_ppb=1).should_accept(report(3, 4, 1001), QUIET, last)


@pytest.mark.parametrize(
    ("observations", "median"),
    [((5,), 5), ((1, 9), 9), ((1, 5, 9), 5), ((1, 2, 3, 4), 3), ((-9, -5, -1), -5)],
)
def test_the_answer_is_the_middle_observation(observations: tuple[int, ...], median: int) -> None:
    assert report_median(report(1, 1, *observations).report) == median


def packed(epoch: int, round_: int, *medians: int) -> AttestedReport:
    body = encode_report(
        [(NOW, encode_int192(median), bytes(24), oracle) for oracle, median in enumerate(medians)],
        ReportFormat.PACKED,
    )
    return AttestedReport(ReportContext(CONFIG.config_digest, epoch, round_, bytes(32)), body, ())


@pytest.mark.parametrize(("median", "expected"), [(1099, False), (1100, True)])
def test_packed_reports_are_compared_as_others_are(median: int, expected: bool) -> None:
    config = replace(CONFIG, report_format=ReportFormat.PACKED)
    packing = MedianPlugin(config, committee_keys(config))
    last, new = packed(3, 3, 999, 1000, 1001), packed(3, 4, 1, median, 10**6)
    assert report_median(new.report, ReportFormat.PACKED) == median
    assert packing.should_accept(new, QUIET, last) is expected


@pytest.mark.parametrize("infinite", [False, True])
def test_a_report_kept_from_before_the_job_named_another_format_is_no_obstacle(infinite: bool) -> None:
    config = replace(CONFIG, report_format=ReportFormat.PACKED)
    if infinite:
        offchain = MedianOffchainConfig.decode(config.reporting_plugin_config)
        config = replace(
            config, reporting_plugin_config=replace(offchain, alpha_accept_infinite=True).encode()
        )
    packing = MedianPlugin(config, committee_keys(config))
    assert packing.should_accept(packed(3, 4, 1000), QUIET, report(3, 3, 1000)) is not infinite
    assert (
        plugin(alpha_accept_infinite=infinite).should_accept(report(3, 4, 1000), QUIET, packed(3, 3, 1000))
        is not infinite
    )


def test_the_longest_report_of_a_format_is_within_its_limit_and_no_longer_one() -> None:
    ends = [INT192_MIN, *[INT192_MAX] * 30]
    for report_format, n in itertools.product(ReportFormat, (1, 4, 31)):
        config = committee_config(n, (n - 1) // 3, report_format=report_format)
        longest = encode_report(
            [(2**32 - 1, encode_int192(value), encode_int192(value), o) for o, value in enumerate(ends[:n])],
            report_format,
        )
        assert MedianPlugin(config, committee_keys(config)).limits.report == len(longest)


@pytest.mark.parametrize("report_format", list(ReportFormat))
def test_reports_read_back_the_same(report_format: ReportFormat) -> None:
    items = [(NOW + o, encode_int192(value), bytes(24), o) for o, value in enumerate((5, -7, 300))]
    said = decode_report(encode_report(items, report_format), report_format)
    assert said == MedianReport(NOW + 1, (1, 0, 2), (-7, 5, 300))
    assert said.median == 5
    with pytest.raises(ValueError, match="report is malformed"):
        decode_report(b"", report_format)


@pytest.mark.parametrize(
    ("threshold", "old", "new", "expected"),
    [
        (TEN_PERCENT, 0, 0, False),
        (TEN_PERCENT, 0, 1, True),
        (0, 0, 0, False),
        (0, 5, 5, True),
        (TEN_PERCENT, -1000, -1099, False),
        (TEN_PERCENT, -1000, -1100, True),
        (TEN_PERCENT, -1000, -900, True),
        (1, 1_000_000_000, 1_000_000_001, True),
        (1, 1_000_000_001, 1_000_000_002, False),
        (2, 1_000_000_000, 1_000_000_001, False),
        (TEN_PERCENT, 1, 1, False),
    ],
)
def test_deviation_is_exact_and_inclusive(threshold: int, old: int, new: int, expected: bool) -> None:
    assert deviates(threshold, old, new) is expected


def test_limits_of_sizes_follow_the_committee() -> None:
    limits = plugin().limits
    assert (limits.query, limits.observation, limits.report) == (0, 92, 160 + 32 * 4)


def test_a_refused_request_names_the_rule_and_whose_part_broke_it() -> None:
    refused = plugin().build_report(RoundTag(1, 1), b"", [])
    assert isinstance(refused, RequestRefused)
    assert refused.oracle is None
    body = crypto.encode_observation(NOW, encode_int192(1000), bytes(24))
    items = []
    for oracle in range(3):
        signer = crypto.OffchainSigner(member_keys(oracle).offchain)
        signature = signer.sign_observation(CONFIG.config_digest, 1, 1, b"", body)
        items.append(AttributedObservation(body, signature, OracleId(oracle)))
    assert not isinstance(plugin().build_report(RoundTag(1, 1), b"", items), RequestRefused)
    items[2] = replace(items[2], signature=bytes(64))
    refused = plugin().build_report(RoundTag(1, 1), b"", items)
    assert isinstance(refused, RequestRefused)
    assert refused.oracle == 2


@pytest.mark.parametrize("value", [INT192_MIN, -1, 0, 1, INT192_MAX])
def test_int192_round_trip(value: int) -> None:
    assert decode_int192(encode_int192(value)) == value


def test_int192_is_bounded() -> None:
    assert (INT192_MIN, INT192_MAX) == (-(2**191), 2**191 - 1)
    for value in (INT192_MIN - 1, INT192_MAX + 1):
        with pytest.raises(InputError, match="outside int192"):
            encode_int192(value)
    for length in (0, 23, 25):
        with pytest.raises(InputError, match="give 24 bytes"):
            decode_int192(bytes(length))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (MedianLimits(1, 2).encode()[:-1], "48 bytes"),
        (MedianLimits(1, 2).encode() + b"\0", "50 bytes"),
        (b"\0" + MedianLimits(1, 2).encode()[1:], "version 0"),
        (b"\2" + MedianLimits(1, 2).encode()[1:], "version 2"),
        (MedianLimits(2, 1).encode(), "min above max"),
    ],
)
def test_malformed_answer_ranges_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        MedianLimits.decode(data)


def test_an_answer_range_may_be_one_value() -> None:
    limits = MedianLimits.decode(MedianLimits(-5, -5).encode())
    assert [limits.contain(value) for value in (-6, -5, -4)] == [False, True, False]


ALL_SET = MedianOffchainConfig(True, 2, True, 4, Duration(5))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ALL_SET.encode(), ALL_SET),
        (b"", MedianOffchainConfig(False, 0, False, 0, Duration(0))),
        (b"\x08\x02", MedianOffchainConfig(True, 0, False, 0, Duration(0))),  # any non-zero is true
        (b"\x18\x07", MedianOffchainConfig(False, 0, True, 0, Duration(0))),
        (b"\x10\x02\x10\x03", MedianOffchainConfig(False, 3, False, 0, Duration(0))),  # the last wins
        (b"\x12\x01\x02", MedianOffchainConfig(False, 0, False, 0, Duration(0))),  # bytes are another field
        (b"\x15\x01\x00\x00\x00", MedianOffchainConfig(False, 0, False, 0, Duration(0))),  # so is fixed32
        (b"\x28" + b"\xff" * 8 + b"\x7f", MedianOffchainConfig(False, 0, False, 0, Duration(2**63 - 1))),
        (b"\x28" + b"\x80" * 9 + b"\x01", MedianOffchainConfig(False, 0, False, 0, Duration(-(2**63)))),
        (b"\x28" + b"\xff" * 9 + b"\x01", MedianOffchainConfig(False, 0, False, 0, Duration(-1))),
    ],
)
def test_the_plugins_configuration_is_read_as_go_reads_it(
    data: bytes, expected: MedianOffchainConfig
) -> None:
    assert MedianOffchainConfig.decode(data) == expected


def test_what_is_not_protobuf_is_refused() -> None:
    with pytest.raises(InputError, match="not protobuf"):
        MedianOffchainConfig.decode(b"\x08")
