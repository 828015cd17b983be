"""Epochs: when to give a leader up, and how the committee moves on together.

libocr `internal/ocr2/protocol/pacemaker.go`, with three additions that an oracle makes alone: progress
is tagged by epoch, a restarted oracle does not resume an epoch that it led, and a committee without
progress backs off.
"""

from __future__ import annotations

from dataclasses import dataclass

from ocr_peer.protocol.config import CommitteeConfig, Duration, Instant, OracleId, earliest
from ocr_peer.protocol.effects import Broadcast, Effect, PacemakerRecord, Persist
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.messages import NewEpoch
from ocr_peer.protocol.schedule import Schedule

__all__ = ["EpochChange", "Pacemaker"]

_MAX_EPOCH = 2**32 - 1
"""Epochs are u32 in every signed layout."""
_MAX_BACKOFF = 8


@dataclass(frozen=True, slots=True)
class EpochChange:
    """The oracle is now in `epoch`, led by `leader`."""

    epoch: int
    leader: OracleId


class Pacemaker:
    """One oracle's part in leader election."""

    def __init__(self, config: CommitteeConfig, own_id: OracleId, schedule: Schedule) -> None:
        self._config = config
        self._own_id = own_id
        self._schedule = schedule
        self.epoch = 1
        """e: the epoch this oracle is in."""
        self.highest_wished = 1
        """ne: the highest epoch this oracle has wished for."""
        self.wishes = [0] * config.n
        """Highest wish received from each oracle, the own one included."""
        self._progress_deadline: Instant | None = None
        self._resend_deadline: Instant | None = None
        self._fruitless_epochs = 0
        self._had_progress = True

    def next_deadline(self) -> Instant | None:
        """Earliest time at which `on_time` has something to do."""
        return earliest(self._progress_deadline, self._resend_deadline)

    def start(
        self, record: PacemakerRecord | None, chain: ChainView | None, now: Instant, effects: list[Effect]
    ) -> EpochChange:
        """Resume from `record`, or from the chain when nothing was stored, and wish for an epoch."""
        config = self._config
        if record is not None and len(record.wishes) == config.n:
            self.epoch = max(1, record.epoch)
            self.highest_wished = max(self.epoch, record.highest_wished_epoch)
            self.wishes = list(record.wishes)
        if chain is not None and chain.config_digest == config.config_digest:
            # f+1 signers vouch for the chain's epoch, so the committee has been there.
            self.highest_wished = max(self.highest_wished, min(chain.epoch + 1, _MAX_EPOCH))
        if record is not None and self._schedule.leader(self.epoch) == self._own_id:
            # What this oracle asked for before the restart is forgotten; asking again in the same
            # round would equivocate.
            self.highest_wished = max(self.highest_wished, min(self.epoch + 1, _MAX_EPOCH))
        self._arm_progress(now)
        self._wish(now, effects)
        return EpochChange(self.epoch, self._schedule.leader(self.epoch))

    def on_time(self, now: Instant, effects: list[Effect]) -> None:
        """Fire whatever timer is due."""
        if self._progress_deadline is not None and now >= self._progress_deadline:
            self.change_leader(now, effects)
        elif self._resend_deadline is not None and now >= self._resend_deadline:
            self._wish(now, effects)

    def change_leader(self, now: Instant, effects: list[Effect]) -> None:
        """Give the current epoch up: no progress, or its rounds are used up."""
        self._progress_deadline = None
        self.highest_wished = max(self.highest_wished, min(self.epoch + 1, _MAX_EPOCH))
        self._wish(now, effects)

    def on_progress(self, epoch: int, now: Instant) -> None:
        """A round of `epoch` was completed."""
        if epoch != self.epoch:
            return
        self._fruitless_epochs = 0
        self._had_progress = True
        self._arm_progress(now)

    def on_new_epoch(
        self, sender: OracleId, epoch: int, now: Instant, effects: list[Effect]
    ) -> EpochChange | None:
        """Count a wish; join others' wishes, or enter the epoch that enough of them wish for."""
        if epoch <= self.wishes[sender]:
            return None
        self.wishes[sender] = epoch
        f = self._config.f
        # The (f+1)-th and (2f+1)-th largest: f liars that announce the highest number there is cannot
        # drag an honest oracle beyond an honest wish, and wishes need not agree on one exact epoch.
        above_wished = sorted(wish for wish in self.wishes if wish > self.highest_wished)
        if len(above_wished) > f:
            self.highest_wished = above_wished[-(f + 1)]
            self._wish(now, effects)
        above_current = sorted(wish for wish in self.wishes if wish > self.epoch)
        if len(above_current) <= 2 * f:
            return None
        self._fruitless_epochs = 0 if self._had_progress else self._fruitless_epochs + 1
        self._had_progress = False
        self.epoch = above_current[-(2 * f + 1)]
        self.highest_wished = max(self.highest_wished, self.epoch)
        effects.append(Persist(self._record()))
        self._arm_progress(now)
        return EpochChange(self.epoch, self._schedule.leader(self.epoch))

    def _wish(self, now: Instant, effects: list[Effect]) -> None:
        effects.append(Persist(self._record()))
        effects.append(Broadcast(NewEpoch(self.highest_wished)))
        self._resend_deadline = Instant(now + self._config.delta_resend)

    def _arm_progress(self, now: Instant) -> None:
        self._progress_deadline = Instant(now + self._progress_patience())

    def _progress_patience(self) -> Duration:
        # Starting only after more than f fruitless epochs keeps f crashed leaders cheap.
        doublings = max(0, self._fruitless_epochs - self._config.f)
        return Duration(self._config.delta_progress * min(2**doublings, _MAX_BACKOFF))

    def _record(self) -> PacemakerRecord:
        return PacemakerRecord(self.epoch, self.highest_wished, tuple(self.wishes))
