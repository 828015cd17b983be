"""RPC endpoints that can be taken away: TCP gateways in front of one chain, for HTTP and WebSocket alike."""

from __future__ import annotations

import socket
from contextlib import suppress

import trio


class Gateway:
    """One endpoint. While it is down, connections are cut and new ones refused.

    Args:
        chain_port: where the chain listens on this machine.
    """

    def __init__(self, chain_port: int) -> None:
        self._chain_port = chain_port
        self._scope: trio.CancelScope | None = None
        self._wanted = trio.Event()
        self._wanted.set()
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where nodes find it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_up(self) -> bool:
        """Whether it serves, or is about to."""
        return self._wanted.is_set()

    def down(self) -> None:
        """Cut everything."""
        self._wanted = trio.Event()
        if self._scope is not None:
            self._scope.cancel()

    def up(self) -> None:
        """Serve again."""
        self._wanted.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._wanted.wait()
            with trio.CancelScope() as self._scope:
                await trio.serve_tcp(self._serve, self.port, host="127.0.0.1")

    async def _serve(self, client: trio.SocketStream) -> None:
        with suppress(OSError, trio.BrokenResourceError):
            chain = await trio.open_tcp_stream("127.0.0.1", self._chain_port)
            async with chain, trio.open_nursery() as nursery:
                nursery.start_soon(_forward, client, chain, nursery.cancel_scope)
                nursery.start_soon(_forward, chain, client, nursery.cancel_scope)


async def _forward(source: trio.SocketStream, sink: trio.SocketStream, done: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for chunk in source:
            await sink.send_all(chunk)
    done.cancel()


def free_port() -> int:
    """A TCP port of this machine that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
