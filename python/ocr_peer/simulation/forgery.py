"""Broken and contradictory messages for Byzantine oracles to send."""

from __future__ import annotations

import random
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ocr_peer import crypto
from ocr_peer.median.config import INT192_MAX, INT192_MIN, encode_int192
from ocr_peer.median.report import encode_report
from ocr_peer.protocol.config import SECOND, ConfigDigest, Instant, OracleId, ReportFormat
from ocr_peer.protocol.messages import Final, FinalEcho, Message, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import (
    NO_EXTRA_HASH,
    AttributedObservation,
    AttributedSignature,
    BuiltReport,
    RoundTag,
)
from ocr_peer.simulation.committee import Committee
from ocr_peer.simulation.faults import Behaviour

__all__ = [
    "BROKEN_REQUESTS",
    "DAMAGES",
    "Signatures",
    "broken_request",
    "damaged",
    "extreme_observation",
    "fabricated_final",
    "flood",
    "forged_final",
    "other_report",
]

BROKEN_REQUESTS = (
    Behaviour.SHORT_REQUEST,
    Behaviour.TWICE_AN_OBSERVER,
    Behaviour.UNKNOWN_OBSERVER,
    Behaviour.FORGED_OBSERVATION,
    Behaviour.ROUND_REPLAY,
    Behaviour.EPOCH_REPLAY,
    Behaviour.DIGEST_REPLAY,
)
"""Each breaks one rule of report requests."""

_REMEMBERED = 24
"""Signed observations that liars keep of each oracle."""


class _Kept(NamedTuple):
    digest: ConfigDigest
    tag: RoundTag
    item: AttributedObservation


class Signatures:
    """The observations that liars have seen signed, to be passed off as those of another round."""

    def __init__(self, n: int) -> None:
        self._kept: list[deque[_Kept]] = [deque(maxlen=_REMEMBERED) for _ in range(n)]

    def keep(self, digest: ConfigDigest, request: ReportReq) -> None:
        """Remember what a leader sent round."""
        tag = RoundTag(request.epoch, request.round)
        for item in request.observations:
            if item.observer < len(self._kept):
                entry = _Kept(digest, tag, item)
                if entry not in self._kept[item.observer]:
                    self._kept[item.observer].append(entry)

    def elsewhere(
        self, observer: int, digest: ConfigDigest, tag: RoundTag, how: Behaviour
    ) -> AttributedObservation | None:
        """The newest that differs from this digest and round in just what `how` says."""
        for kept in reversed(self._kept[observer]):
            same_digest, same_epoch = kept.digest == digest, kept.tag.epoch == tag.epoch
            fits = {
                Behaviour.ROUND_REPLAY: same_digest and same_epoch and kept.tag.round != tag.round,
                Behaviour.EPOCH_REPLAY: same_digest and not same_epoch,
                Behaviour.DIGEST_REPLAY: not same_digest,
            }
            if fits[how]:
                return kept.item
        return None


