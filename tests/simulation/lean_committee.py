"""Oracles that talk to each other and to a chain of one report, with nothing watching: for runs of many rounds."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

from ocr_peer import crypto
from ocr_peer.median.config import encode_int192
from ocr_peer.median.plugin import report_median
from ocr_peer.protocol.config import MILLISECOND, SECOND, OracleId
from ocr_peer.protocol.effects import Broadcast, Milestone, MilestoneKind, Observe, ReadChain, Send, Transmit
from ocr_peer.protocol.events import (
    ChainRead,
    ChainView,
    Event,
    MessageReceived,
    ObservationMade,
    Start,
    StoredState,
    TimeAdvanced,
)
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.simulation.calendar import Calendar
from ocr_peer.simulation.committee import SIMULATION_START, Timing, form_committee
from ocr_peer.simulation.streams import Streams

_LINK, _SOURCE, _ENDPOINT = 20 * MILLISECOND, 60 * MILLISECOND, 30 * MILLISECOND


class LeanCommittee(Calendar):
    """A healthy committee with fake signatures. Keeps nothing of a round but the newest report."""

    def __init__(self, n: int = 4) -> None:
        super().__init__()
        self._committee = form_committee(
            Streams(1), n, (n - 1) // 3, timing=Timing(), generation=0, fast=True, unique=False
        )
        config, plugin = self._committee.config, self._committee.plugin
        self.oracles = [
            Oracle(config, self._committee.private, OracleId(index), attestation=attestation, plugin=plugin)
            for index, attestation in enumerate(self._committee.attestations)
        ]
        self.rounds = 0
        """Rounds that oracle 0 took for final."""
        self._armed: list[int | None] = [None] * n
        self._newest: AttestedReport | None = None
        for index in range(n):
            self.at(0, self._step, index, Start(StoredState(), self._view()))

    def run(self, rounds: int) -> None:
        """Until so many rounds are final."""
        while self.rounds < rounds:
            assert self.advance(self.elapsed + 60 * SECOND), "the committee stands still"

    def size(self, oracle: int = 0) -> int:
        """Bytes of everything that hangs on the oracle and is its own."""
        committee = self._committee
        shared = (committee.config, committee.private, committee.plugin, *committee.attestations)
        seen = {id(item) for item in shared}
        waiting: list[object] = [self.oracles[oracle]]
        total = 0
        while waiting:
            item = waiting.pop()
            if id(item) in seen or isinstance(item, type | ModuleType | FunctionType | BuiltinFunctionType):
                continue
            seen.add(id(item))
            total += sys.getsizeof(item)
            waiting += gc.get_referents(item)
        return total

    def _step(self, index: int, event: Event) -> None:
        for effect in self.oracles[index].step(event, self.now):
            match effect:
                case Send(to, message):
                    self.at(self.elapsed + _LINK, self._step, to, MessageReceived(OracleId(index), message))
                case Broadcast(message):
                    received = MessageReceived(OracleId(index), message)
                    for to in range(len(self.oracles)):
                        if to != index:
                            self.at(self.elapsed + _LINK, self._step, to, received)
                case Observe(tag):
                    value = encode_int192(100_000 + self.now // SECOND % 1000 + index)
                    body = crypto.encode_observation(self.now // SECOND, value, bytes(24))
                    self.at(self.elapsed + _SOURCE, self._step, index, ObservationMade(tag, body))
                case ReadChain(tag):
                    self.at(self.elapsed + _ENDPOINT, self._step, index, ChainRead(tag, self._view()))
                case Transmit(report):
                    if self._newest is None or report.context.tag > self._newest.context.tag:
                        self._newest = report
                case Milestone(MilestoneKind.FINALIZED) if index == 0:
                    self.rounds += 1
                case _:
                    pass
        deadline = self.oracles[index].next_deadline()
        armed = self._armed[index]
        if deadline is not None and (armed is None or deadline < armed):
            self._armed[index] = deadline
            self.at(deadline - SIMULATION_START, self._wake, index, deadline)

    def _wake(self, index: int, armed: int) -> None:
        if self._armed[index] == armed:
            self._armed[index] = None
            self._step(index, TimeAdvanced())

    def _view(self) -> ChainView:
        tag, answer = RoundTag(0, 0), 0
        if self._newest is not None:
            tag, answer = self._newest.context.tag, report_median(self._newest.report)
        digest = self._committee.config.config_digest
        return ChainView(digest, tag.epoch, tag.round, answer, 0, None, 0, 0, self.now)
