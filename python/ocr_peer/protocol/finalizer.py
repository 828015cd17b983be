"""Final reports: verified, echoed once, handed on (libocr `internal/ocr2/protocol/report_finalization.go`).

A `Final` certifies itself, so it is accepted for any recent epoch, whoever sends it.
"""

from __future__ import annotations

from ocr_peer.protocol.config import SECOND, CommitteeConfig, OracleId, ReportFormat
from ocr_peer.protocol.effects import Broadcast, Effect, Milestone, MilestoneKind, PeerFault, Persist
from ocr_peer.protocol.evidence import differing_reports
from ocr_peer.protocol.messages import Final, FinalEcho
from ocr_peer.protocol.plugin import Attestation, ReportingPlugin
from ocr_peer.protocol.report import NO_EXTRA_HASH, AttestedReport, ReportContext, RoundTag

__all__ = ["CERTIFICATES_COMPARED", "Finalizer", "certificate_fault"]

_WINDOW_TIME = 600 * SECOND

CERTIFICATES_COMPARED = 32
"""Final reports kept whole, to be compared with others of the same round."""


class Finalizer:
    """Turns the first valid `Final` or `FinalEcho` of a round into an attested report."""

    def __init__(self, config: CommitteeConfig, attestation: Attestation, plugin: ReportingPlugin) -> None:
        self._config = config
        self._attestation = attestation
        self._plugin = plugin
        self._finalized: set[int] = set()
        """Indices of the final rounds within the window."""
        self._compared: dict[int, Final | None] = {}
        """The newest certificates by index; `None` once a second one convicted its signers."""
        self._newest_index = 0
        rounds = -(-_WINDOW_TIME // config.delta_round) if config.delta_round else 1000
        self.window = max(10, min(1000, rounds))
        """How many round indices behind the newest final report one is still taken."""

    def on_final(self, sender: OracleId, final: Final, effects: list[Effect]) -> AttestedReport | None:
        """The attested report, if this is the first valid certificate of its round."""
        tag = RoundTag(final.epoch, final.round)
        if not 1 <= final.round <= self._config.r_max:
            effects.append(PeerFault(sender, f"final report of round {final.round}"))
            return None
        index = self._index(tag)
        if index in self._finalized:
            self._compare(sender, index, final, effects)
            return None
        if index <= self._newest_index - self.window:
            return None
        refusal = self._refusal(final)
        if refusal is not None:
            effects.append(PeerFault(sender, f"final report refused: {refusal}"))
            return None
        self._remember(index)
        self._compared[index] = final
        if len(self._compared) > CERTIFICATES_COMPARED:
            del self._compared[next(iter(self._compared))]
        effects.append(Broadcast(FinalEcho(final)))
        signers = tuple(int(signature.signer) for signature in final.signatures)
        effects.append(
            Milestone(MilestoneKind.FINALIZED, tag, (("signers", signers), ("sender", int(sender))))
        )
        context = ReportContext(self._config.config_digest, final.epoch, final.round, final.extra_hash)
        return AttestedReport(context, final.report, final.signatures)

    def _compare(self, sender: OracleId, index: int, final: Final, effects: list[Effect]) -> None:
        first = self._compared.get(index)
        if first is None or (first.extra_hash, first.report) == (final.extra_hash, final.report):
            return
        if self._refusal(final) is not None:
            effects.append(PeerFault(sender, "final report refused: not the one that is final"))
            return
        self._compared[index] = None
        for evidence in differing_reports(self._config, first, final):
            effects += (Persist(evidence), PeerFault(evidence.oracle, evidence.accusation))

    def _refusal(self, final: Final) -> str | None:
        if len(final.extra_hash) != 32:
            return f"extra hash of {len(final.extra_hash)} bytes"
        if len(final.report) > self._plugin.limits.report:
            return f"report of {len(final.report)} bytes"
        return certificate_fault(final, self._config, self._attestation)

    def _index(self, tag: RoundTag) -> int:
        return self._config.r_max * tag.epoch + tag.round

    def _remember(self, index: int) -> None:
        # Only verified certificates move the window: self-made ones of a far epoch cannot.
        self._finalized.add(index)
        if index <= self._newest_index:
            return
        oldest_kept = index - self.window + 1
        if index - self._newest_index > self.window:
            self._finalized = {index}
        else:
            for passed in range(self._newest_index - self.window + 1, oldest_kept):
                self._finalized.discard(passed)
        self._newest_index = index


def certificate_fault(final: Final, config: CommitteeConfig, attestation: Attestation) -> str | None:
    """Why the signatures of a final report do not certify it, `None` if they do."""
    if config.report_format is ReportFormat.PACKED and final.extra_hash != NO_EXTRA_HASH:
        # Nothing signs h here: whoever passes the report on could make two different ones of it.
        return "an extra hash that nobody signed"
    if len(final.signatures) != config.report_quorum:
        return f"{len(final.signatures)} signatures instead of {config.report_quorum}"
    if len({signature.signer for signature in final.signatures}) != len(final.signatures):
        return "a signer twice"
    signing_hash = attestation.signing_hash(
        RoundTag(final.epoch, final.round), final.extra_hash, final.report
    )
    for signature in final.signatures:
        if not attestation.verify_report_signature(signing_hash, signature):
            return f"invalid signature of oracle {signature.signer}"
    return None
