"""Observation bodies and the reports they lead to: `ocr2_median_observation_malleable`, `…_report_full_path`."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_peer import crypto
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import UINT8_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.protocol.config import MAX_ORACLES

__all__ = ["attributed_bodies", "committee_size", "decodable", "run_full_path", "run_observation_malleable"]

_OBSERVER = 9
"""Who made the one observation of a malleable case, unless the case says otherwise."""

Decoded = tuple[int, bytes, bytes, int]
"""Timestamp, value, juels per fee coin, observer."""


def run_observation_malleable(case: Record, keys: KnownKeys) -> None:
    """One case: an oddly encoded body, and the report over it alone, or that it is left out."""
    observer = case.small("observer", high=UINT8_MAX) if case.has("observer") else _OBSERVER
    left_out = case.flag("dropped") if case.has("dropped") else False
    bodies = decodable([(case.octets("observation"), observer)])
    if left_out:
        if case.has("report"):
            raise case.malformed("report", "there is a report although the body is dropped", "state one")
        case.equal("dropped", expected=True, got=not bodies)
        return
    case.expect_octets("report", crypto.encode_report(bodies) if bodies else None)


def run_full_path(case: Record, keys: KnownKeys) -> None:
    """One case: the report of the whole plugin, four sorts, and that of the encoder alone, three sorts."""
    committee_size(case)
    attributed = attributed_bodies(case, most=MAX_ORACLES)
    case.expect_small("k", len(attributed), high=MAX_ORACLES)
    bodies = decodable(attributed)
    whole, alone = (
        crypto.encode_report(bodies, codec_only=codec_only) if bodies else None
        for codec_only in (False, True)
    )
    case.expect_octets("report", whole)
    case.expect_octets("buildreport_alone", alone)
    case.expect_flag("same", whole == alone)


def committee_size(case: Record) -> tuple[int, int]:
    """The case's n and f, n > 3f."""
    n = case.small("n", low=1, high=MAX_ORACLES)
    return n, case.small("f", high=(n - 1) // 3)


def attributed_bodies(case: Record, *, most: int) -> list[tuple[bytes, int]]:
    """(observation, observer) in the order of the request; observers below `most`, none twice."""
    name = "attributed_observations"
    found: list[tuple[bytes, int]] = []
    seen: set[int] = set()
    for item in case.records(name, most=MAX_ORACLES):
        observer = item.small("observer", high=most - 1)
        if observer in seen:
            raise item.malformed("observer", "observes twice", "attribute one observation to an oracle")
        seen.add(observer)
        found.append((item.octets("observation"), observer))
    if not found:
        raise case.malformed(name, "no observation", "list at least one")
    return found


def decodable(bodies: Sequence[tuple[bytes, int]]) -> list[Decoded]:
    """What of (observation, observer) goes into a report."""
    found: list[Decoded] = []
    for body, observer in bodies:
        decoded = crypto.decode_observation(body)
        if decoded is not None:
            timestamp, value, juels, _gas_price = decoded
            found.append((timestamp, value, juels, observer))
    return found
