"""A libp2p stream with buffered reading, and credit given back in large steps.

py-libp2p reads lengths and negotiation lines byte by byte and answers every read with a window update of its
own; setting up one stream takes some hundred frames that way. It also doubles the window to 16 MiB as it goes.
Here the window stays at 256 KiB, which bounds what a peer can make this node hold.
"""

from __future__ import annotations

from typing import cast

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.io.exceptions import IOException
from libp2p.network.stream.net_stream import NetStream
from libp2p.stream_muxer.exceptions import MuxedStreamError
from libp2p.stream_muxer.yamux.yamux import DEFAULT_WINDOW_SIZE, YamuxStream

__all__ = ["PeerStream", "StreamEnded"]

_READ_BYTES = 64 * 1024
_RESET_SECONDS = 1.0


class StreamEnded(IOException):
    """The peer closed or reset the stream, or the connection is gone."""


class PeerStream(INetStream):
    """One stream to or from a peer; its errors are `StreamEnded` and libp2p's `IOException`."""

    def __init__(self, inner: NetStream) -> None:
        self._inner = inner
        self._muxed = cast(YamuxStream, inner.muxed_stream)
        self._buffer = bytearray()
        self._credit = 0
        self.muxed_conn = inner.muxed_conn
        self.metric_send_channel = None
        self.peer_id = str(inner.muxed_conn.peer_id)
        """Authenticated by the handshake."""

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes, at least one.

        Raises:
            StreamEnded: there are no more.
        """
        if not self._buffer:
            self._buffer += await self._receive()
        taken = bytes(self._buffer[:n])
        del self._buffer[:n]
        return taken

    async def _receive(self) -> bytes:
        try:
            data = await self._muxed.conn.read_stream(self._muxed.stream_id, _READ_BYTES)
            self._credit += len(data)
            if self._credit >= DEFAULT_WINDOW_SIZE // 2:
                credit, self._credit = self._credit, 0
                self._muxed.recv_window += credit
                await self._muxed.send_window_update(credit)
        except (MuxedStreamError, KeyError) as error:
            raise StreamEnded(repr(error)) from error
        return data

    async def write(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            IOException: the stream ended, or the peer gave no credit for five seconds.
        """
        await self._inner.write(data)

    async def close(self) -> None:
        """Tell the peer that nothing more will be written."""
        await self._inner.close()

    async def reset(self) -> None:
        """End the stream both ways; quick, also when cancelled."""
        with trio.move_on_after(_RESET_SECONDS) as scope:
            scope.shield = True
            await self._inner.reset()

    def get_remote_address(self) -> tuple[str, int] | None:
        """The socket's other end."""
        return self._inner.get_remote_address()

    def get_protocol(self) -> TProtocol | None:
        """The protocol negotiated."""
        return self._inner.get_protocol()

    def set_protocol(self, protocol_id: TProtocol) -> None:
        """Note the protocol negotiated."""
        self._inner.set_protocol(protocol_id)
