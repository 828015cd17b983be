"""The seven messages between oracles (libocr `internal/ocr2/protocol/message.go`). Bytes: `ocr_peer.wire`."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_peer.protocol.report import AttributedObservation, AttributedSignature

__all__ = ["Final", "FinalEcho", "Message", "NewEpoch", "Observe", "ObserveReq", "Report", "ReportReq"]


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The sender wishes to enter `epoch`."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ObserveReq:
    """The leader asks for freshly signed observations."""

    epoch: int
    round: int
    query: bytes


@dataclass(frozen=True, slots=True)
class Observe:
    """A follower's signed observation, to the leader only."""

    epoch: int
    round: int
    observation: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ReportReq:
    """The leader's collected observations; followers rebuild the report from them."""

    epoch: int
    round: int
    query: bytes
    observations: tuple[AttributedObservation, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A follower's signature on the report it built, or its wish to skip; to the leader only."""

    epoch: int
    round: int
    skip: bool
    report: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Final:
    """The leader's attested report; certifies itself."""

    epoch: int
    round: int
    extra_hash: bytes
    report: bytes
    signatures: tuple[AttributedSignature, ...]


@dataclass(frozen=True, slots=True)
class FinalEcho:
    """Another oracle's copy of a `Final`, so that a leader cannot keep it from some."""

    final: Final


Message = NewEpoch | ObserveReq | Observe | ReportReq | Report | Final | FinalEcho
