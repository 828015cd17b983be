"""What an oracle asks of its surroundings, in order.

A driver carries effects out in the order given and awaits each `Persist` before the next: that is the
whole of "no vote leaves before its record is durable".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ocr_peer.protocol.config import Duration, Instant, OracleId
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import Message
from ocr_peer.protocol.report import AttestedReport, RoundTag

__all__ = [
    "Broadcast",
    "ChainReadPurpose",
    "ChainReadTag",
    "Effect",
    "FollowerRecord",
    "Milestone",
    "MilestoneKind",
    "Observe",
    "PacemakerRecord",
    "PeerFault",
    "PendingTransmission",
    "Persist",
    "ReadChain",
    "Record",
    "Send",
    "SettledTransmission",
    "Transmit",
]


@dataclass(frozen=True, slots=True)
class PacemakerRecord:
    """Where the pacemaker stands; replaces the previous one."""

    epoch: int
    highest_wished_epoch: int
    wishes: tuple[int, ...]
    """Highest epoch that each oracle has wished for, by oracle id."""


@dataclass(frozen=True, slots=True)
class FollowerRecord:
    """The highest round in which this oracle signed an observation and a report; replaces the previous one."""

    epoch: int
    observed_round: int
    """0 before the first of the epoch."""
    reported_round: int


@dataclass(frozen=True, slots=True)
class PendingTransmission:
    """A final report that this oracle may still have to transmit; keyed by its round."""

    report: AttestedReport
    finalized_at: Instant
    due: Instant
    attempt: int
    """0 for the schedule's own turn, 1 and 2 for the rotated repeats."""


@dataclass(frozen=True, slots=True)
class SettledTransmission:
    """The pending transmission of `tag` is done with: on chain, overtaken or expired."""

    tag: RoundTag


Record = PacemakerRecord | FollowerRecord | PendingTransmission | SettledTransmission | Evidence
"""Evidence is kept for people; no later decision of the protocol reads it."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Make `record` durable before any later effect is carried out."""

    record: Record


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one other oracle; best effort."""

    to: OracleId
    message: Message


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to all *other* oracles; best effort. The own copy has been handled already."""

    message: Message


@dataclass(frozen=True, slots=True)
class Observe:
    """Observe the data source for the round; answer with `ObservationMade` within `timeout`."""

    tag: RoundTag
    timeout: Duration


class ChainReadPurpose(StrEnum):
    """Which decision waits for the chain's state."""

    REPORT = "report"
    ACCEPT = "accept"
    TRANSMIT = "transmit"


@dataclass(frozen=True, slots=True)
class ChainReadTag:
    """Identifies one outstanding read; a late answer is recognised by comparison."""

    purpose: ChainReadPurpose
    round: RoundTag
    generation: int


@dataclass(frozen=True, slots=True)
class ReadChain:
    """Read the aggregator's state; answer with `ChainRead` within `timeout`, with `None` if it failed."""

    tag: ChainReadTag
    timeout: Duration


@dataclass(frozen=True, slots=True)
class Transmit:
    """Bring the report on chain."""

    report: AttestedReport
    stage: int
    attempt: int


@dataclass(frozen=True, slots=True)
class PeerFault:
    """`oracle` broke a rule of the protocol; to be counted, never raised."""

    oracle: OracleId
    reason: str


class MilestoneKind(StrEnum):
    """Steps of a round worth telling to people."""

    EPOCH_ENTERED = "epoch_entered"
    ROUND_STARTED = "round_started"
    OBSERVATION_REQUESTED = "observation_requested"
    OBSERVATION_SENT = "observation_sent"
    OBSERVATION_FAILED = "observation_failed"
    REPORT_REQUESTED = "report_requested"
    REPORT_SIGNED = "report_signed"
    REPORT_SKIPPED = "report_skipped"
    ROUND_ABANDONED = "round_abandoned"
    FINALIZED = "finalized"
    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not_accepted"
    TRANSMISSION_DUE = "transmission_due"
    TRANSMISSION_SETTLED = "transmission_settled"


@dataclass(frozen=True, slots=True)
class Milestone:
    """A step that was reached; for the journal, metrics and views. Never feeds back into the protocol."""

    kind: MilestoneKind
    tag: RoundTag
    detail: tuple[tuple[str, int | str | tuple[int, ...]], ...] = ()


Effect = Persist | Send | Broadcast | Observe | ReadChain | Transmit | PeerFault | Milestone
