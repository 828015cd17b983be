"""Byzantine oracles: an honest core whose mouth and eyes somebody else moves.

All Byzantine oracles of a run share one `Conspiracy`, keys included, which is as bad as it gets.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from ocr_peer import crypto
from ocr_peer.median.config import encode_int192
from ocr_peer.protocol.config import SECOND, Duration, Instant, OracleId
from ocr_peer.protocol.effects import Broadcast, Send
from ocr_peer.protocol.messages import Final, Message, NewEpoch, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import (
    AttestedReport,
    AttributedSignature,
    BuiltReport,
    ReportContext,
    RoundTag,
)
from ocr_peer.simulation.committee import Committee
from ocr_peer.simulation.faults import Behaviour, FaultPlan
from ocr_peer.simulation.forgery import (
    BROKEN_REQUESTS,
    Signatures,
    broken_request,
    damaged,
    extreme_observation,
    fabricated_final,
    flood,
    forged_final,
    other_report,
)
from ocr_peer.simulation.streams import Streams
from ocr_peer.wire.codec import encode_message

__all__ = ["Conspiracy", "Letter", "Release"]

_OVERHEARD = 64
_COMMON_LIE = 10**9
"""Far from every honest value, and still an answer that the contract takes."""
_NOISE = 0.05
"""Chance of an extra message with each step of a noisy oracle."""
_INSISTENT = frozenset(
    {Behaviour.FAR_FINAL, Behaviour.LAST_EPOCH, Behaviour.RISING_EPOCHS, Behaviour.FUTURE_ROUNDS}
)
_INSISTENCE = 0.3
"""The same, of one that has nothing else in mind."""
_TWO_TALES = frozenset({Behaviour.EQUIVOCATE, Behaviour.TWO_REQUESTS, Behaviour.SHUFFLED_REQUEST})
"""Finish rounds of their own beside, or instead of, their core's."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Bytes to one oracle, after a delay."""

    to: int
    payload: bytes
    kind: str
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """A report brought on chain without asking the schedule."""

    report: AttestedReport
    delay: int


@dataclass(slots=True)
class _Tale:
    """A second report of one round, and who signed it."""

    built: BuiltReport
    signatures: dict[int, AttributedSignature] = field(default_factory=dict)
    told: bool = False


