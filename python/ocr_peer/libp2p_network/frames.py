"""Frames on a stream: a varint length, then that many bytes. Nothing is allocated on a peer's word alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator

__all__ = ["MAX_FRAME_BYTES", "FrameDecoder", "FrameError", "FrameReader", "encode_frame"]

MAX_FRAME_BYTES = 256 * 1024
_MAX_LENGTH_BYTES = 5
_READ_BYTES = 64 * 1024


class FrameError(Exception):
    """A peer sent bytes that are not a frame, or a frame above the cap."""


def encode_frame(payload: bytes) -> bytes:
    """`payload` with its length in front."""
    length = len(payload)
    prefix = bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + payload


class FrameDecoder:
    """Cuts a byte stream into frames; pure.

    Args:
        max_frame_bytes: longest payload accepted, checked as soon as its length is read.
    """

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take in `data` and yield the frames that are now complete.

        Raises:
            FrameError: after the frames before the fault; the stream cannot be read further.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while (head := self._length_at(start)) is not None:
                begin, length = head
                if len(buffer) < begin + length:
                    return
                start = begin + length
                yield bytes(buffer[begin:start])
        finally:
            del buffer[:start]

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here."""
        return not self._buffer

    def _length_at(self, start: int) -> tuple[int, int] | None:
        length = 0
        for index in range(_MAX_LENGTH_BYTES):
            position = start + index
            if position >= len(self._buffer):
                return None
            byte = self._buffer[position]
            length |= (byte & 0x7F) << (7 * index)
            if length > self._max:
                raise FrameError(f"frame of at least {length} bytes, at most {self._max} are accepted")
            if byte < 0x80:
                return position + 1, length
        raise FrameError("length does not end")


class FrameReader:
    """Reads frames from a stream with large reads.

    Args:
        read: returns at most that many bytes, at least one; raises at the end of the stream.
        max_frame_bytes: longest payload accepted.
    """

    def __init__(self, read: Callable[[int], Awaitable[bytes]], max_frame_bytes: int) -> None:
        self._read = read
        self._decoder = FrameDecoder(max_frame_bytes)
        self._ready: deque[bytes] = deque()
        self._fault: FrameError | None = None

    async def next(self) -> bytes:
        """The next payload.

        Raises:
            FrameError: the peer broke the format; frames before the fault were returned.
            Exception: whatever `read` raises at the end of the stream.
        """
        while not self._ready:
            if self._fault is not None:
                raise self._fault
            data = await self._read(_READ_BYTES)
            if not data:
                raise FrameError("empty read")
            try:
                self._ready.extend(self._decoder.feed(data))
            except FrameError as error:
                self._fault = error
        return self._ready.popleft()
