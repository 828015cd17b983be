"""What a certificate, any quorum of signatures over a report, must live up to: I1, I2, I10."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ocr_peer import crypto
from ocr_peer.median.config import decode_int192
from ocr_peer.median.report import decode_report, encode_report
from ocr_peer.protocol.config import ConfigDigest, ReportFormat
from ocr_peer.protocol.evidence import Evidence, EvidenceKind
from ocr_peer.protocol.messages import ReportReq
from ocr_peer.protocol.report import (
    NO_EXTRA_HASH,
    AttestedReport,
    AttributedObservation,
    AttributedSignature,
    RoundTag,
)
from ocr_peer.simulation.committee import Committee

__all__ = ["Breach", "CertificateCheck"]

Breach = Callable[[str, str], None]
"""Told the invariant and what broke it; does not return."""

_Key = tuple[ConfigDigest, RoundTag]


class CertificateCheck:
    """Knows what honest oracles observed and signed, and holds every certificate against it."""

    def __init__(self, faulty: frozenset[int], breach: Breach) -> None:
        self._faulty = faulty
        self._breach = breach
        self._observed: dict[_Key, dict[int, bytes]] = {}
        self._reported: dict[_Key, dict[int, bytes]] = {}
        self._requests: dict[_Key, list[ReportReq]] = {}
        self._held_good: dict[_Key, list[AttestedReport]] = {}

    def on_signed(self, digest: ConfigDigest, oracle: int, kind: str, tag: RoundTag, payload: bytes) -> None:
        """An honest key's signature left, or is durable: the only one of its kind and round (I3)."""
        table = self._observed if kind == "observation" else self._reported
        signed = table.setdefault((digest, tag), {})
        earlier = signed.setdefault(oracle, payload)
        if earlier != payload:
            self._breach(
                "I3", f"signed a second {kind} for {_round(tag)}: {payload.hex()} after {earlier.hex()}"
            )

    def on_request(self, digest: ConfigDigest, request: ReportReq) -> None:
        """A leader asked for a report over this collection."""
        known = self._requests.setdefault((digest, RoundTag(request.epoch, request.round)), [])
        if not any(request is item for item in known):
            known.append(request)

    def on_evidence(self, committee: Committee, evidence: Evidence) -> None:
        """An honest oracle found proof against another: only who lied can be convicted (I3)."""
        signed = (evidence.first, evidence.second)
        attestation, tag = committee.attestations[0], evidence.tag
        if evidence.kind is EvidenceKind.OBSERVATION:
            proven = all(
                attestation.verify_observation(
                    tag, b"", AttributedObservation(item.payload, item.signature, evidence.oracle)
                )
                for item in signed
            )
        else:
            packed = committee.config.report_format is ReportFormat.PACKED
            proven = all(
                attestation.verify_report_signature(
                    attestation.signing_hash(
                        tag,
                        NO_EXTRA_HASH if packed else item.payload[:32],
                        item.payload[0 if packed else 32 :],
                    ),
                    AttributedSignature(item.signature, evidence.oracle),
                )
                for item in signed
            )
            proven &= (evidence.kind is EvidenceKind.PACKED_REPORT) == packed
        if not proven or signed[0].payload == signed[1].payload:
            self._breach("I3", f"evidence against {evidence.oracle} of {_round(tag)} proves nothing")
        if evidence.oracle not in self._faulty:
            self._breach("I3", f"{evidence.oracle} is honest and stands convicted for {_round(tag)}")

    def on_transmitted(self, committee: Committee, report: AttestedReport) -> None:
        """The chain takes this report."""
        config = committee.config
        if not config.unique_reports:
            self.on_certificate(committee, report)
            return
        # The contract is content with f+1 signatures, so that what it takes need not be what is final.
        self._check_signatures(committee, report, config.contract_signatures)
        key = (config.config_digest, report.context.tag)
        self._check_answer(key, committee, report)
        self._check_origin(key, committee, report)

    def on_certificate(self, committee: Committee, report: AttestedReport) -> None:
        """An honest oracle takes this report for final."""
        config, tag = committee.config, report.context.tag
        key = (config.config_digest, tag)
        good = self._held_good.setdefault(key, [])
        if any(report is item or report == item for item in good):
            return
        self._check_signatures(committee, report, config.report_quorum)
        self._check_answer(key, committee, report)
        self._check_origin(key, committee, report)
        leader = int(committee.schedule.leader(tag.epoch))
        contents = {(item.report, item.context.extra_hash) for item in good}
        contents.add((report.report, report.context.extra_hash))
        if len(contents) > 1 and (config.unique_reports or leader not in self._faulty):
            self._breach("I10", f"{len(contents)} different reports are final for {_round(tag)}")
        good.append(report)

    def _check_signatures(self, committee: Committee, report: AttestedReport, wanted: int) -> None:
        context = report.context
        signers = [int(item.signer) for item in report.signatures]
        attestation = committee.attestations[0]
        signing_hash = attestation.signing_hash(context.tag, context.extra_hash, report.report)
        valid = all(attestation.verify_report_signature(signing_hash, item) for item in report.signatures)
        if len(set(signers)) != len(signers) or len(signers) != wanted or not valid:
            self._breach(
                "I2", f"certificate of {_round(context.tag)} by {signers} is no quorum of valid signatures"
            )
        signed = self._reported.get((context.config_digest, context.tag), {})
        vouched = [s for s in signers if signed.get(s) == context.extra_hash + report.report]
        if not set(vouched) - self._faulty:
            self._breach(
                "I2",
                f"certificate of {_round(context.tag)} by {signers}: no honest oracle signed that report",
            )

    def _check_answer(self, key: _Key, committee: Committee, report: AttestedReport) -> None:
        said = decode_report(report.report, committee.config.report_format)
        observed = self._observed.get(key, {})
        honest: list[int] = []
        for observer, value in zip(said.observers, said.observations, strict=True):
            if observer in self._faulty:
                continue
            body = crypto.decode_observation(observed.get(observer, b""))
            if observer not in observed or body is None or decode_int192(body[1]) != value:
                self._breach("I1", f"report of {_round(key[1])} says {value} for honest {observer}")
            honest.append(value)
        if not honest or not min(honest) <= said.median <= max(honest):
            self._breach(
                "I1",
                f"answer {said.median} of {_round(key[1])} is not between honest observations {sorted(honest)}",
            )

    def _check_origin(self, key: _Key, committee: Committee, report: AttestedReport) -> None:
        # The honest signer saw a collection of 2f+1 signed observations that hashes to the report's h, or where
        # there is none, that makes the report.
        for request in self._requests.get(key, []):
            pairs = [(item.observation, item.observer) for item in request.observations]
            if any(observer > 255 for _, observer in pairs):
                continue
            if committee.config.report_format is ReportFormat.PACKED:
                if _packed_report_over(pairs) != report.report:
                    continue
            elif crypto.inputs_hash(request.query, pairs) != report.context.extra_hash:
                continue
            observers = {observer for _, observer in pairs}
            if len(pairs) == len(observers) >= committee.config.observation_quorum:
                return
        self._breach(
            "I2", f"report of {_round(key[1])} does not come from 2f+1 observations that a leader sent"
        )


def _packed_report_over(pairs: Sequence[tuple[bytes, int]]) -> bytes | None:
    bodies = [(crypto.decode_observation(body), observer) for body, observer in pairs]
    items = [(body[0], body[1], body[2], observer) for body, observer in bodies if body is not None]
    return encode_report(items, ReportFormat.PACKED) if items else None


def _round(tag: RoundTag) -> str:
    return f"round {tag.epoch}/{tag.round}"