class Conspiracy:
    """What the Byzantine oracles know together, and what each of them makes of its core's effects."""

    def __init__(self, plan: FaultPlan, n: int, streams: Streams) -> None:
        self.behaviours = behaviours = plan.byzantine()
        self._n = n
        self._dice = {oracle: streams.stream("byzantine", oracle) for oracle in behaviours}
        self._liars = sorted(o for o, b in behaviours.items() if b is Behaviour.CERTIFY)
        self._patience = {o: fault.amount for fault in plan.faults if fault.behaviour for o in fault.who}
        self._wishes = dict.fromkeys(behaviours, 1)
        self._signatures = Signatures(n)
        self._overheard: deque[bytes] = deque(maxlen=_OVERHEARD)
        self._fabricated: set[RoundTag] = set()
        self._tales: dict[tuple[int, RoundTag], _Tale] = {}

    def overhear(self, payload: bytes) -> None:
        """Any Byzantine oracle received this."""
        self._overheard.append(payload)

    def observation(self, oracle: int, honest: bytes | None, now: Instant) -> bytes | None:
        """What the oracle claims to have seen."""
        match self.behaviours[oracle]:
            case Behaviour.LIE:
                return extreme_observation(self._dice[oracle], now)
            case Behaviour.COLLUDE:
                return crypto.encode_observation(now // SECOND, encode_int192(_COMMON_LIE), bytes(24))
            case _:
                return honest

    def hears(self, oracle: int, sender: int, message: Message, f: int) -> bool:
        """Whether the oracle's core gets to see the message: leaders that leave others out are deaf to them."""
        if self.behaviours[oracle] not in (Behaviour.COLLUDE, Behaviour.OMIT):
            return True
        victims = [other for other in range(self._n) if other not in self.behaviours][:f]
        return not (isinstance(message, Observe) and sender in victims)

    def incoming(self, oracle: int, committee: Committee, sender: int, message: Message) -> list[Release]:
        """What comes of a message beyond the core's own doing: the other tale may become final, too."""
        if isinstance(message, ReportReq):
            self._signatures.keep(committee.config.config_digest, message)
        if self.behaviours[oracle] not in _TWO_TALES or not isinstance(message, Report):
            return []
        tag = RoundTag(message.epoch, message.round)
        tale = self._tales.get((oracle, tag))
        if tale is None or message.report != tale.built.report or message.skip:
            return []
        item = AttributedSignature(message.signature, OracleId(sender))
        if not committee.attestations[oracle].verify_report_signature(tale.built.signing_hash, item):
            return []
        tale.signatures[sender] = item
        for liar in self.behaviours:
            signature = committee.attestations[liar].sign_report(tag, tale.built)
            tale.signatures[liar] = AttributedSignature(signature, OracleId(liar))
        quorum = committee.config.report_quorum
        if len(tale.signatures) < quorum or tale.told:
            return []
        tale.told = True
        honest_first = sorted(tale.signatures, key=lambda signer: (signer in self.behaviours, signer))
        signatures = tuple(tale.signatures[signer] for signer in sorted(honest_first[:quorum]))
        context = ReportContext(committee.config.config_digest, tag.epoch, tag.round, tale.built.extra_hash)
        return [Release(AttestedReport(context, tale.built.report, signatures), 0)]

    def transmits(self, oracle: int) -> bool:
        """Whether the oracle takes its turns on chain."""
        return self.behaviours[oracle] not in (Behaviour.SILENT, Behaviour.WITHHOLD)

    def outgoing(self, oracle: int, committee: Committee, effect: Send | Broadcast) -> list[Letter | Release]:
        """What leaves instead of `effect`."""
        message, dice = effect.message, self._dice[oracle]
        targets = [int(effect.to)] if isinstance(effect, Send) else self._others(oracle)
        if isinstance(message, ReportReq):
            self._signatures.keep(committee.config.config_digest, message)
        match self.behaviours[oracle], message:
            case Behaviour.SILENT, _:
                return []
            case Behaviour.EQUIVOCATE | Behaviour.TWO_ROUNDS, ObserveReq(_, round_):
                other = replace(message, round=min(255, round_ + 1))
                return [x for to in targets for x in _letters([to], dice.choice((message, other)))]
            case Behaviour.EQUIVOCATE | Behaviour.TWO_REQUESTS | Behaviour.SHUFFLED_REQUEST, ReportReq():
                return self._other_request(oracle, committee, message, targets)
            case Behaviour.EQUIVOCATE, Observe():
                second = self._other_observation(oracle, committee, message)
                return [*_letters(targets, message), *_letters(targets, second)]
            case Behaviour.TWO_OBSERVATIONS, Observe():
                second = self._other_observation(oracle, committee, message)
                everybody = self._others(oracle)
                return [*_letters(everybody, message), *_letters(everybody, second)]
            case Behaviour.WITHHOLD, Final():
                partners = [o for o in self.behaviours if o != oracle]
                delay = self._patience[oracle] or dice.randrange(5 * SECOND, 200 * SECOND)
                return [*_letters(partners, message), Release(_attested(committee, message), delay)]
            case Behaviour.FORGE, ReportReq():
                how = dice.choice(BROKEN_REQUESTS)
                broken = broken_request(message, how, dice, committee, self._signatures)
                if dice.random() < 0.1:
                    broken = replace(message, query=b"query")
                return [x for to in targets for x in _letters([to], dice.choice((message, broken)))]
            case (how, ReportReq()) if how in BROKEN_REQUESTS:
                broken = broken_request(message, how, dice, committee, self._signatures)
                return _letters(targets, broken)
            case Behaviour.FORGE | Behaviour.BAD_ATTESTATION, Report(skip=False):
                return _letters(targets, replace(message, signature=dice.randbytes(64) + b"\x00"))
            case Behaviour.OTHER_REPORT, Report(skip=False):
                return _letters(targets, other_report(committee, oracle, message))
            case Behaviour.FUZZ, _:
                kind = type(message).__name__
                payload = encode_message(message)
                return [
                    Letter(to, damaged(dice, payload) if dice.random() < 0.5 else payload, kind)
                    for to in targets
                ]
            case Behaviour.SLOW, ReportReq() | Final():
                late = Duration(committee.config.delta_progress // 2 - committee.config.delta_round // 10)
                return [replace(letter, delay=late) for letter in _plain(targets, message)]
            case Behaviour.OVERRUN, ObserveReq():
                rounds = (committee.config.r_max + 1, committee.config.r_max + 2, 255)
                return [x for r in rounds for x in _letters(targets, replace(message, round=r))]
            case _:
                return _letters(targets, message)

    def aside(self, oracle: int, committee: Committee, tag: RoundTag, now: Instant) -> list[Letter | Release]:
        """What the oracle says beyond its core's effects, after a step in round `tag`."""
        dice, behaviour = self._dice[oracle], self.behaviours[oracle]
        if behaviour is Behaviour.CERTIFY:
            return self._fabricate(committee, tag, now)
        if dice.random() >= (_INSISTENCE if behaviour in _INSISTENT else _NOISE):
            return []
        others = self._others(oracle)
        to = dice.choice(others) if others else oracle
        match behaviour:
            case Behaviour.REPLAY if self._overheard:
                return [Letter(to, dice.choice(self._overheard), "Replayed", dice.randrange(SECOND))]
            case Behaviour.FLOOD:
                wish = NewEpoch(dice.choice((2**32 - 1, tag.epoch + dice.randrange(1, 12))))
                return _letters([to], wish) + [
                    x for _ in range(9) for x in _letters([to], flood(dice, tag.epoch))
                ]
            case Behaviour.FUTURE_ROUNDS:
                return [x for _ in range(10) for x in _letters([to], flood(dice, tag.epoch))]
            case Behaviour.LAST_EPOCH:
                return _letters(others, NewEpoch(2**32 - 1))
            case Behaviour.RISING_EPOCHS:
                self._wishes[oracle] = max(self._wishes[oracle], tag.epoch) + 1
                return _letters(others, NewEpoch(self._wishes[oracle]))
            case Behaviour.FORGE | Behaviour.FAR_FINAL:
                return _letters([to], forged_final(dice, committee, oracle, tag.epoch))
            case Behaviour.FUZZ:
                return [Letter(to, dice.randbytes(dice.randrange(300)), "Noise")]
            case Behaviour.USURP:
                request = ReportReq(tag.epoch, max(1, tag.round), b"", ())
                asked = ObserveReq(tag.epoch, min(255, tag.round + 1), b"")
                return _letters(others, dice.choice((request, asked)))
            case _:
                return []

    def _other_request(
        self, oracle: int, committee: Committee, message: ReportReq, targets: list[int]
    ) -> list[Letter | Release]:
        dice, items = self._dice[oracle], message.observations
        shuffles = self.behaviours[oracle] is Behaviour.SHUFFLED_REQUEST
        if shuffles:
            order = list(items)
            dice.shuffle(order)
            kept = tuple(order) if tuple(order) != items else items[::-1]
        else:
            kept = items[1:] if len(items) > committee.config.observation_quorum else items[::-1]
        tag = RoundTag(message.epoch, message.round)
        built = committee.plugin.build_report(tag, b"", kept)
        if isinstance(built, BuiltReport):
            self._tales[oracle, tag] = _Tale(built)
        other = replace(message, observations=kept)
        if shuffles:
            return _letters(targets, other)
        return [x for to in targets for x in _letters([to], dice.choice((message, other)))]

    def _other_observation(self, oracle: int, committee: Committee, message: Observe) -> Observe:
        body = crypto.encode_observation(1, encode_int192(self._dice[oracle].randrange(10**6)), bytes(24))
        tag = RoundTag(message.epoch, message.round)
        signature = committee.attestations[oracle].sign_observation(tag, b"", body)
        return replace(message, observation=body, signature=signature)

    def _fabricate(self, committee: Committee, tag: RoundTag, now: Instant) -> list[Letter | Release]:
        wanted = RoundTag(tag.epoch, max(1, tag.round))
        if wanted in self._fabricated:
            return []
        self._fabricated.add(wanted)
        final = fabricated_final(committee, self._liars, wanted, _COMMON_LIE, now)
        return [] if final is None else [Release(_attested(committee, final), 0)]

    def _others(self, oracle: int) -> list[int]:
        return [other for other in range(self._n) if other != oracle]


def _plain(targets: list[int], message: Message) -> list[Letter]:
    payload, kind = encode_message(message), type(message).__name__
    return [Letter(to, payload, kind) for to in targets]


def _letters(targets: list[int], message: Message) -> list[Letter | Release]:
    return [*_plain(targets, message)]


def _attested(committee: Committee, final: Final) -> AttestedReport:
    context = ReportContext(committee.config.config_digest, final.epoch, final.round, final.extra_hash)
    return AttestedReport(context, final.report, final.signatures)
