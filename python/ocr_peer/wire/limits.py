"""Size limits of messages, and which broadcasts are worth relaying (libocr `ocr2/protocol/message.go`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from ocr_peer.protocol.config import CommitteeConfig, OracleId
from ocr_peer.protocol.finalizer import certificate_fault
from ocr_peer.protocol.messages import (
    Final,
    FinalEcho,
    Message,
    NewEpoch,
    Observe,
    ObserveReq,
    Report,
    ReportReq,
)
from ocr_peer.protocol.plugin import Attestation, SizeLimits
from ocr_peer.wire.codec import Undecodable, decode_message

__all__ = ["max_length", "max_message_bytes", "oversize", "relay_check"]

_OVERHEAD = 256
_SIGNATURE_OVERHEAD = 64


def max_length(message: Message, n: int, limits: SizeLimits) -> int:
    """Most bytes that a message of this kind may take on the wire in a committee of n."""
    match message:
        case NewEpoch():
            return _OVERHEAD
        case ObserveReq():
            return limits.query + _OVERHEAD
        case Observe():
            return limits.observation + _OVERHEAD
        case ReportReq():
            return limits.query + (limits.observation + _SIGNATURE_OVERHEAD) * n + _OVERHEAD
        case Report():
            return limits.report + _SIGNATURE_OVERHEAD + _OVERHEAD
        case Final() | FinalEcho():
            return limits.report + (_SIGNATURE_OVERHEAD + 1) * n + _OVERHEAD
        case _:
            assert_never(message)


def max_message_bytes(n: int, limits: SizeLimits) -> int:
    """The largest of all kinds: what a transport has to carry."""
    report_req = limits.query + (limits.observation + _SIGNATURE_OVERHEAD) * n
    final = limits.report + (_SIGNATURE_OVERHEAD + 1) * n
    return max(report_req, final, limits.report + _SIGNATURE_OVERHEAD) + _OVERHEAD


def oversize(message: Message, length: int, n: int, limits: SizeLimits) -> bool:
    """Whether a message of `length` bytes is too long for its kind."""
    return length > max_length(message, n, limits)


def relay_check(
    config: CommitteeConfig, attestation: Attestation, limits: SizeLimits
) -> Callable[[OracleId, bytes], bool]:
    """The test that a broadcast passes before a network relays it: pure, quick, never raises.

    A `Final` must certify itself here, because relaying it stands in for `FinalEcho`: what does not
    verify dies at the first honest hop. The other kinds are checked by the oracle that handles them.
    """

    def worth_relaying(author: OracleId, payload: bytes) -> bool:
        message = decode_message(payload)
        if isinstance(message, Undecodable) or oversize(message, len(payload), config.n, limits):
            return False
        match message:
            case NewEpoch() | ObserveReq() | ReportReq():
                return True
            case Final():
                return certificate_fault(message, config, attestation) is None
            case _:
                # What has one addressee is not broadcast, and echoes are what relaying replaces.
                return False

    return worth_relaying
