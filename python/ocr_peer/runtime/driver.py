"""The one task that owns an oracle: feeds it events, carries its effects out in order.

Slow effects (observing, reading the chain, transmitting) run as child tasks whose results come back as
events through one bounded channel. Nothing else touches the oracle, so there are no locks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog
import trio

from ocr_peer.errors import InvariantError, OperatingError
from ocr_peer.protocol.config import Duration
from ocr_peer.protocol.effects import (
    Broadcast,
    ChainReadTag,
    Effect,
    Milestone,
    Observe,
    PeerFault,
    Persist,
    ReadChain,
    Record,
    Send,
    Transmit,
)
from ocr_peer.protocol.events import (
    ChainRead,
    ChainView,
    Event,
    MessageReceived,
    ObservationMade,
    Start,
    StoredState,
    TimeAdvanced,
    TransmissionRefused,
)
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import FinalEcho
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.protocol.plugin import SizeLimits
from ocr_peer.protocol.report import RoundTag
from ocr_peer.runtime.clock import Clock
from ocr_peer.runtime.faults import FaultLedger
from ocr_peer.runtime.ports import Chain, DataSource, Endpoint, ReportRefused, Store
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message
from ocr_peer.wire.limits import oversize

__all__ = ["Driver", "InstancePorts", "MilestoneListener"]

_log = structlog.get_logger(__name__)

_EVENT_QUEUE = 1024
"""Events waiting for the oracle. When full, the network's own bounded queues take the pressure."""

_MOST_OVERDUE = 1000
"""Steps in a row to which overdue timers may lead; one that is never cleared would spin for ever."""

_START_CHAIN_READ_S = 5.0
_TRANSMIT_S = 60.0
_NANOSECONDS = 1e9

MilestoneListener = Callable[[Milestone], None]
"""Told of every step of a round, in order; must return at once and never raise."""


@dataclass(frozen=True, slots=True)
class InstancePorts:
    """The world of one oracle under one configuration."""

    endpoint: Endpoint
    store: Store
    chain: Chain
    source: DataSource
    on_milestone: MilestoneListener
    echo_finals: bool
    """False where the network's peers relay broadcasts among themselves."""


