"""Broken and contradictory messages for Byzantine oracles to send."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ocr_peer import crypto
from ocr_peer.median.config import INT192_MAX, INT192_MIN, encode_int192
from ocr_peer.protocol.config import SECOND, Instant, OracleId
from ocr_peer.protocol.messages import Final, FinalEcho, Message, NewEpoch, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature, BuiltReport, RoundTag
from ocr_peer.simulation.committee import Committee

__all__ = ["broken_request", "damaged", "extreme_observation", "fabricated_final", "flood", "forged_final"]


def extreme_observation(dice: random.Random, now: Instant) -> bytes:
    """An end of int192, or a body that does not decode, at a time that may be impossible."""
    choice = dice.randrange(5)
    if choice == 0:
        return b"\x0a\x01"
    value = (INT192_MAX, INT192_MIN, 0, -1)[choice - 1]
    timestamp = dice.choice((0, now // SECOND, now // SECOND + 10_000, 2**32 - 1))
    return crypto.encode_observation(timestamp, encode_int192(value), bytes(24))


def broken_request(request: ReportReq, dice: random.Random, committee: Committee) -> ReportReq:
    """A report request with one rule broken."""
    items = list(request.observations)
    position = dice.randrange(len(items))
    chosen = items[position]
    match dice.randrange(7):
        case 0:
            items = items[: committee.config.observation_quorum - 1]
        case 1:
            items.append(chosen)
        case 2:
            items[position] = replace(chosen, observer=OracleId(committee.config.n))
        case 3:
            items[position] = replace(chosen, observer=OracleId(255))
        case 4:
            items[position] = replace(chosen, signature=bytes(len(chosen.signature)))
        case 5:
            items[position] = replace(chosen, observation=chosen.observation + b"\x00\x00")
        case _:
            return replace(request, query=b"query")
    return replace(request, observations=tuple(items))


def forged_final(dice: random.Random, committee: Committee, epoch: int) -> Message:
    """A final report of a far round with signatures made of nothing."""
    quorum = committee.config.report_quorum
    signatures = tuple(
        AttributedSignature(dice.randbytes(64) + b"\x01", OracleId(index)) for index in range(quorum)
    )
    final = Final(epoch + dice.randrange(10_000), 1, dice.randbytes(32), dice.randbytes(200), signatures)
    return FinalEcho(final) if dice.random() < 0.5 else final


def fabricated_final(
    committee: Committee, liars: Sequence[int], tag: RoundTag, value: int, now: Instant
) -> Final | None:
    """A final report that the liars certify among themselves; only more than f of them can."""
    config = committee.config
    if len(liars) < config.report_quorum:
        return None
    body = (now // SECOND, encode_int192(value), bytes(24))
    report = crypto.encode_report([(*body, liar) for liar in liars])
    extra_hash = crypto.inputs_hash(b"", [(crypto.encode_observation(*body), liar) for liar in liars])
    signatures = []
    for liar in liars[: config.report_quorum]:
        attestation = committee.attestations[liar]
        signing_hash = attestation.signing_hash(tag, extra_hash, report)
        built = _built(report, extra_hash, signing_hash, value)
        signatures.append(AttributedSignature(attestation.sign_report(tag, built), OracleId(liar)))
    return Final(tag.epoch, tag.round, extra_hash, report, tuple(signatures))


def flood(dice: random.Random, epoch: int) -> Message:
    """Something that asks for memory, or for an epoch far away."""
    ahead = epoch + dice.randrange(1, 12)
    match dice.randrange(6):
        case 0:
            return NewEpoch(2**32 - 1)
        case 1:
            return NewEpoch(ahead)
        case 2:
            return ObserveReq(ahead, dice.randrange(256), b"")
        case 3:
            return Report(ahead, dice.randrange(256), skip=False, report=b"", signature=bytes(65))
        case 4:
            items = (AttributedObservation(b"", bytes(64), OracleId(0)),)
            return ReportReq(ahead, dice.randrange(256), b"", items)
        case _:
            return ObserveReq(epoch, dice.randrange(256), b"")


def damaged(dice: random.Random, payload: bytes) -> bytes:
    """The payload cut, flipped, lengthened, or replaced."""
    match dice.randrange(5):
        case 0:
            return payload[: dice.randrange(len(payload) + 1)]
        case 1:
            position = dice.randrange(max(1, len(payload)))
            flipped = bytes([payload[position] ^ 1 << dice.randrange(8)]) if payload else b""
            return payload[:position] + flipped + payload[position + 1 :]
        case 2:
            return payload + dice.randbytes(dice.randrange(1, 40))
        case 3:
            return dice.randbytes(dice.randrange(120))
        case _:
            return payload + bytes(dice.randrange(1, 4)) * 20_000


def _built(report: bytes, extra_hash: bytes, signing_hash: bytes, value: int) -> BuiltReport:
    return BuiltReport(report, extra_hash, signing_hash, value, 0, ())
