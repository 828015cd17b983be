"""TCP below libp2p: sockets that notice a dead peer, writes that cannot be torn, handshakes that stay small.

Three faults of py-libp2p's own transport are mended here. A write that is cancelled half-way leaves the Noise
nonces of both sides apart, so writes are shielded and a stuck one aborts the whole connection. A handshake
may make the other side buffer without limit, so it gets a read budget. And its listener sets SO_REUSEPORT,
which lets a second node on the same port start up and steal half of the connections.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import trio
from libp2p.abc import IListener, IRawConnection, ITransport
from libp2p.custom_types import THandler
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import Multiaddr  # type: ignore[import-untyped]
from multiaddr.utils import get_network_addrs  # type: ignore[import-untyped]

from ocr_peer.errors import InputError
from ocr_peer.libp2p_network.addresses import TcpAddress, parse_address
from ocr_peer.libp2p_network.counters import Count, Counters

__all__ = ["GuardedTcp", "GuardedTcpStream", "bind", "dialable_addresses"]

WRITE_DEADLINE = 5.0
"""Seconds until a peer that takes none of our bytes is given up."""
_HANDSHAKE_BYTES = 128 * 1024
_READ_BYTES = 64 * 1024
_USER_TIMEOUT_MS = 5000
_KEEPALIVE_IDLE = 5
_KEEPALIVE_INTERVAL = 2
_KEEPALIVE_PROBES = 3
_BACKLOG = 256


class GuardedTcpStream(TrioTCPStream):
    """One connection's bytes."""

    def __init__(
        self, stream: trio.SocketStream, counters: Counters, open_streams: set[GuardedTcpStream]
    ) -> None:
        super().__init__(stream)
        self._counters = counters
        self._open_streams = open_streams
        self._budget: int | None = _HANDSHAKE_BYTES
        self._unread = bytearray()
        _detect_dead_peer(stream.socket)
        # The base class knows IPv4 addresses only.
        host, port = stream.socket.getpeername()[:2]
        self.remote_host = str(host)
        self._cached_remote_address = (self.remote_host, int(port))

    async def write(self, data: bytes) -> None:
        """Write all of `data`, or abort the connection; never interrupted half-way."""
        with trio.move_on_after(WRITE_DEADLINE) as scope:
            scope.shield = True
            await super().write(data)
        if scope.cancelled_caught:
            self._counters.add(Count.WRITE_TIMEOUTS)
            self.abort()
            raise ConnectionClosedError("the peer does not take our bytes", transport="tcp")

    async def read(self, n: int | None = None) -> bytes:
        """Read at most `n` bytes; until the budget is lifted, only so many in all."""
        if not self._unread:
            self._unread += await super().read(_READ_BYTES)
            if self._budget is not None:
                self._budget -= len(self._unread)
                if self._budget < 0:
                    self.abort()
                    raise ConnectionClosedError("handshake too long", transport="tcp")
        taken = bytes(self._unread[:n])
        del self._unread[:n]
        return taken

    def lift_read_budget(self) -> None:
        """The peer is authenticated."""
        self._budget = None

    def abort(self) -> None:
        """Close at once; whoever waits on the socket is told."""
        self._open_streams.discard(self)
        self.stream.socket.close()

    async def close(self) -> None:
        """Close."""
        self._open_streams.discard(self)
        await super().close()


class GuardedTcp(ITransport):
    """Dials, and keeps track of sockets; accepting is done by the host on listeners bound beforehand."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._streams: set[GuardedTcpStream] = set()

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        """Connect to a TCP address; names are resolved by the operating system."""
        text = str(maddr).partition("/p2p/")[0]
        try:
            address = parse_address(text)
            stream = await trio.open_tcp_stream(address.host, address.port)
            return RawConnection(self.guard(stream), initiator=True)
        except (OSError, InputError) as error:
            raise OpenConnectionError(f"{text}: {error}") from error

    def guard(self, stream: trio.SocketStream) -> GuardedTcpStream:
        """Take charge of a connected socket; it is closed when this fails.

        Raises:
            OSError: the peer is gone already.
        """
        try:
            guarded = GuardedTcpStream(stream, self._counters, self._streams)
        except OSError:
            stream.socket.close()
            raise
        self._streams.add(guarded)
        return guarded

    def abort_all(self) -> None:
        """Close every socket that is still open."""
        for stream in list(self._streams):
            stream.abort()

    def create_listener(self, handler_function: THandler) -> IListener:
        """Not used."""
        raise NotImplementedError

    def can_dial(self, maddr: Multiaddr) -> bool:
        """Plain TCP only."""
        try:
            parse_address(str(maddr).partition("/p2p/")[0])
        except InputError:
            return False
        return True

    def can_listen(self, maddr: Multiaddr) -> bool:
        """Never: see `create_listener`."""
        del maddr
        return False

    def protocols(self) -> list[str]:
        """Names of the multiaddress protocols handled."""
        return ["tcp"]


def bind(addresses: Sequence[TcpAddress]) -> list[trio.SocketListener]:
    """Listen on every address.

    Raises:
        InputError: an address is a name, in use or not ours.
    """
    listeners: list[trio.SocketListener] = []
    try:
        for address in addresses:
            listeners.append(_bind(address))
    except InputError:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


def dialable_addresses(listeners: Sequence[trio.SocketListener]) -> list[TcpAddress]:
    """Where the listeners can be reached from other machines; from this one if nowhere else."""
    found: list[TcpAddress] = []
    for listener in listeners:
        host, port = listener.socket.getsockname()[:2]
        is_v6 = listener.socket.family == socket.AF_INET6
        kind, family = ("ip6", 6) if is_v6 else ("ip4", 4)
        address = TcpAddress(kind, host, port)
        if not address.is_unspecified:
            found.append(address)
            continue
        hosts = get_network_addrs(family) or ["::1" if is_v6 else "127.0.0.1"]
        found.extend(TcpAddress(kind, each, port) for each in hosts)
    return list(dict.fromkeys(found))


def _bind(address: TcpAddress) -> trio.SocketListener:
    if not address.is_ip:
        raise InputError("listen", str(address), "is a name, not an address", "use /ip4/… or /ip6/…")
    family = socket.AF_INET6 if address.kind == "ip6" else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address.host, address.port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        problem = f"cannot be listened on: {error.strerror}"
        fix = "choose a free port and an address of this machine"
        raise InputError("listen", str(address), problem, fix) from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(bound))


def _detect_dead_peer(connected: trio.socket.SocketType) -> None:
    options = [
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", _KEEPALIVE_IDLE),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", _KEEPALIVE_INTERVAL),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", _KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", _USER_TIMEOUT_MS),
    ]
    for level, name, value in options:
        option = getattr(socket, name, None)  # TCP_USER_TIMEOUT is Linux only
        if option is not None:
            connected.setsockopt(level, option, value)
