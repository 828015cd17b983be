"""`ocr2_median_config`: the plugin's two configurations, its number format, and the deviation rule."""

from __future__ import annotations

from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import INT64_MAX, UINT64_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.errors import InputError
from ocr_peer.median.config import (
    INT192_MAX,
    INT192_MIN,
    MedianLimits,
    MedianOffchainConfig,
    decode_int192,
    encode_int192,
)
from ocr_peer.median.policy import deviates
from ocr_peer.protocol.config import Duration

__all__ = ["run_deviation", "run_offchain", "run_onchain", "run_value"]


def run_deviation(case: Record, keys: KnownKeys) -> None:
    """Whether a new value differs enough from the old one."""
    got = deviates(
        case.wide("threshold_ppb", high=UINT64_MAX),
        case.wide("old", low=INT192_MIN, high=INT192_MAX),
        case.wide("new", low=INT192_MIN, high=INT192_MAX),
    )
    case.expect_flag("deviates", got)


def run_offchain(case: Record, keys: KnownKeys) -> None:
    """`reporting_plugin_config`, both ways."""
    config = MedianOffchainConfig(
        alpha_report_infinite=case.flag("alpha_report_infinite"),
        alpha_report_ppb=case.wide("alpha_report_ppb", high=UINT64_MAX),
        alpha_accept_infinite=case.flag("alpha_accept_infinite"),
        alpha_accept_ppb=case.wide("alpha_accept_ppb", high=UINT64_MAX),
        delta_c=Duration(case.wide("delta_c_ns", high=INT64_MAX)),
    )
    case.expect_octets("encoded", config.encode())
    try:
        got = MedianOffchainConfig.decode(case.octets("encoded"))
    except InputError as error:
        case.equal("encoded (read)", "readable", str(error))
        return
    case.expect_flag("alpha_report_infinite", got.alpha_report_infinite)
    case.expect_wide("alpha_report_ppb", got.alpha_report_ppb, high=UINT64_MAX)
    case.expect_flag("alpha_accept_infinite", got.alpha_accept_infinite)
    case.expect_wide("alpha_accept_ppb", got.alpha_accept_ppb, high=UINT64_MAX)
    case.expect_wide("delta_c_ns", got.delta_c, high=INT64_MAX)


def run_onchain(case: Record, keys: KnownKeys) -> None:
    """`onchainConfig`, both ways."""
    limits = MedianLimits(
        case.wide("min", low=INT192_MIN, high=INT192_MAX), case.wide("max", low=INT192_MIN, high=INT192_MAX)
    )
    case.expect_octets("encoded", limits.encode())
    try:
        got = MedianLimits.decode(case.octets("encoded"))
    except InputError as error:
        case.equal("encoded (read)", "readable", str(error))
        return
    case.expect_wide("min", got.minimum, low=INT192_MIN, high=INT192_MAX)
    case.expect_wide("max", got.maximum, low=INT192_MIN, high=INT192_MAX)


def run_value(case: Record, keys: KnownKeys) -> None:
    """An int192, both ways."""
    value = case.wide("value", low=INT192_MIN, high=INT192_MAX)
    case.expect_octets("encoded", encode_int192(value), length=24)
    case.expect_wide("value", decode_int192(case.octets("encoded")), low=INT192_MIN, high=INT192_MAX)
