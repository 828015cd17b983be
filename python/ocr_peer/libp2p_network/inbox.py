"""What was received and not read yet: bounded per author, so that a flood displaces only its own messages."""

from __future__ import annotations

from collections import deque

import trio

from ocr_peer.libp2p_network.counters import Count, Counters
from ocr_peer.libp2p_network.wakeup import Wakeup
from ocr_peer.protocol.config import OracleId

__all__ = ["Inbox"]

_MAX_MESSAGES = 512
_MIN_BYTES = 1024 * 1024


class Inbox:
    """Payloads by author.

    An author over its bound loses its *oldest* payloads: in this protocol newer ones make them moot. Authors
    take turns, one payload each; one author's payloads keep the order in which they arrived.

    Args:
        max_message_bytes: an author may have at least four payloads of this size waiting.
    """

    def __init__(self, authors: int, max_message_bytes: int, counters: Counters) -> None:
        self._max_bytes = max(_MIN_BYTES, 4 * max_message_bytes)
        self._counters = counters
        self._waiting: list[deque[bytes]] = [deque() for _ in range(authors)]
        self._bytes = [0] * authors
        self._turns: deque[OracleId] = deque()
        self._arrived = Wakeup()
        self._is_closed = False

    def put(self, author: OracleId, payload: bytes) -> None:
        """Take in a payload; never waits."""
        if self._is_closed:
            return
        waiting = self._waiting[author]
        if not waiting:
            self._turns.append(author)
        waiting.append(payload)
        self._bytes[author] += len(payload)
        while len(waiting) > _MAX_MESSAGES or self._bytes[author] > self._max_bytes:
            self._bytes[author] -= len(waiting.popleft())
            self._counters.add(Count.DROPPED_INBOX_FULL)
        self._arrived.notify()

    async def get(self) -> tuple[OracleId, bytes]:
        """The next payload with its author.

        Raises:
            trio.ClosedResourceError: the inbox was closed.
        """
        await trio.lowlevel.checkpoint()
        while not self._turns:
            if self._is_closed:
                raise trio.ClosedResourceError("the committee was left")
            await self._arrived.wait()
        author = self._turns.popleft()
        waiting = self._waiting[author]
        payload = waiting.popleft()
        self._bytes[author] -= len(payload)
        if waiting:
            self._turns.append(author)
        return author, payload

    def close(self) -> None:
        """Drop what is waiting and wake the reader."""
        self._is_closed = True
        self._turns.clear()
        self._arrived.notify()
