"""Counts what peers do wrong. Nothing here bans anyone: a fault may be a broken link's."""

from __future__ import annotations

from collections import Counter

import structlog

from ocr_peer.protocol.config import OracleId

__all__ = ["FaultLedger"]

_log = structlog.get_logger(__name__)


class FaultLedger:
    """Faults per oracle; at most n counters, since only members' messages get this far."""

    def __init__(self) -> None:
        self.counts: Counter[OracleId] = Counter()

    def add(self, oracle: OracleId, reason: str) -> None:
        """Count one fault; log the 1st, 10th, 100th … of an oracle, so that a flood does not fill the log."""
        self.counts[oracle] += 1
        count = self.counts[oracle]
        if str(count).strip("0") == "1":
            _log.warning("peer fault", oracle=oracle, reason=reason, count=count)
