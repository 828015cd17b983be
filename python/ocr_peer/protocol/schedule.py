"""Who leads an epoch, and when each oracle may transmit a report.

Both are keyed functions that the committee's members compute alike and outsiders cannot predict
(libocr `internal/ocr2/protocol/{pacemaker,transmission}.go`).
"""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.protocol.config import CommitteeConfig, Duration, OracleId, PrivateConfig
from ocr_peer.protocol.report import RoundTag

__all__ = ["Schedule"]


class Schedule:
    """Leader and transmission order of one configuration."""

    def __init__(self, config: CommitteeConfig, private: PrivateConfig) -> None:
        self._config = config
        self._private = private

    def leader(self, epoch: int) -> OracleId:
        """The one oracle that leads `epoch`."""
        return OracleId(crypto.leader(self._private.leader_key, epoch, self._config.n))

    def stages(self, tag: RoundTag) -> list[int | None]:
        """Stage of every oracle, by oracle id; `None` for one past the end of the schedule."""
        config = self._config
        return crypto.transmission_delay_stages(
            self._private.transmission_key,
            config.config_digest,
            tag.epoch,
            tag.round,
            config.n,
            list(config.stage_sizes),
        )

    def stage(self, tag: RoundTag, oracle: OracleId, attempt: int) -> int | None:
        """The oracle's stage in the given attempt, `None` if it never transmits.

        Attempt 0 is the committee's schedule. Later attempts are our own addition for reports that no
        stage brought on chain: the same schedule rotated by one place per attempt, so that a transmitter
        that failed first is not asked first again. The rotation only decides when *this* oracle tries.
        """
        stages = self.stages(tag)
        if attempt == 0:
            return stages[oracle]
        if stages[oracle] is None:
            return None
        scheduled = [index for index, stage in enumerate(stages) if stage is not None]
        scheduled.sort(key=lambda index: (stages[index] or 0, index))
        position = scheduled.index(oracle)
        donor = scheduled[(position - attempt) % len(scheduled)]
        return stages[donor]

    def delay(self, stage: int) -> Duration:
        """How long after finalisation a stage has its turn."""
        return Duration(stage * self._config.delta_stage)
