"""libp2p's table of connections, without what it does on its own initiative."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from typing import Protocol, cast

import structlog
import trio
from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.crypto.keys import KeyPair
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ocr_peer.libp2p_network.containment import ContainedTasks
from ocr_peer.libp2p_network.counters import Count, Counters
from ocr_peer.libp2p_network.gate import Gate, GatedNoise
from ocr_peer.libp2p_network.muxing import BoundedYamux, GuardedUpgrader
from ocr_peer.libp2p_network.tcp import GuardedTcp, GuardedTcpStream

__all__ = ["ConnectionObserver", "GuardedSwarm"]

log = structlog.get_logger(__name__)

_MAX_CONNECTIONS = 1024
_MAX_HANDSHAKES = 256
_MAX_CONNECTIONS_PER_ADDRESS = 128
_FAREWELL_SECONDS = 1.0
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_ACCEPT_PAUSE = 0.1


class ConnectionObserver(Protocol):
    """Who wants to know about connections."""

    def connection_opened(self, connection: SwarmConn) -> None:
        """A connection is authenticated and carries streams."""
        ...

    def connection_closed(self, connection: SwarmConn) -> None:
        """A connection ended."""
        ...


class GuardedSwarm(Swarm):
    """Accepts and dials when told; does not prune, tag or connect by itself."""

    def __init__(
        self, keys: KeyPair, gate: Gate, transport: GuardedTcp, counters: Counters, tasks: ContainedTasks
    ) -> None:
        peer_id = ID.from_pubkey(keys.public_key)
        peerstore = PeerStore()
        peerstore.add_key_pair(peer_id, keys)
        super().__init__(
            peer_id,
            peerstore,
            GuardedUpgrader(GatedNoise(keys, gate), counters),
            transports=[transport],
            retry_config=RetryConfig(max_retries=0),
            connection_config=ConnectionConfig(
                max_connections=_MAX_CONNECTIONS,
                min_connections=0,
                low_watermark=0,
                high_watermark=_MAX_CONNECTIONS,
            ),
        )
        self._manager = tasks  # instead of the library's service manager
        self._tasks = tasks
        self._transport = transport
        self._counters = counters
        self._handshakes = 0
        self._incoming: Counter[str] = Counter()

    def observe(self, observer: ConnectionObserver) -> None:
        """Tell `observer` about connections, and nobody else.

        The library's own observers remember every peer id they ever saw (the tag store) or open streams in
        tasks that nothing contains (identify).
        """
        self.notifees[:] = [_Notifee(observer)]

    async def accept(self, listener: trio.SocketListener) -> None:
        """Accept connections for ever."""
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                log.error("cannot accept connections", error=error.strerror)
                await trio.sleep(_ACCEPT_PAUSE)
                continue
            if self._closing:
                stream.socket.close()
            else:
                self._tasks.run_task(self._serve, stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        # `_handle_inbound_connection` would hold one of its slots until the swarm ends.
        try:
            guarded = self._transport.guard(stream)
        except OSError:
            return
        remote = guarded.remote_host
        self._incoming[remote] += 1
        try:
            if (
                self._handshakes >= _MAX_HANDSHAKES
                or self._incoming[remote] > _MAX_CONNECTIONS_PER_ADDRESS
                or len(self.get_connections()) >= _MAX_CONNECTIONS
            ):
                self._counters.add(Count.REJECTED_BUSY)
                return
            muxed = await self._upgrade(guarded)
            await muxed.event_closed.wait()
        except Exception as error:  # noqa: BLE001 - a stranger's handshake can fail in any way
            log.debug("incoming connection failed", remote=remote, reason=repr(error))
        finally:
            self._incoming -= Counter([remote])
            guarded.abort()

    async def _upgrade(self, guarded: GuardedTcpStream) -> BoundedYamux:
        self._handshakes += 1
        try:
            raw = RawConnection(guarded, initiator=False)
            muxed = await self.upgrade_inbound_raw_conn(raw, Multiaddr("/ip4/0.0.0.0/tcp/0"))
        finally:
            self._handshakes -= 1
        return cast(BoundedYamux, muxed)

    async def close_all(self) -> None:
        """Accept no more, and close every connection in good form as far as peers let us within a second."""
        self._closing = True
        with trio.move_on_after(_FAREWELL_SECONDS) as scope:
            scope.shield = True
            async with trio.open_nursery() as nursery:
                for connection in self.get_connections():
                    nursery.start_soon(connection.close)

    async def notify_disconnected(self, conn: INetConn) -> None:
        """Tell the observer, not the auto-connector, which would remember the peer for ever."""
        await self._notify("disconnected", conn)

    def _schedule_prune(self) -> None:
        return


class _Notifee(INotifee):
    def __init__(self, observer: ConnectionObserver) -> None:
        self._observer = observer

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        self._tell(self._observer.connection_opened, conn)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        self._tell(self._observer.connection_closed, conn)

    def _tell(self, react: Callable[[SwarmConn], None], conn: INetConn) -> None:
        try:
            react(cast(SwarmConn, conn))
        except Exception as error:  # the library would swallow it
            log.error("bookkeeping of connections failed", error=repr(error), exc_info=error)
            raise

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        """Not of interest."""

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        """Not of interest."""

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Not of interest."""

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Not of interest."""
