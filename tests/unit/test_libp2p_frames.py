"""Frames: whatever arrives is cut into the frames that were sent, or refused, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.libp2p_network.frames import (
    MAX_FRAME_BYTES,
    FrameDecoder,
    FrameError,
    FrameReader,
    encode_frame,
)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=8), cuts=st.lists(st.integers(0, 10_000), max_size=8)
)
def test_frames_survive_any_segmentation(payloads: list[bytes], cuts: list[int]) -> None:
    decoder = FrameDecoder(300)
    stream = b"".join(map(encode_frame, payloads))
    assert [frame for piece in pieces(stream, cuts) for frame in decoder.feed(piece)] == payloads
    assert decoder.is_between_frames


@given(data=st.binary(max_size=4096), cap=st.integers(0, 5000))
def test_garbage_is_frames_or_a_frame_error(data: bytes, cap: int) -> None:
    decoder = FrameDecoder(cap)
    try:
        frames = list(decoder.feed(data))
    except FrameError:
        return
    assert all(len(frame) <= cap for frame in frames)
    assert len(decoder._buffer) <= cap + 5


def test_a_length_above_the_cap_is_refused_before_its_bytes_arrive() -> None:
    decoder = FrameDecoder(MAX_FRAME_BYTES)
    with pytest.raises(FrameError, match="at most"):
        list(decoder.feed(encode_frame(bytes(MAX_FRAME_BYTES + 1))[:3]))


def test_a_length_that_does_not_end_is_refused() -> None:
    with pytest.raises(FrameError, match="does not end"):
        list(FrameDecoder(10).feed(b"\x80" * 5))


async def test_reader_returns_the_frames_before_a_fault() -> None:
    chunks = iter([encode_frame(b"one") + encode_frame(b"two")[:2], encode_frame(b"two")[2:] + b"\xff" * 9])

    async def read(_: int) -> bytes:
        return next(chunks)

    reader = FrameReader(read, 100)
    assert await reader.next() == b"one"
    assert await reader.next() == b"two"
    with pytest.raises(FrameError):
        await reader.next()
