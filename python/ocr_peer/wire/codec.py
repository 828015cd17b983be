"""Encode and decode the messages between oracles (libocr `internal/ocr2/serialization`).

Go's `proto.Unmarshal` decides what a byte string means, and all oracles must agree on it: unknown fields
are skipped, a known field with a wrong wire type is unknown, the last scalar wins, repeated embedded
messages merge, and a different member of the wrapper's oneof replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from ocr_peer import crypto
from ocr_peer.protobuf import VARINT, bytes_field, varint_field
from ocr_peer.protocol.config import OracleId
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
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature

__all__ = ["Undecodable", "decode_message", "encode_message"]

_U32, _U8 = 0xFFFF_FFFF, 0xFF


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Bytes that are no message; a peer's fault, so a value and not an exception."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Schema:
    """Which field numbers of a protobuf message are known, and how they nest."""

    varints: frozenset[int] = frozenset()
    byte_strings: frozenset[int] = frozenset()
    embedded: Mapping[int, _Schema] | None = None
    repeated: Mapping[int, _Schema] | None = None
    oneof: bool = False
    """Whether all embedded fields are members of one oneof."""


_Parsed = dict[int, "int | bytes | _Parsed | list[_Parsed]"]

_SIGNED_OBSERVATION = _Schema(byte_strings=frozenset({1, 2}))
_ATTRIBUTED_OBSERVATION = _Schema(varints=frozenset({2}), embedded={1: _SIGNED_OBSERVATION})
_ATTRIBUTED_SIGNATURE = _Schema(varints=frozenset({2}), byte_strings=frozenset({1}))
_ATTESTED_ONE = _Schema(varints=frozenset({3}), byte_strings=frozenset({4, 5}))
_ATTESTED_MANY = _Schema(byte_strings=frozenset({3}), repeated={4: _ATTRIBUTED_SIGNATURE})
_NEW_EPOCH = _Schema(varints=frozenset({1}))
_OBSERVE_REQ = _Schema(varints=frozenset({1, 2}), byte_strings=frozenset({3}))
_OBSERVE = _Schema(varints=frozenset({1, 2}), embedded={3: _SIGNED_OBSERVATION})
_REPORT_REQ = _Schema(
    varints=frozenset({1, 2}), byte_strings=frozenset({3}), repeated={4: _ATTRIBUTED_OBSERVATION}
)
_REPORT = _Schema(varints=frozenset({1, 2}), embedded={3: _ATTESTED_ONE})
_FINAL = _Schema(varints=frozenset({1, 2}), byte_strings=frozenset({4}), embedded={5: _ATTESTED_MANY})
_FINAL_ECHO = _Schema(embedded={1: _FINAL})
_WRAPPER = _Schema(
    embedded={
        2: _NEW_EPOCH,
        3: _OBSERVE_REQ,
        4: _OBSERVE,
        5: _REPORT_REQ,
        6: _REPORT,
        7: _FINAL,
        8: _FINAL_ECHO,
    },
    oneof=True,
)


def decode_message(data: bytes) -> Message | Undecodable:
    """What Go makes of `data`; never raises."""
    wrapper: _Parsed = {}
    if not _parse(_WRAPPER, data, wrapper):
        return Undecodable("not protobuf")
    for number, member in wrapper.items():
        if isinstance(member, dict):
            return _message(number, member)
    return Undecodable("no known kind of message")


def encode_message(message: Message) -> bytes:
    """Protobuf with ascending fields and zero values left out, as Go writes it."""
    match message:
        case NewEpoch(epoch):
            return bytes_field(2, varint_field(1, epoch))
        case ObserveReq(epoch, round_, query):
            return bytes_field(3, varint_field(1, epoch) + varint_field(2, round_) + _bytes(3, query))
        case Observe(epoch, round_, observation, signature):
            signed = _bytes(1, observation) + _bytes(2, signature)
            return bytes_field(4, varint_field(1, epoch) + varint_field(2, round_) + bytes_field(3, signed))
        case ReportReq(epoch, round_, query, observations):
            body = varint_field(1, epoch) + varint_field(2, round_) + _bytes(3, query)
            body += b"".join(
                bytes_field(
                    4,
                    bytes_field(1, _bytes(1, item.observation) + _bytes(2, item.signature))
                    + varint_field(2, item.observer),
                )
                for item in observations
            )
            return bytes_field(5, body)
        case Report(epoch, round_, skip, report, signature):
            attested = varint_field(3, int(skip)) + _bytes(4, report) + _bytes(5, signature)
            return bytes_field(6, varint_field(1, epoch) + varint_field(2, round_) + bytes_field(3, attested))
        case Final():
            return bytes_field(7, _final_body(message))
        case FinalEcho(final):
            return bytes_field(8, bytes_field(1, _final_body(final)))
        case _:
            assert_never(message)


def _parse(schema: _Schema, data: bytes, into: _Parsed) -> bool:
    fields = crypto.proto_fields(data)
    if fields is None:
        return False
    for number, wire_type, value in fields:
        if isinstance(value, int):
            if wire_type == VARINT and number in schema.varints:
                into[number] = value
            continue
        if number in schema.byte_strings:
            into[number] = value
        elif schema.embedded is not None and number in schema.embedded:
            if schema.oneof and number not in into:
                into.clear()
            member = into.setdefault(number, {})
            if not isinstance(member, dict) or not _parse(schema.embedded[number], value, member):
                return False
        elif schema.repeated is not None and number in schema.repeated:
            item: _Parsed = {}
            if not _parse(schema.repeated[number], value, item):
                return False
            items = into.setdefault(number, [])
            if isinstance(items, list):
                items.append(item)
    return True


def _message(number: int, body: _Parsed) -> Message | Undecodable:
    epoch, round_ = _int(body, 1) & _U32, _int(body, 2) & _U8
    match number:
        case 2:
            return NewEpoch(epoch)
        case 3:
            return ObserveReq(epoch, round_, _octets(body, 3))
        case 4:
            signed = body.get(3)
            if not isinstance(signed, dict):
                return Undecodable("observe without signed_observation")
            return Observe(epoch, round_, _octets(signed, 1), _octets(signed, 2))
        case 5:
            return _report_req(epoch, round_, body)
        case 6:
            attested = body.get(3)
            if not isinstance(attested, dict):
                return Undecodable("report without attested_report")
            # A bool is any non-zero varint.
            return Report(epoch, round_, _int(attested, 3) != 0, _octets(attested, 4), _octets(attested, 5))
        case 7:
            return _final(body)
        case _:
            inner = body.get(1)
            if not isinstance(inner, dict):
                return Undecodable("final_echo without final")
            final = _final(inner)
            return FinalEcho(final) if isinstance(final, Final) else final


def _report_req(epoch: int, round_: int, body: _Parsed) -> ReportReq | Undecodable:
    observations: list[AttributedObservation] = []
    for item in _items(body, 4):
        signed = item.get(1)
        if not isinstance(signed, dict):
            return Undecodable("report_req with an observation without signed_observation")
        observer = OracleId(_int(item, 2) & _U8)
        observations.append(AttributedObservation(_octets(signed, 1), _octets(signed, 2), observer))
    return ReportReq(epoch, round_, _octets(body, 3), tuple(observations))


def _final(body: _Parsed) -> Final | Undecodable:
    extra_hash = _octets(body, 4)
    if len(extra_hash) != 32:
        return Undecodable(f"final with h of {len(extra_hash)} bytes")
    attested = body.get(5)
    if not isinstance(attested, dict):
        return Undecodable("final without attested_report")
    signatures = tuple(
        AttributedSignature(_octets(item, 1), OracleId(_int(item, 2) & _U8)) for item in _items(attested, 4)
    )
    return Final(_int(body, 1) & _U32, _int(body, 2) & _U8, extra_hash, _octets(attested, 3), signatures)


def _int(body: _Parsed, number: int) -> int:
    value = body.get(number, 0)
    return value if isinstance(value, int) else 0


def _octets(body: _Parsed, number: int) -> bytes:
    value = body.get(number, b"")
    return value if isinstance(value, bytes) else b""


def _items(body: _Parsed, number: int) -> list[_Parsed]:
    value = body.get(number, [])
    return value if isinstance(value, list) else []


def _final_body(final: Final) -> bytes:
    attested = _bytes(3, final.report)
    attested += b"".join(
        bytes_field(4, _bytes(1, item.signature) + varint_field(2, item.signer)) for item in final.signatures
    )
    return (
        varint_field(1, final.epoch)
        + varint_field(2, final.round)
        + _bytes(4, final.extra_hash)
        + bytes_field(5, attested)
    )


def _bytes(number: int, value: bytes) -> bytes:
    return bytes_field(number, value) if value else b""
