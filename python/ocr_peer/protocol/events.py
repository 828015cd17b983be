"""Everything that an oracle can be told."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_peer.protocol.config import ConfigDigest, Instant, OracleId
from ocr_peer.protocol.effects import ChainReadTag, FollowerRecord, PacemakerRecord, PendingTransmission
from ocr_peer.protocol.messages import Message
from ocr_peer.protocol.report import RoundTag

__all__ = [
    "ChainRead",
    "ChainView",
    "Event",
    "MessageReceived",
    "ObservationMade",
    "Start",
    "StoredState",
    "TimeAdvanced",
    "TransmissionRefused",
]


@dataclass(frozen=True, slots=True)
class ChainView:
    """The aggregator's state at one moment, as one oracle read it."""

    config_digest: ConfigDigest
    epoch: int
    round: int
    """(epoch, round) of the latest transmission; (0, 0) right after `setConfig`."""
    answer: int
    timestamp: int
    """Unix seconds of the latest transmission's block."""
    requested_digest: ConfigDigest | None
    requested_epoch: int
    requested_round: int
    """What the latest `RoundRequested` event asked for, if one was found."""
    read_at: Instant
    """The reader's wall clock at the time of reading, nanoseconds since the Unix epoch."""

    @property
    def tag(self) -> RoundTag:
        """(epoch, round) as an ordered pair."""
        return RoundTag(self.epoch, self.round)


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the store holds of an earlier run under the same config digest."""

    pacemaker: PacemakerRecord | None = None
    follower: FollowerRecord | None = None
    pending: tuple[PendingTransmission, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """The first event. `chain` is a best-effort read, `None` when the chain did not answer in time."""

    state: StoredState
    chain: ChainView | None


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A decoded message from another oracle, its sender authenticated by the network."""

    sender: OracleId
    message: Message


@dataclass(frozen=True, slots=True)
class TimeAdvanced:
    """Time has reached `next_deadline()`, or just passed."""


@dataclass(frozen=True, slots=True)
class ObservationMade:
    """Answers `Observe`: the encoded observation, or `None` when the source failed or was too slow."""

    tag: RoundTag
    observation: bytes | None


@dataclass(frozen=True, slots=True)
class ChainRead:
    """Answers `ReadChain`; `None` when the chain could not be read in time."""

    tag: ChainReadTag
    view: ChainView | None


@dataclass(frozen=True, slots=True)
class TransmissionRefused:
    """The contract will never take the report of this round from this oracle, on chain or not."""

    tag: RoundTag


Event = Start | MessageReceived | TimeAdvanced | ObservationMade | ChainRead | TransmissionRefused
