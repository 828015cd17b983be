"""Messages between oracles: `ocr2_wire_messages` as they are written, `ocr2_wire_malleable` as they are read."""

from __future__ import annotations

from typing import Any, assert_never

from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import UINT8_MAX, UINT32_MAX, octets_of, small_of
from ocr_peer.conformance.record import Record
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
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message

__all__ = ["run_wire_malleable", "run_wire_message"]

_TYPES: dict[type[Message], str] = {
    NewEpoch: "new_epoch",
    ObserveReq: "observe_req",
    Observe: "observe",
    ReportReq: "report_req",
    Report: "report",
    Final: "final",
    FinalEcho: "final_echo",
}
_GO_TYPES = {f"Message{kind.__name__}": kind for kind in _TYPES}


def run_wire_message(case: Record, keys: KnownKeys) -> None:
    """One case: bytes that decode to a message of the named type, which is written as the same bytes."""
    octets, name = case.octets("bytes"), case.text("type")
    if name not in _GO_TYPES:
        raise case.malformed("type", "no type of message", f"write one of {', '.join(_GO_TYPES)}")
    decoded = case.record("decoded") if case.has("decoded") else None
    message = decode_message(octets)
    if isinstance(message, Undecodable):
        case.equal("bytes", name, f"undecodable: {message.reason}")
        return
    case.equal("type", name, f"Message{type(message).__name__}")
    case.equal("bytes", octets, encode_message(message))
    if decoded is not None:
        _expect_message(decoded, message)


def run_wire_malleable(case: Record, keys: KnownKeys) -> None:
    """One case: unusual bytes, and the message they are read as, or that they are refused."""
    octets = case.octets("raw")
    if case.has("error") == case.has("decoded"):
        raise case.malformed("decoded", "not exactly one of decoded and error", "state one of them")
    message = decode_message(octets)
    if case.has("error"):
        # The words are the other implementation's own; that there is a refusal is the rule.
        error = case.text("error")
        if not isinstance(message, Undecodable):
            case.equal("error", error, f"decoded as {_TYPES[type(message)]}")
        return
    decoded = case.record("decoded")
    if decoded.text("type") not in _TYPES.values():
        raise decoded.malformed("type", "no type of message", f"write one of {', '.join(_TYPES.values())}")
    if isinstance(message, Undecodable):
        case.equal("decoded.type", decoded.text("type"), f"undecodable: {message.reason}")
        return
    _expect_message(decoded, message)
    written = decode_message(encode_message(message))
    case.equal("raw (written anew and read)", str(message), str(written))


def _expect_message(decoded: Record, message: Message) -> None:
    decoded.expect_text("type", _TYPES[type(message)])
    if decoded.text("type") != _TYPES[type(message)]:
        return
    match message:
        case NewEpoch(epoch):
            decoded.expect_small("epoch", epoch, high=UINT32_MAX)
        case ObserveReq(epoch, round_, query):
            _expect_round(decoded, epoch, round_)
            decoded.expect_octets("query", query)
        case Observe(epoch, round_, observation, signature):
            _expect_round(decoded, epoch, round_)
            decoded.expect_octets("observation", observation)
            decoded.expect_octets("signature", signature)
        case ReportReq(epoch, round_, query, observations):
            _expect_round(decoded, epoch, round_)
            decoded.expect_octets("query", query)
            got = [(item.observation, item.signature, int(item.observer)) for item in observations]
            _expect_tuples(decoded, "asos", got)
        case Report(epoch, round_, skip, report, signature):
            _expect_round(decoded, epoch, round_)
            decoded.expect_flag("skip", skip)
            decoded.expect_octets("report", report)
            decoded.expect_octets("signature", signature)
        case Final():
            _expect_final(decoded, message)
        case FinalEcho(final):
            _expect_final(decoded, final)
        case _:
            assert_never(message)


def _expect_round(decoded: Record, epoch: int, round_: int) -> None:
    decoded.expect_small("epoch", epoch, high=UINT32_MAX)
    decoded.expect_small("round", round_, high=UINT8_MAX)


def _expect_final(decoded: Record, final: Final) -> None:
    _expect_round(decoded, final.epoch, final.round)
    decoded.expect_octets("h", final.extra_hash, length=32)
    decoded.expect_octets("report", final.report)
    _expect_tuples(decoded, "signatures", [(item.signature, int(item.signer)) for item in final.signatures])


def _expect_tuples(decoded: Record, name: str, got: list[Any]) -> None:
    """Compare lists such as [observation, signature, observer]: bytes in hex, then the oracle's index."""
    stated = decoded.lists(name)
    decoded.equal(f"{name} (length)", len(stated), len(got))
    for index, ((items, place), made) in enumerate(zip(stated, got, strict=False)):
        if len(items) != len(made):
            raise decoded.malformed(name, f"item {index} is no list of {len(made)}", "see the format")
        for position, (item, value) in enumerate(zip(items, made, strict=True)):
            where = f"{place}[{position}]"
            expected = (
                octets_of(item, where) if isinstance(value, bytes) else small_of(item, where, high=UINT8_MAX)
            )
            decoded.equal(f"{name}[{index}][{position}]", expected, value)
