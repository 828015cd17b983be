"""Direct streams: what has one addressee goes over one long-lived stream per peer and committee."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import structlog
import trio
from libp2p.io.exceptions import IOException

from ocr_peer.libp2p_network.counters import Count
from ocr_peer.libp2p_network.frames import MAX_FRAME_BYTES, FrameError, FrameReader, encode_frame
from ocr_peer.libp2p_network.host import PeerHost, StreamUnavailable
from ocr_peer.libp2p_network.peer_stream import PeerStream
from ocr_peer.libp2p_network.wakeup import Wakeup

__all__ = ["PeerLink", "read_frames"]

log = structlog.get_logger(__name__)

_QUEUE_FRAMES = 256
_COALESCE_FRAMES = 64
_COALESCE_BYTES = 64 * 1024
_RETRY_SECONDS = 0.1
_RETRY_MAX_SECONDS = 2.0


class PeerLink:
    """The way to one peer: a bounded queue and the one task that writes."""

    def __init__(self, host: PeerHost, peer_id: str, protocol: str) -> None:
        self._host = host
        self._peer_id = peer_id
        self._protocol = protocol
        self._queue: deque[bytes] = deque()
        self._queued = Wakeup()

    def send(self, payload: bytes) -> None:
        """Queue a payload; a full queue loses its oldest one."""
        self._queue.append(payload)
        if len(self._queue) > _QUEUE_FRAMES:
            self._queue.popleft()
            self._host.counters.add(Count.DROPPED_QUEUE_FULL)
        self._queued.notify()

    async def run(self) -> None:
        """Write what is queued for as long as the committee lasts, over one stream after another."""
        delay = _RETRY_SECONDS
        while True:
            while not self._queue:
                await self._queued.wait()
            try:
                stream = await self._host.open_stream(self._peer_id, self._protocol)
            except StreamUnavailable as error:
                log.debug("no direct stream yet", peer=self._peer_id, reason=str(error))
                with trio.move_on_after(delay):
                    await self._host.changed.wait()
                delay = min(2 * delay, _RETRY_MAX_SECONDS)
                continue
            delay = _RETRY_SECONDS
            try:
                await self._write(stream)
            except IOException as error:
                log.debug("direct stream ended", peer=self._peer_id, reason=repr(error))
            finally:
                await stream.reset()

    async def _write(self, stream: PeerStream) -> None:
        while True:
            while not self._queue:
                await self._queued.wait()
            batch = b""
            frames: list[bytes] = []
            while self._queue and len(frames) < _COALESCE_FRAMES and len(batch) < _COALESCE_BYTES:
                frames.append(self._queue.popleft())
                batch += encode_frame(frames[-1])
            try:
                await stream.write(batch)
            except IOException:
                # The peer may have some of them; a duplicate does less harm than a loss.
                self._queue.extendleft(reversed(frames))
                raise


async def read_frames(stream: PeerStream, receive: Callable[[str, bytes], None], host: PeerHost) -> None:
    """Hand every frame of an incoming stream to `receive` until the stream ends."""
    reader = FrameReader(stream.read, MAX_FRAME_BYTES)
    try:
        while True:
            receive(stream.peer_id, await reader.next())
    except FrameError as error:
        host.counters.add(Count.REFUSED_FRAME)
        host.gate.complaints.say(
            "direct stream reset", stream.peer_id, peer=stream.peer_id, reason=str(error)
        )
    except IOException as error:
        log.debug("direct stream from peer ended", peer=stream.peer_id, reason=repr(error))
