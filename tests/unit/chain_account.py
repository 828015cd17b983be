"""A transmitter with the memory it keeps across restarts, and a chain that can be reorganised."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import trio
from ocr_devnet import Devnet

from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import (
    InMemoryTransactionStore,
    TransactionRow,
    TransactionState,
    TransactionStore,
)
from ocr_peer.evm.transmitter import Submission, Transmitter, TransmitterSettings
from tests.unit.test_evm_feed import CHAIN_ID, GENESIS, Endpoint, Feed, new_endpoint

POLL_S = 2.0


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = float(GENESIS)

    def __call__(self) -> float:
        return self.seconds


class Account:
    """One account; `restarted` is what a new process would be."""

    def __init__(
        self,
        feed: Feed,
        key: bytes,
        store: TransactionStore | None = None,
        relay: ChainAccess | None = None,
        **settings: Any,
    ) -> None:
        self.feed = feed
        self.key = key
        self.store = store or InMemoryTransactionStore()
        self.relay = relay
        self.settled: list[TransactionRow] = []
        self.clock = Clock()
        self.settings = replace(TransmitterSettings(), **settings)
        self.transmitter = self.restarted()

    def restarted(self) -> Transmitter:
        self.transmitter = Transmitter(
            self.feed.rpc,
            LocalSigner(self.key),
            self.store,
            chain_id=CHAIN_ID,
            settings=self.settings,
            relay=self.relay,
            on_settled=self.settled.append,
            clock=self.clock,
        )
        return self.transmitter

    async def submit(self, epoch: int, round_: int) -> Submission:
        report = self.feed.report(epoch, round_)
        return await self.transmitter.submit(
            self.feed.contract, encode_transmit(report), reference=f"{epoch}/{round_}"
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.transmitter.run)
            yield
            nursery.cancel_scope.cancel()

    async def until_settled(self, count: int) -> None:
        with trio.fail_after(600):
            while len(self.settled) < count:
                await self.blocks(1)

    async def blocks(self, count: int) -> None:
        """Mine, and give the transmitter time to look after each block."""
        for _ in range(count):
            self.feed.endpoint.mine()
            await trio.sleep(POLL_S + 0.5)

    def states(self) -> list[tuple[int, TransactionState]]:
        return [(row.nonce, row.state) for row in self.settled]

    def rows(self) -> dict[int, TransactionRow]:
        """What the store holds, by nonce."""
        assert isinstance(self.store, InMemoryTransactionStore)
        return {row.nonce: row for row in self.store.rows.values()}


@dataclass
class ForkedEndpoint(Endpoint):
    """Two chains that are one until `fork`; from then on the other one grows in the dark until `reorganise`."""

    other: Devnet | None = None
    forked: bool = False

    def fork(self) -> None:
        self.forked = True

    def _answer(self, item: dict[str, Any]) -> object:
        if not self.forked and self.other is not None and item["method"] == "eth_sendRawTransaction":
            self.other.rpc(json.dumps(item).encode(), self.now)
        return super()._answer(item)

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            super().mine()
            if not self.forked and self.other is not None:
                self.other.mine(self.now)

    def reorganise(self, blocks: int) -> None:
        """Show the other chain, `blocks` longer than it was."""
        assert self.other is not None
        assert self.forked
        for _ in range(blocks):
            self.now += 1
            self.other.mine(self.now)
        self.devnet, self.other, self.forked = self.other, None, False


def forked_endpoint() -> ForkedEndpoint:
    return ForkedEndpoint(new_endpoint().devnet, other=new_endpoint().devnet)