def extreme_observation(dice: random.Random, now: Instant) -> bytes:
    """An end of int192, or a body that does not decode, at a time that may be impossible."""
    choice = dice.randrange(5)
    if choice == 0:
        return b"\x0a\x01"
    value = (INT192_MAX, INT192_MIN, 0, -1)[choice - 1]
    timestamp = dice.choice((0, now // SECOND, now // SECOND + 10_000, 2**32 - 1))
    return crypto.encode_observation(timestamp, encode_int192(value), bytes(24))


def broken_request(
    request: ReportReq, how: Behaviour, dice: random.Random, committee: Committee, seen: Signatures
) -> ReportReq:
    """A report request with one rule broken; the request itself while a replay has nothing to repeat."""
    items = list(request.observations)
    config, tag = committee.config, RoundTag(request.epoch, request.round)
    position = dice.randrange(len(items))
    chosen = items[position]
    match how:
        case Behaviour.SHORT_REQUEST:
            items = items[: config.observation_quorum - 1]
        case Behaviour.TWICE_AN_OBSERVER:
            items = [*items[: config.n - 1], items[0]]
        case Behaviour.UNKNOWN_OBSERVER:
            items[position] = replace(chosen, observer=OracleId(dice.choice((config.n, 255))))
        case Behaviour.FORGED_OBSERVATION:
            another = crypto.encode_observation(1, encode_int192(dice.randrange(10**6)), bytes(24))
            items[position] = replace(chosen, observation=another)
        case _:
            repeated = [
                (index, item)
                for index, kept in enumerate(items)
                if (item := seen.elsewhere(kept.observer, config.config_digest, tag, how)) is not None
            ]
            if repeated:
                index, item = dice.choice(repeated)
                items[index] = item
    return replace(request, observations=tuple(items))


def forged_final(dice: random.Random, committee: Committee, liar: int, epoch: int) -> Message:
    """A final report of a far epoch, with signatures of nobody or of the liar alone."""
    tag = RoundTag(epoch + 1 + dice.randrange(10_000), 1)
    report, extra_hash = dice.randbytes(200), dice.randbytes(32)
    if committee.config.report_format is ReportFormat.PACKED:
        # Short enough for the format; what is wrong is h now and then, the signatures otherwise.
        report = report[: dice.randrange(100)]
        extra_hash = dice.choice((NO_EXTRA_HASH, NO_EXTRA_HASH, extra_hash))
    attestation = committee.attestations[liar]
    own = attestation.sign_report(
        tag, _built(report, extra_hash, attestation.signing_hash(tag, extra_hash, report), 0)
    )
    quorum = committee.config.report_quorum
    others = [oracle for oracle in range(committee.config.n) if oracle != liar]
    signatures = dice.choice(
        (
            tuple(AttributedSignature(dice.randbytes(64) + b"\x01", OracleId(o)) for o in others[:quorum]),
            tuple(AttributedSignature(own, OracleId(liar)) for _ in range(quorum)),
            tuple(AttributedSignature(own, OracleId(o)) for o in [liar, *others][:quorum]),
            (AttributedSignature(own, OracleId(liar)),),
        )
        if quorum > 1
        else ((),)
    )
    final = Final(tag.epoch, tag.round, extra_hash, report, signatures)
    return FinalEcho(final) if dice.random() < 0.5 else final


def other_report(committee: Committee, liar: int, message: Report) -> Report:
    """A valid signature, but under a report that differs from the leader's in its last bit."""
    tag = RoundTag(message.epoch, message.round)
    report = message.report[:-1] + bytes([message.report[-1] ^ 1])
    attestation = committee.attestations[liar]
    built = _built(report, bytes(32), attestation.signing_hash(tag, bytes(32), report), 0)
    return replace(message, report=report, signature=attestation.sign_report(tag, built))


def fabricated_final(
    committee: Committee, liars: Sequence[int], tag: RoundTag, value: int, now: Instant
) -> Final | None:
    """A final report that the liars certify among themselves; only more than f of them can."""
    config = committee.config
    if len(liars) < config.report_quorum:
        return None
    body = (now // SECOND, encode_int192(value), bytes(24))
    report = encode_report([(*body, liar) for liar in liars], config.report_format)
    extra_hash = NO_EXTRA_HASH
    if config.report_format is ReportFormat.OCR2:
        extra_hash = crypto.inputs_hash(b"", [(crypto.encode_observation(*body), liar) for liar in liars])
    signatures = []
    for liar in liars[: config.report_quorum]:
        attestation = committee.attestations[liar]
        signing_hash = attestation.signing_hash(tag, extra_hash, report)
        built = _built(report, extra_hash, signing_hash, value)
        signatures.append(AttributedSignature(attestation.sign_report(tag, built), OracleId(liar)))
    return Final(tag.epoch, tag.round, extra_hash, report, tuple(signatures))


def flood(dice: random.Random, epoch: int) -> Message:
    """Something that asks for memory in the coming epochs."""
    ahead = epoch + dice.randrange(1, 12)
    match dice.randrange(4):
        case 0:
            return ObserveReq(ahead, dice.randrange(256), b"")
        case 1:
            return Report(ahead, dice.randrange(256), skip=False, report=b"", signature=bytes(65))
        case 2:
            items = (AttributedObservation(b"", bytes(64), OracleId(0)),)
            return ReportReq(ahead, dice.randrange(256), b"", items)
        case _:
            return ObserveReq(epoch, dice.randrange(256), b"")


def _cut(dice: random.Random, payload: bytes) -> bytes:
    return payload[: dice.randrange(len(payload) + 1)]


def _flipped(dice: random.Random, payload: bytes) -> bytes:
    position = dice.randrange(len(payload))
    return payload[:position] + bytes([payload[position] ^ 1 << dice.randrange(8)]) + payload[position + 1 :]


def _lengthened(dice: random.Random, payload: bytes) -> bytes:
    return payload + dice.randbytes(dice.randrange(1, 40))


def _replaced(dice: random.Random, payload: bytes) -> bytes:
    return dice.randbytes(dice.randrange(120))


def _oversized(dice: random.Random, payload: bytes) -> bytes:
    return payload + bytes(dice.randrange(1, 4)) * 20_000


def _compressed(dice: random.Random, payload: bytes) -> bytes:
    return zlib.compress(payload)


DAMAGES = (_cut, _flipped, _lengthened, _replaced, _oversized, _compressed)
"""What can become of a message's bytes; each draws from the dice it is given."""


def damaged(dice: random.Random, payload: bytes) -> bytes:
    """The payload cut, flipped, lengthened, replaced, oversized or compressed."""
    return dice.choice(DAMAGES)(dice, payload) if payload else dice.randbytes(8)


def _built(report: bytes, extra_hash: bytes, signing_hash: bytes, value: int) -> BuiltReport:
    return BuiltReport(report, extra_hash, signing_hash, value, 0, ())
