"""The aggregator contract as a register: what it accepts, what oracles read, and what a reorg takes back."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_peer.median.config import MedianLimits
from ocr_peer.median.report import MedianReport, decode_report
from ocr_peer.protocol.config import SECOND, ConfigDigest, Duration, Instant
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.simulation.committee import Committee

__all__ = ["Accepted", "Chain"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A report on chain."""

    at: Instant
    transmitter: int
    report: AttestedReport
    answer: int
    timestamp: int
    """The report's own, Unix seconds."""


@dataclass(frozen=True, slots=True)
class _Configured:
    at: Instant
    committee: Committee


class Chain:
    """Accepts as the contracts of `contracts/src` do, and refuses reports older than `max_age`."""

    def __init__(self, committee: Committee, max_age: Duration, now: Instant) -> None:
        self.max_age = max_age
        self.refused: dict[str, int] = {}
        self.refusal: str | None = None
        """Why the latest transaction reverted; `None` if it did not."""
        self.accepted: list[Accepted] = []
        self._configured: list[_Configured] = [_Configured(now, committee)]
        self._requested: tuple[ConfigDigest, RoundTag] | None = None

    @property
    def committee(self) -> Committee:
        """The configuration in force."""
        return self._configured[-1].committee

    def configure(self, committee: Committee, now: Instant) -> None:
        """`setConfig`: (epoch, round) start anew, the answers stay."""
        self._configured.append(_Configured(now, committee))

    def request_round(self) -> None:
        """`requestNewRound`."""
        self._requested = (self.committee.config.config_digest, self._latest())

    def view(self, reader: Instant, as_of: Instant | None = None) -> ChainView:
        """The state, now or at an earlier time, as an oracle with the clock `reader` reads it."""
        digest = self.committee.config.config_digest
        if as_of is not None:
            earlier = [entry for entry in self._configured if entry.at <= as_of] or self._configured[:1]
            digest = earlier[-1].committee.config.config_digest
        newest = next((item for item in reversed(self.accepted) if as_of is None or item.at <= as_of), None)
        requested, requested_tag = self._requested or (None, RoundTag(0, 0))
        tag, answer, timestamp = RoundTag(0, 0), 0, 0
        if newest is not None:
            answer, timestamp = newest.answer, newest.at // SECOND
            if newest.report.context.config_digest == digest:
                tag = newest.report.context.tag
        return ChainView(
            digest,
            tag.epoch,
            tag.round,
            answer,
            timestamp,
            requested,
            requested_tag.epoch,
            requested_tag.round,
            reader,
        )

    def transmit(self, transmitter: int, report: AttestedReport, now: Instant) -> Accepted | None:
        """Take the report, or count why not."""
        refusal = self.refusal = self._refusal(report)
        if refusal is None:
            said = decode_report(report.report, self.committee.config.report_format)
            refusal = self._refusal_of_content(said, now)
            if refusal is None:
                item = Accepted(now, transmitter, report, said.median, said.timestamp)
                self.accepted.append(item)
                return item
        self.refusal = refusal
        self.refused[refusal] = self.refused.get(refusal, 0) + 1
        return None

    def reorganise(self, depth: int) -> list[Accepted]:
        """Forget the newest `depth` reports of the configuration in force."""
        digest = self.committee.config.config_digest
        dropped: list[Accepted] = []
        while (
            self.accepted
            and len(dropped) < depth
            and self.accepted[-1].report.context.config_digest == digest
        ):
            dropped.append(self.accepted.pop())
        return dropped[::-1]

    def _latest(self) -> RoundTag:
        wanted = self.committee.config.config_digest
        if self.accepted and self.accepted[-1].report.context.config_digest == wanted:
            return self.accepted[-1].report.context.tag
        return RoundTag(0, 0)

    def _refusal_of_content(self, said: MedianReport, now: Instant) -> str | None:
        if not MedianLimits.decode(self.committee.config.onchain_config).contain(said.median):
            return "answer out of range"
        if now - said.timestamp * SECOND > self.max_age:
            return "older than maxAge"
        return None

    def _refusal(self, report: AttestedReport) -> str | None:
        config, context = self.committee.config, report.context
        if context.tag <= self._latest():
            return "stale"
        if context.config_digest != config.config_digest:
            return "other configuration"
        if len(report.signatures) != config.contract_signatures:
            return "wrong number of signatures"
        if len({item.signer for item in report.signatures}) != config.contract_signatures:
            return "signer twice"
        attestation = self.committee.attestations[0]
        signing_hash = attestation.signing_hash(context.tag, context.extra_hash, report.report)
        if not all(attestation.verify_report_signature(signing_hash, item) for item in report.signatures):
            return "invalid signature"
        try:
            decode_report(report.report, config.report_format)
        except ValueError:
            return "undecodable"
        return None