class Driver:
    """Runs one `Oracle` until cancelled."""

    def __init__(self, oracle: Oracle, limits: SizeLimits, ports: InstancePorts, clock: Clock) -> None:
        self._oracle = oracle
        self._limits = limits
        self._ports = ports
        self._clock = clock
        self._digest = oracle.config.config_digest
        self._send_event, self._events = trio.open_memory_channel[Event](_EVENT_QUEUE)
        self._overdue = 0
        self.faults = FaultLedger()

    async def run(self) -> None:
        """Take part until cancelled.

        Raises:
            OperatingError: the store failed. The oracle must stay mute from then on, since a vote that
                is not durable may be contradicted after a restart.
            InvariantError: the oracle asks to be woken again and again without handling what is due.
        """
        async with trio.open_nursery() as nursery:
            state, view = await self._starting_point()
            nursery.start_soon(self._receive)
            await self._carry_out(self._oracle.step(Start(state, view), self._clock.now()), nursery)
            while True:
                event = await self._next_event()
                await self._carry_out(self._oracle.step(event, self._clock.now()), nursery)

    async def _starting_point(self) -> tuple[StoredState, ChainView | None]:
        state = await self._ports.store.load_state(self._digest)
        view = None
        with trio.move_on_after(_START_CHAIN_READ_S):
            try:
                view = await self._ports.chain.view()
            except OperatingError as error:
                _log.warning("chain not readable at start", reason=str(error))
        return state, view

    async def _next_event(self) -> Event:
        deadline = self._oracle.next_deadline()
        if deadline is None:
            return await self._events.receive()
        # Checked before the queue, so that a flood of messages cannot hold the timers up.
        remaining = (deadline - self._clock.now()) / _NANOSECONDS
        if remaining <= 0:
            self._overdue += 1
            if self._overdue > _MOST_OVERDUE:
                raise InvariantError(f"a timer of {deadline} stays due after {_MOST_OVERDUE} steps")
            await trio.lowlevel.checkpoint()
            return TimeAdvanced()
        self._overdue = 0
        event: Event = TimeAdvanced()
        with trio.move_on_after(remaining):
            event = await self._events.receive()
        return event

    async def _receive(self) -> None:
        config = self._oracle.config
        while True:
            sender, payload = await self._ports.endpoint.receive()
            message = decode_message(payload)
            if isinstance(message, Undecodable):
                self.faults.add(sender, message.reason)
            elif oversize(message, len(payload), config.n, self._limits):
                self.faults.add(sender, f"{type(message).__name__} of {len(payload)} bytes")
            else:
                await self._send_event.send(MessageReceived(sender, message))

    async def _carry_out(self, effects: Sequence[Effect], nursery: trio.Nursery) -> None:
        unwritten: list[Record] = []
        for effect in effects:
            if isinstance(effect, Persist):
                if isinstance(effect.record, Evidence):
                    self._tell(effect.record)
                unwritten.append(effect.record)
                continue
            if unwritten and isinstance(effect, Send | Broadcast | Transmit):
                # One transaction for all records that stand before something others can see.
                await self._ports.store.write(self._digest, unwritten)
                unwritten = []
            await self._carry_out_one(effect, nursery)
        if unwritten:
            await self._ports.store.write(self._digest, unwritten)

    async def _carry_out_one(self, effect: Effect, nursery: trio.Nursery) -> None:
        match effect:
            case Send(to, message):
                await self._ports.endpoint.send(to, encode_message(message))
            case Broadcast(message):
                if self._ports.echo_finals or not isinstance(message, FinalEcho):
                    await self._ports.endpoint.broadcast(encode_message(message))
            case Observe(tag, timeout):
                nursery.start_soon(self._observe, tag, timeout)
            case ReadChain(tag, timeout):
                nursery.start_soon(self._read_chain, tag, timeout)
            case Transmit():
                nursery.start_soon(self._transmit, effect)
            case PeerFault(oracle, reason):
                self.faults.add(oracle, reason)
            case Milestone():
                self._ports.on_milestone(effect)
            case Persist():
                pass
            case _:
                assert_never(effect)

    def _tell(self, evidence: Evidence) -> None:
        log = _log.bind(oracle=evidence.oracle, epoch=evidence.tag.epoch, round=evidence.tag.round)
        if evidence.oracle == self._oracle.own_id:
            log.critical(
                "this node's own key is used twice; stop the other node that has it",
                accusation=evidence.accusation,
            )
        else:
            log.error("oracle lied, see `ocr-peer evidence`", accusation=evidence.accusation)

    async def _observe(self, tag: RoundTag, timeout: Duration) -> None:
        observation = None
        with trio.move_on_after(timeout / _NANOSECONDS) as scope:
            try:
                observation = await self._ports.source.observe()
            except OperatingError as error:
                _log.warning("observation failed", epoch=tag.epoch, round=tag.round, reason=str(error))
        if scope.cancelled_caught:
            _log.warning(
                "observation too slow", epoch=tag.epoch, round=tag.round, budget_ms=timeout // 1_000_000
            )
        await self._send_event.send(ObservationMade(tag, observation))

    async def _read_chain(self, tag: ChainReadTag, timeout: Duration) -> None:
        view = None
        with trio.move_on_after(timeout / _NANOSECONDS) as scope:
            try:
                view = await self._ports.chain.view()
            except OperatingError as error:
                _log.warning("chain not readable", purpose=tag.purpose, reason=str(error))
        if scope.cancelled_caught:
            _log.warning("chain too slow", purpose=tag.purpose, budget_ms=timeout // 1_000_000)
        await self._send_event.send(ChainRead(tag, view))

    async def _transmit(self, effect: Transmit) -> None:
        tag = effect.report.context.tag
        with trio.move_on_after(_TRANSMIT_S) as scope:
            try:
                await self._ports.chain.transmit(effect)
            except ReportRefused as refused:
                _log.info("report given up", epoch=tag.epoch, round=tag.round, reason=str(refused))
                await self._send_event.send(TransmissionRefused(tag))
            except OperatingError as error:
                _log.warning("transmission failed", epoch=tag.epoch, round=tag.round, reason=str(error))
        if scope.cancelled_caught:
            _log.warning("transmission too slow", epoch=tag.epoch, round=tag.round)
