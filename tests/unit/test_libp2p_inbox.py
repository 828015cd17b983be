"""The inbox: a flood by one author costs only that author."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from ocr_peer.libp2p_network.counters import Count, Counters
from ocr_peer.libp2p_network.inbox import Inbox
from ocr_peer.protocol.config import OracleId

ALICE, BOB, EVE = OracleId(0), OracleId(1), OracleId(2)


async def test_authors_take_turns_and_keep_their_order() -> None:
    inbox = Inbox(3, 100, Counters())
    for payload in (b"1", b"2", b"3"):
        inbox.put(EVE, payload)
    inbox.put(ALICE, b"a")
    inbox.put(BOB, b"b")
    received = [await inbox.get() for _ in range(5)]
    assert received == [(EVE, b"1"), (ALICE, b"a"), (BOB, b"b"), (EVE, b"2"), (EVE, b"3")]


async def test_a_flood_loses_its_own_oldest_payloads() -> None:
    counters = Counters()
    inbox = Inbox(3, 100, counters)
    inbox.put(ALICE, b"a")
    for number in range(2000):
        inbox.put(EVE, number.to_bytes(2, "big"))
    assert await inbox.get() == (ALICE, b"a")
    first = int.from_bytes((await inbox.get())[1], "big")
    assert first == 2000 - 512
    assert counters.snapshot()[Count.DROPPED_INBOX_FULL] == first


async def test_large_payloads_are_bounded_by_bytes() -> None:
    counters = Counters()
    inbox = Inbox(2, 200_000, counters)
    for _ in range(20):
        inbox.put(ALICE, bytes(200_000))
    assert counters.snapshot()[Count.DROPPED_INBOX_FULL] == 20 - 5  # 1 MiB


async def test_closing_wakes_the_reader() -> None:
    inbox = Inbox(1, 100, Counters())
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await inbox.get()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        inbox.close()
    inbox.put(ALICE, b"late")
    with pytest.raises(trio.ClosedResourceError):
        await inbox.get()
