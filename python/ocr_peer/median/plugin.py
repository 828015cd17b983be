"""The median feed's answers to the protocol's questions (libocr `reportingplugin/median/median.go`)."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_peer import crypto
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig, decode_int192
from ocr_peer.median.policy import deviates
from ocr_peer.median.report import decode_report, max_report_bytes
from ocr_peer.protocol.config import SECOND, CommitteeConfig, OracleId, ReportFormat
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.plugin import SizeLimits
from ocr_peer.protocol.report import (
    AttestedReport,
    AttributedObservation,
    BuiltReport,
    RequestRefused,
    RoundTag,
)

__all__ = ["MedianPlugin", "report_median"]

_OBSERVATION_LIMIT = 92
"""timestamp, value, juelsPerFeeCoin and gasPriceSubunits, each with its tag, and room to spare."""


class MedianPlugin:
    """Builds median reports and decides when one is due."""

    def __init__(self, config: CommitteeConfig, committee: crypto.Committee) -> None:
        """Read the plugin's part of the configuration.

        Raises:
            InputError: `onchainConfig` or `reporting_plugin_config` is malformed.
        """
        self._config_digest = config.config_digest
        self._report_format = config.report_format
        self._committee = committee
        self._offchain = MedianOffchainConfig.decode(config.reporting_plugin_config)
        self._range = MedianLimits.decode(config.onchain_config)
        self.limits = SizeLimits(
            query=0,
            observation=_OBSERVATION_LIMIT,
            report=max_report_bytes(config.n, config.report_format),
        )

    def build_report(
        self, tag: RoundTag, query: bytes, observations: Sequence[AttributedObservation]
    ) -> BuiltReport | RequestRefused:
        """Check the request as a follower must and build the report, in one native call.

        Go does not look at the length of a single observation here, so neither may this: only the whole
        request is bounded, by its message's limit.
        """
        try:
            built = self._committee.verify_and_build_report(
                tag.epoch,
                tag.round,
                query,
                [
                    (observation.observation, observation.signature, observation.observer)
                    for observation in observations
                ],
            )
        except crypto.RefusedReportRequest as refusal:
            return RequestRefused(refusal.rule, None if refusal.oracle is None else OracleId(refusal.oracle))
        return BuiltReport(
            report=built.report,
            extra_hash=built.extra_hash,
            signing_hash=built.signing_hash,
            median=decode_int192(built.median24),
            observations_timestamp=built.observations_timestamp,
            left_out=tuple(OracleId(oracle) for oracle in built.left_out),
        )

    def should_report(self, tag: RoundTag, built: BuiltReport, chain: ChainView | None) -> bool:
        """First report of a configuration, deviation, heartbeat, or somebody asked for a round.

        An unreadable chain counts as a reason: an extra report is cheaper than silence.
        """
        if not self._range.contain(built.median):
            return False
        if chain is None:
            return True
        offchain = self._offchain
        initial = chain.config_digest == self._config_digest and chain.tag == RoundTag(0, 0)
        deviation = not offchain.alpha_report_infinite and deviates(
            offchain.alpha_report_ppb, chain.answer, built.median
        )
        heartbeat = chain.timestamp * SECOND + offchain.delta_c < chain.read_at
        requested = chain.requested_digest == self._config_digest and (
            RoundTag(chain.requested_epoch, chain.requested_round) >= chain.tag
        )
        return initial or deviation or heartbeat or requested

    def should_accept(
        self, report: AttestedReport, chain: ChainView, last_accepted: AttestedReport | None
    ) -> bool:
        """Newer than the chain and than the last accepted, and different enough while that one is under way."""
        tag = report.context.tag
        if chain.config_digest != self._config_digest or tag <= chain.tag:
            return False
        if last_accepted is None:
            return True
        last_tag = last_accepted.context.tag
        if tag <= last_tag:
            return False
        nothing_pending = chain.tag >= last_tag
        return nothing_pending or self._differs(last_accepted.report, report.report)

    def _differs(self, old: bytes, new: bytes) -> bool:
        if self._offchain.alpha_accept_infinite:
            return False
        try:
            old_median, new_median = (report_median(report, self._report_format) for report in (old, new))
        except ValueError:
            # Stored while the job named another format: its answer is not to be compared with.
            return True
        return deviates(self._offchain.alpha_accept_ppb, old_median, new_median)

    def should_transmit(self, report: AttestedReport, chain: ChainView) -> bool:
        """Still under the chain's configuration, and newer than what the chain has."""
        return chain.config_digest == self._config_digest and report.context.tag > chain.tag


def report_median(report: bytes, report_format: ReportFormat = ReportFormat.OCR2) -> int:
    """The answer that the aggregator takes from a report: the middle observation.

    Raises:
        ValueError: not a report of this format.
    """
    return decode_report(report, report_format).median
