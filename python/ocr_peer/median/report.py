"""A median report's bytes in either format: what they say, and how long they may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_peer import crypto
from ocr_peer.median.config import decode_int192
from ocr_peer.protocol.config import ReportFormat

__all__ = ["MedianReport", "decode_report", "encode_report", "max_report_bytes"]


@dataclass(frozen=True, slots=True)
class MedianReport:
    """What a report says."""

    timestamp: int
    """Unix seconds: the median of the observers' clocks."""
    observers: tuple[int, ...]
    """Oracle id of each observation."""
    observations: tuple[int, ...]
    """Ascending, if an honest oracle signed the report."""

    @property
    def median(self) -> int:
        """The answer that the aggregator takes: the middle observation."""
        return self.observations[len(self.observations) // 2]


def encode_report(
    observations: Sequence[tuple[int, bytes, bytes, int]], report_format: ReportFormat
) -> bytes:
    """The report over (timestamp, int192 value, int192 juels per fee coin, observer)."""
    if report_format is ReportFormat.PACKED:
        return crypto.encode_packed_report(observations)
    return crypto.encode_report(observations)


def decode_report(report: bytes, report_format: ReportFormat) -> MedianReport:
    """What a report says.

    Raises:
        ValueError: not a report of this format; the message names the part at fault.
    """
    if report_format is ReportFormat.PACKED:
        timestamp, observers, observations = crypto.decode_packed_report(report)
    else:
        timestamp, observers, observations, _juels = crypto.decode_report(report)
    return MedianReport(timestamp, tuple(observers), tuple(map(decode_int192, observations)))


def max_report_bytes(n: int, report_format: ReportFormat) -> int:
    """Length of the longest report that n honest oracles make."""
    if report_format is ReportFormat.PACKED:
        # Head, observers, and at worst 24 bytes for the smallest and for each difference.
        return 7 + n + 24 * n
    return 160 + 32 * n
