"""The journal: what happened in the latest rounds, for people and metrics. Nothing is decided by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ocr_peer.protocol.config import ConfigDigest, Instant
from ocr_peer.protocol.report import RoundTag
from ocr_peer.store.columns import Row, digest_text, read_bytes, read_int, read_text

__all__ = ["MAX_JOURNAL_ROWS", "JournalEntry", "entry", "entry_row"]

MAX_JOURNAL_ROWS = 100_000
"""The store keeps this many newest entries, over all feeds: some 20 MB, hours to days of rounds."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One step of one round."""

    config_digest: ConfigDigest
    tag: RoundTag
    at: Instant
    kind: str
    """A `MilestoneKind`, or a name of the same style."""
    detail: Mapping[str, object] = field(default_factory=dict)
    """Whatever JSON can hold; tuples come back as lists."""


def entry_row(seq: int, each: JournalEntry) -> Row:
    """Row of `journal`."""
    detail = json.dumps(dict(each.detail), separators=(",", ":"))
    return (seq, digest_text(each.config_digest), each.tag.epoch, each.tag.round, each.at, each.kind, detail)


def entry(row: Row) -> JournalEntry:
    """Entry of a row of `journal`; `ValueError` if it is damaged."""
    _, digest, epoch, round_, at, kind, detail = row
    parsed = json.loads(read_text(detail))
    if not isinstance(parsed, dict):
        raise ValueError(f"{detail!r} is not an object")  # noqa: TRY004 - damage, not a programming error
    tag = RoundTag(read_int(epoch), read_int(round_))
    return JournalEntry(ConfigDigest(read_bytes(digest)), tag, Instant(read_int(at)), read_text(kind), parsed)
