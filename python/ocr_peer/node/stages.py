"""At which stage of the committee's schedule a transmission came: known to the committee's members alone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import NewTransmission
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.reconfiguration import Membership
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule

__all__ = ["ScheduledTransmitter", "StageBook"]

_MAX_CONFIGS: Final = 4
"""The current configuration, and some whose last transmissions may still come."""


@dataclass(frozen=True, slots=True)
class ScheduledTransmitter:
    """Who sent a report, as the configuration and the schedule know it."""

    oracle: OracleId
    stage: int | None
    """In the committee's own schedule; `None`: it has no turn there. A repeat after the last stage counts as the
    transmitter's stage in the schedule, too."""


class StageBook:
    """The schedules of the configurations that this node is or was a member of."""

    def __init__(self) -> None:
        self._known: OrderedDict[ConfigDigest, tuple[Membership, Schedule]] = OrderedDict()

    def learn(self, membership: Membership) -> None:
        """Remember a configuration; the oldest is forgotten."""
        config = membership.config
        self._known[config.config_digest] = (membership, Schedule(config, membership.private))
        self._known.move_to_end(config.config_digest)
        while len(self._known) > _MAX_CONFIGS:
            self._known.popitem(last=False)

    def transmitter(self, transmission: NewTransmission) -> ScheduledTransmitter | None:
        """Whose turn it was; `None` under a configuration that is not known, and for an account that it lacks."""
        known = self._known.get(transmission.config_digest)
        if known is None:
            return None
        membership, schedule = known
        account = checksum_address(transmission.transmitter)
        for index, member in enumerate(membership.config.oracles):
            if member.transmit_account == account:
                stages = schedule.stages(RoundTag(transmission.epoch, transmission.round))
                return ScheduledTransmitter(OracleId(index), stages[index])
        return None
