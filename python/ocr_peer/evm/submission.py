"""What a caller of the transmitter hears of its errand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Submission", "SubmitOutcome"]


class SubmitOutcome(StrEnum):
    """What became of a submission."""

    HANDED_OVER = "handed_over"
    """Saved, and sent or about to be."""
    ALREADY_IN_FLIGHT = "already_in_flight"
    """The same errand is on its way, or in a block that may yet vanish."""
    OVERTAKEN = "overtaken"
    """Another oracle was first; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The outcome, with the transaction where there is one."""

    outcome: SubmitOutcome
    transaction_hash: bytes | None
