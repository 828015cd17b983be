"""Yamux with bounds, and the upgrade from a socket to it.

py-libp2p's Yamux notes when a peer exceeds its receive window and buffers the excess regardless; and protocol
negotiation reads lines of whatever length the peer announces. Both are bounded here.
"""

from __future__ import annotations

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.custom_types import TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectClientError, MultiselectError
from libp2p.protocol_muxer.generic_selector import GenericMultistreamSelector
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL_ID
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.transport.exceptions import MuxerUpgradeFailure
from libp2p.transport.upgrader import TransportUpgrader

from ocr_peer.libp2p_network.counters import Count, Counters
from ocr_peer.libp2p_network.gate import GatedNoise

__all__ = ["NEGOTIATE_SECONDS", "BoundedNegotiation", "BoundedYamux", "GuardedUpgrader"]

NEGOTIATE_SECONDS = 10
_NEGOTIATION_BYTES = 4096
_MAX_BUFFERED_BYTES = 4 * 1024 * 1024
"""Unread bytes of one connection; streams have a window of 256 KiB each, and honest peers open few."""


class BoundedNegotiation(ReadWriteCloser):
    """A stream during protocol negotiation: only so many bytes may be read."""

    def __init__(self, inner: ReadWriteCloser) -> None:
        self._inner = inner
        self._budget = _NEGOTIATION_BYTES

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes, and at most what is left of the budget."""
        if self._budget <= 0:
            raise IOException("negotiation too long")
        data = await self._inner.read(self._budget if n is None else min(n, self._budget))
        self._budget -= len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Pass on."""
        await self._inner.write(data)

    async def close(self) -> None:
        """Pass on."""
        await self._inner.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Pass on."""
        return self._inner.get_remote_address()


class BoundedYamux(Yamux):
    """Yamux that hangs up on a peer which ignores flow control."""

    def __init__(self, secured_conn: ISecureConn, peer_id: ID, counters: Counters) -> None:
        super().__init__(secured_conn, peer_id, is_initiator=secured_conn.is_initiator)
        self._counters = counters

    async def start(self) -> None:
        """Read frames until the connection ends; then leave nothing behind."""
        try:
            await super().start()
        finally:
            if not self.is_closed:
                await self._cleanup_on_error()

    async def _read_data_body(self, length: int) -> bytes:
        if length + sum(map(len, self.stream_buffers.values())) > _MAX_BUFFERED_BYTES:
            self._counters.add(Count.BUFFER_OVERRUNS)
            # The one exception upon which the base class closes the connection wherever it reads a body.
            raise trio.TooSlowError
        return await super()._read_data_body(length)


class GuardedUpgrader(TransportUpgrader):
    """Noise, then Yamux; nothing else is offered or accepted."""

    def __init__(self, noise: GatedNoise, counters: Counters) -> None:
        super().__init__({NOISE_PROTOCOL_ID: noise}, {})
        self._counters = counters
        self._selector: GenericMultistreamSelector[None] = GenericMultistreamSelector()
        self._selector.add_handler(TProtocol(YAMUX_PROTOCOL_ID), None)

    async def upgrade_connection(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Negotiate Yamux. The base class would build its own, unbounded one."""
        try:
            await self._selector.select(BoundedNegotiation(conn), conn.is_initiator, NEGOTIATE_SECONDS)
        except (MultiselectError, MultiselectClientError) as error:
            raise MuxerUpgradeFailure("the peer does not speak Yamux") from error
        return BoundedYamux(conn, peer_id, self._counters)
