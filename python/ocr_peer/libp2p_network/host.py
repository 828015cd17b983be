"""What the rest of this package sees of libp2p: peers by id, streams by protocol."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import structlog
import trio
from libp2p.abc import INetStream
from libp2p.crypto.keys import KeyPair
from libp2p.custom_types import StreamHandlerFn, TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.host.ping import ID as PING_PROTOCOL_ID
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY_PROTOCOL_ID
from libp2p.identity.identify.identify import identify_handler_for
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.rcmgr import Direction
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ocr_peer.libp2p_network.addresses import PeerAddress, TcpAddress
from ocr_peer.libp2p_network.containment import ContainedTasks
from ocr_peer.libp2p_network.counters import Count, Counters
from ocr_peer.libp2p_network.gate import Gate, Role
from ocr_peer.libp2p_network.identity import library_id
from ocr_peer.libp2p_network.muxing import NEGOTIATE_SECONDS, BoundedNegotiation, BoundedYamux
from ocr_peer.libp2p_network.peer_stream import PeerStream
from ocr_peer.libp2p_network.swarm import GuardedSwarm
from ocr_peer.libp2p_network.tcp import GuardedTcp, dialable_addresses
from ocr_peer.libp2p_network.wakeup import Wakeup

__all__ = ["Handler", "PeerHost", "StreamUnavailable", "open_host"]

log = structlog.get_logger(__name__)

Handler = Callable[[PeerStream], Awaitable[None]]
"""Serves one incoming stream, which the host resets when the handler is done."""

_MAX_NEGOTIATIONS_PER_PEER = 16
_REPLACE_AFTER_SECONDS = 10.0
"""A new connection of a peer replaces one of at least this age: that one is probably dead."""


class StreamUnavailable(Exception):  # noqa: N818 - a state of the peer, not a fault
    """No stream could be opened: not connected, protocol not spoken, or too slow."""


class PeerHost(BasicHost):
    """Connections and streams of one node."""

    def __init__(
        self,
        swarm: GuardedSwarm,
        gate: Gate,
        tasks: ContainedTasks,
        counters: Counters,
        announced: Sequence[TcpAddress],
    ) -> None:
        self.announced = tuple(announced)
        self.swarm = swarm
        self.gate = gate
        self.counters = counters
        self.peer_id = str(swarm.get_peer_id())
        self.changed = Wakeup()
        """Notified when a connection is made or lost, or an address is learned."""
        self.on_connected: list[Callable[[str], None]] = []
        self.on_disconnected: list[Callable[[str, BoundedYamux], None]] = []
        self._tasks = tasks
        self._handlers: dict[str, tuple[Role, Handler]] = {}
        self._dialled: dict[str, str] = {}
        self._opened_at: dict[SwarmConn, float] = {}
        self._incoming: dict[tuple[str, str], trio.CancelScope] = {}
        self._negotiating: Counter[str] = Counter()
        ping = PingService(self).handle_ping
        super().__init__(
            network=swarm,
            default_protocols=OrderedDict([(PING_PROTOCOL_ID, ping)]),
            disable_identify_address_discovery=True,
        )
        swarm.observe(self)
        # Both only answer. Go peers learn from the first that gossip is spoken here.
        self.serve(IDENTIFY_PROTOCOL_ID, Role.RECORDS, identify_handler_for(self))
        self.serve(PING_PROTOCOL_ID, Role.RECORDS, ping)

    # Connections

    def connections(self, peer_id: str) -> list[SwarmConn]:
        """Live connections to a peer, oldest first."""
        found = self.swarm.get_connections(library_id(peer_id))
        return [cast(SwarmConn, connection) for connection in found if not connection.is_closed]

    def is_connected(self, peer_id: str) -> bool:
        """Whether there is a live connection."""
        return bool(self.connections(peer_id))

    def connected_peers(self) -> list[str]:
        """All peers with a live connection."""
        return [str(peer) for peer in list(self.swarm.connections) if self.is_connected(str(peer))]

    def last_address(self, peer_id: str) -> str | None:
        """Where a peer is connected from, or was last dialled."""
        for connection in reversed(self.connections(peer_id)):
            remote = cast(BoundedYamux, connection.muxed_conn).get_remote_address()
            if remote is not None:
                return str(TcpAddress("ip6" if ":" in remote[0] else "ip4", *remote))
        return self._dialled.get(peer_id)

    async def dial(self, target: PeerAddress, timeout_seconds: float) -> None:
        """Connect to a peer at one address.

        Raises:
            Exception: of many types; the peer is not there, not who it should be, or not let in.
        """
        self.counters.add(Count.DIALS)
        self._dialled[target.peer_id] = str(target.address)
        try:
            # Not `dial_peer`: that picks addresses by itself and blocks a peer for a minute after a failure.
            with trio.fail_after(timeout_seconds):
                await self.swarm.dial_addr(Multiaddr(str(target.address)), library_id(target.peer_id))
        except Exception:
            self.counters.add(Count.DIAL_FAILURES)
            raise

    def drop(self, peer_id: str) -> None:
        """Have every connection to a peer closed."""
        for connection in self.connections(peer_id):
            self._tasks.run_task(connection.close)

    def connection_opened(self, connection: SwarmConn) -> None:
        """Called by the swarm."""
        peer_id = str(connection.muxed_conn.peer_id)
        now = trio.current_time()
        for older in self.connections(peer_id):
            if now - self._opened_at.get(older, now) >= _REPLACE_AFTER_SECONDS:
                self._tasks.run_task(older.close)
        self._opened_at[connection] = now
        self.counters.add(Count.CONNECTIONS_OPENED)
        direction = "incoming" if connection.direction == Direction.INBOUND else "outgoing"
        log.info("peer connected", peer=peer_id, address=self.last_address(peer_id), direction=direction)
        for react in self.on_connected:
            react(peer_id)
        self.changed.notify()

    def connection_closed(self, connection: SwarmConn) -> None:
        """Called by the swarm."""
        peer_id = str(connection.muxed_conn.peer_id)
        if self._opened_at.pop(connection, None) is not None:
            self.counters.add(Count.CONNECTIONS_CLOSED)
        if not self.is_connected(peer_id):
            log.info("peer disconnected", peer=peer_id)
        for react in self.on_disconnected:
            react(peer_id, cast(BoundedYamux, connection.muxed_conn))
        self.changed.notify()

    # Streams

    def serve(self, protocol: str, role: Role, handler: Handler) -> None:
        """Answer a protocol. `role` is the least a peer must have."""
        self._handlers[protocol] = role, handler
        self.multiselect.add_handler(TProtocol(protocol), None)  # what identify tells

    def stop_serving(self, protocol: str) -> None:
        """Stop answering a protocol, and end its streams."""
        self._handlers.pop(protocol, None)
        self.multiselect.remove_handler(TProtocol(protocol))
        for (_, spoken), scope in list(self._incoming.items()):
            if spoken == protocol:
                scope.cancel()

    async def open_stream(self, peer_id: str, protocol: str) -> PeerStream:
        """Open a stream on the newest connection.

        Raises:
            StreamUnavailable: not connected, not spoken, or too slow.
        """
        connections = self.connections(peer_id)
        if not connections:
            raise StreamUnavailable(f"not connected to {peer_id}")
        stream = None
        try:
            with trio.fail_after(NEGOTIATE_SECONDS):
                stream = PeerStream(await connections[-1].new_stream())
                communicator = MultiselectCommunicator(BoundedNegotiation(stream))
                await self.multiselect_client.select_one_of(
                    [TProtocol(protocol)], communicator, NEGOTIATE_SECONDS
                )
        except BaseException as error:
            if stream is not None:
                await stream.reset()
            if not isinstance(error, Exception):
                raise
            raise StreamUnavailable(f"no stream {protocol} to {peer_id}: {error!r}") from error
        stream.set_protocol(TProtocol(protocol))
        return stream

    async def _swarm_stream_handler(self, net_stream: INetStream) -> None:
        """Serve an incoming stream; one per peer and protocol, the newest."""
        stream = PeerStream(cast(NetStream, net_stream))
        try:
            negotiated = await self._negotiate(stream)
            if negotiated is None:
                self.counters.add(Count.REFUSED_STREAM)
                return
            protocol, handler = negotiated
            key = stream.peer_id, protocol
            older = self._incoming.get(key)
            if older is not None:
                older.cancel()
            with trio.CancelScope() as scope:
                self._incoming[key] = scope
                try:
                    await handler(stream)
                finally:
                    if self._incoming.get(key) is scope:
                        del self._incoming[key]
        except Exception as error:
            self.counters.add(Count.CONTAINED_ERRORS)
            log.debug("stream failed", peer=stream.peer_id, error=repr(error), exc_info=error)
        finally:
            await stream.reset()

    async def _negotiate(self, stream: PeerStream) -> tuple[str, Handler] | None:
        peer_id = stream.peer_id
        role = self.gate.role(peer_id)
        if role is None or self._negotiating[peer_id] >= _MAX_NEGOTIATIONS_PER_PEER:
            return None
        allowed = [
            protocol for protocol, (least, _) in self._handlers.items() if role in {least, Role.MEMBER}
        ]
        self._negotiating[peer_id] += 1
        try:
            communicator = MultiselectCommunicator(BoundedNegotiation(stream))
            protocol, _ = await Multiselect(dict.fromkeys(map(TProtocol, allowed))).negotiate(
                communicator, NEGOTIATE_SECONDS
            )
        except Exception as error:  # noqa: BLE001 - the peer may send anything
            log.debug("negotiation failed", peer=peer_id, reason=repr(error))
            return None
        finally:
            self._negotiating -= Counter([peer_id])
        if protocol is None or protocol not in self._handlers:
            return None
        stream.set_protocol(protocol)
        return str(protocol), self._handlers[protocol][1]

    # What the library asks of a host

    def set_stream_handler(self, protocol_id: TProtocol, stream_handler: StreamHandlerFn) -> None:
        """Used by the library's gossip, which is for members."""
        self.serve(protocol_id, Role.MEMBER, stream_handler)

    def get_addrs(self) -> list[Multiaddr]:
        """Addresses that identify tells."""
        return [Multiaddr(str(address)) for address in self.announced]

    def get_transport_addrs(self) -> list[Multiaddr]:
        """Same."""
        return self.get_addrs()

    def _schedule_identify(self, peer_id: ID, *, reason: str) -> None:
        """Never ask: addresses come from signed records only."""


@asynccontextmanager
async def open_host(
    keys: KeyPair,
    *,
    listeners: Sequence[trio.SocketListener],
    announce: Sequence[TcpAddress],
    gate: Gate,
    counters: Counters,
) -> AsyncIterator[tuple[PeerHost, ContainedTasks]]:
    """Run a host on sockets that are bound already; they are closed at the end.

    Yields the host and the tasks that live as long as it does.
    """
    transport = GuardedTcp(counters)
    try:
        async with trio.open_nursery() as nursery:
            tasks = ContainedTasks(nursery, counters)
            swarm = GuardedSwarm(keys, gate, transport, counters, tasks)
            host = PeerHost(swarm, gate, tasks, counters, announce or dialable_addresses(listeners))
            for listener in listeners:
                tasks.run_daemon_task(swarm.accept, listener)
            try:
                yield host, tasks
            finally:
                await swarm.close_all()
                tasks.finish()
                nursery.cancel_scope.cancel()
    finally:
        transport.abort_all()
        for listener in listeners:
            listener.socket.close()
