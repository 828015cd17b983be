"""What an oracle's disk holds."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_peer.protocol.effects import (
    FollowerRecord,
    PacemakerRecord,
    PendingTransmission,
    Record,
    SettledTransmission,
)
from ocr_peer.protocol.events import StoredState
from ocr_peer.protocol.evidence import Evidence

__all__ = ["written"]


def written(state: StoredState, records: Sequence[Record]) -> StoredState:
    """The state after one transaction; the same outcome as `ocr_peer.store` has."""
    for record in records:
        match record:
            case PacemakerRecord():
                state = StoredState(record, state.follower, state.pending)
            case FollowerRecord():
                state = StoredState(state.pacemaker, record, state.pending)
            case PendingTransmission(report):
                tag = report.context.tag
                others = (item for item in state.pending if item.report.context.tag != tag)
                pending = sorted((*others, record), key=lambda item: item.report.context.tag)
                state = StoredState(state.pacemaker, state.follower, tuple(pending))
            case SettledTransmission(tag):
                kept = tuple(item for item in state.pending if item.report.context.tag != tag)
                state = StoredState(state.pacemaker, state.follower, kept)
            case Evidence():
                # Kept for people; a restart reads nothing of it.
                pass
    return state
