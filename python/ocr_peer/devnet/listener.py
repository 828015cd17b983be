"""Connections: how many there are, and how long one may keep us waiting."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, cast

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from ocr_peer.errors import OperatingError

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework
    from starlette.types import ASGIApp

__all__ = ["ImpatientStream", "listen", "serve_connections"]

MAX_CONNECTIONS = 256
# A client that takes nothing for so long is disconnected.
SEND_TIMEOUT = 10.0

_log = logging.getLogger(__name__)


class ImpatientStream:
    """A connection that ends when the other side takes nothing for too long.

    Hypercorn shields what it sends from cancellation: without this, a client that does not read would hold up
    its connection's task for ever, and with it the end of the program.
    """

    def __init__(self, stream: trio.SocketStream, timeout: float = SEND_TIMEOUT) -> None:
        self._stream = stream
        self._timeout = timeout
        self.socket = stream.socket

    async def send_all(self, data: bytes) -> None:
        """Send everything.

        Raises:
            trio.BrokenResourceError: the connection is lost, or was given up.
        """
        with trio.move_on_after(self._timeout) as patience:
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            self.abandon()
            raise trio.BrokenResourceError(f"nothing was taken for {self._timeout:g} s")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Some bytes; none at the end."""
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        """Tell the other side that there is no more."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it in good order."""
        await self._stream.aclose()

    def abandon(self) -> None:
        """Close it at once, whatever is on its way."""
        self.socket.close()


async def serve_connections(
    app: ASGIApp,
    listener: socket.socket,
    *,
    max_message: int,
    max_connections: int = MAX_CONNECTIONS,
    send_timeout: float = SEND_TIMEOUT,
) -> None:
    """Serve an ASGI application on a listening socket until cancelled; then every connection is closed.

    Args:
        app: the application.
        listener: bound to a loopback address.
        max_message: the most bytes of a WebSocket message.
        max_connections: one more is closed at once.
        send_timeout: seconds that a client may take nothing of what it is sent.
    """
    config = Config()
    config.errorlog = _log
    config.accesslog = None
    config.websocket_max_message_size = max_message
    context = WorkerContext(None)
    # Two descriptions of ASGI that mean the same.
    wrapped = wrap_app(cast("ASGIFramework", app), config.wsgi_max_body_size, "asgi")
    streams: set[ImpatientStream] = set()

    async def handle(accepted: trio.SocketStream) -> None:
        stream = ImpatientStream(accepted, send_timeout)
        if len(streams) >= max_connections:
            stream.abandon()
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        streams.add(stream)
        try:
            # It takes whatever behaves like a stream; without a handshake it is one without TLS.
            await TCPServer(wrapped, config, context, ConnectionState({}), cast("trio.SSLStream", stream))
        except Exception:  # noqa: BLE001  one client's connection must not end everybody's
            _log.exception("a connection to the development chain failed")
        finally:
            streams.discard(stream)
            stream.abandon()

    try:
        await trio.serve_listeners(handle, [trio.SocketListener(trio.socket.from_stdlib_socket(listener))])
    finally:
        for stream in streams:
            stream.abandon()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OperatingError: the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OperatingError(f"cannot listen on {host} port {port}: {reason}; choose another port") from None
