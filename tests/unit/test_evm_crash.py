"""A process that dies at any moment loses no errand and does none twice.

Everything that an account does to the world goes through its store, its endpoint and its signer. Here each of
these operations in turn is the last one of a life, once before and once after it was carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from ocr_peer.evm.access import Call, ChainAccess
from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.evm.fees import GWEI, DynamicFees
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.signer import LocalSigner, UnsignedTransaction
from ocr_peer.evm.transactions import InMemoryTransactionStore, TransactionRow
from ocr_peer.evm.transmitter import SubmitOutcome, Transmitter
from tests.unit.chain_account import POLL_S, ForkedEndpoint, forked_endpoint
from tests.unit.test_evm_feed import CHAIN_ID, Feed, deployed_feed

T = TypeVar("T")


class Death(BaseException):
    """Nothing may catch it and go on."""


@dataclass
class Fuse:
    """Burns with every operation."""

    left: int | None = None
    after: bool = False
    burnt: int = 0

    async def operation(self, work: Callable[[], Awaitable[T]]) -> T:
        await trio.lowlevel.checkpoint()
        self.burnt += 1
        dies = self.left is not None and self.burnt == self.left
        if dies and not self.after:
            raise Death
        result = await work()
        if dies:
            raise Death
        return result


class MortalStore:
    def __init__(self, store: InMemoryTransactionStore, fuse: Fuse) -> None:
        self.store, self.fuse = store, fuse

    async def save(self, row: TransactionRow) -> None:
        await self.fuse.operation(lambda: self.store.save(row))

    async def unsettled(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        return await self.fuse.operation(lambda: self.store.unsettled(chain_id, sender))

    async def spending(self, chain_id: int, sender: bytes, since: int) -> Mapping[int, int]:
        return await self.fuse.operation(lambda: self.store.spending(chain_id, sender, since))


class MortalChain:
    def __init__(self, chain: ChainAccess, fuse: Fuse) -> None:
        self.chain, self.fuse = chain, fuse

    @property
    def shown_url(self) -> str:
        return self.chain.shown_url

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        return await self.fuse.operation(lambda: self.chain.call(method, params))

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        return await self.fuse.operation(lambda: self.chain.batch(calls))

    async def agreed(self, calls: Sequence[Call]) -> list[object | RpcError]:
        return await self.fuse.operation(lambda: self.chain.agreed(calls))

    async def wait_for_head(self, timeout_s: float) -> None:
        await self.chain.wait_for_head(timeout_s)


class MortalSigner:
    def __init__(self, key: bytes, fuse: Fuse) -> None:
        self.signer, self.fuse = LocalSigner(key), fuse

    @property
    def address(self) -> bytes:
        return self.signer.address

    async def sign(self, transaction: UnsignedTransaction) -> bytes:
        return await self.fuse.operation(lambda: self.signer.sign(transaction))


@dataclass
class World:
    """What outlives a process: the chain, the store, and what is to be done."""

    feed: Feed
    store: InMemoryTransactionStore
    reorganised: bool = False

    @property
    def endpoint(self) -> ForkedEndpoint:
        assert isinstance(self.feed.endpoint, ForkedEndpoint)
        return self.feed.endpoint

    async def blocks(self, count: int) -> None:
        for _ in range(count):
            self.endpoint.mine()
            await trio.sleep(POLL_S + 0.5)

    async def submit(self, transmitter: Transmitter, *rounds: int) -> None:
        for round_ in rounds:
            submission = await transmitter.submit(
                self.feed.contract, encode_transmit(self.feed.report(1, round_)), reference=f"1/{round_}"
            )
            assert submission.outcome in set(SubmitOutcome)

    async def life(self, fuse: Fuse, story: Callable[[World, Transmitter], Awaitable[None]]) -> bool:
        """Whether it came to its end; a transmitter does whatever the story wants."""
        transmitter = Transmitter(
            MortalChain(self.feed.rpc, fuse),
            MortalSigner(self.feed.transmitter_key(1), fuse),
            MortalStore(self.store, fuse),
            chain_id=CHAIN_ID,
        )
        survived = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(transmitter.run)
                await story(self, transmitter)
                nursery.cancel_scope.cancel()
        except* Death:
            survived = False
        return survived

    async def sent(self) -> list[dict[str, str]]:
        """Every transaction of the account that the chain holds, in order."""
        sender = to_hex(LocalSigner(self.feed.transmitter_key(1)).address)
        found = []
        for number in range(self.endpoint.devnet.block_number + 1):
            block = await self.feed.rpc.call("eth_getBlockByNumber", (hex(number), True))
            assert isinstance(block, dict)
            found += [item for item in block["transactions"] if item["from"] == sender]
        return found


async def lost_and_bumped(world: World, transmitter: Transmitter) -> None:
    """The endpoint forgets two transactions until one has been made dearer; then a third follows."""
    world.endpoint.swallowed = {"eth_sendRawTransaction"}
    await world.submit(transmitter, 1, 2)
    await world.blocks(5)
    world.endpoint.swallowed = set()
    await world.blocks(2)
    await world.submit(transmitter, 3)
    await world.blocks(2)


async def reorganised(world: World, transmitter: Transmitter) -> None:
    """Two transactions are mined, and their blocks vanish."""
    world.endpoint.fork()
    await world.submit(transmitter, 1, 2)
    await world.blocks(2)
    world.endpoint.reorganise(4)
    world.reorganised = True
    await world.blocks(2)
    await world.submit(transmitter, 3)
    await world.blocks(2)


async def replaced(world: World, transmitter: Transmitter) -> None:
    """Somebody else's transaction takes the nonce of a lost one, whose errand gets another."""
    world.endpoint.swallowed = {"eth_sendRawTransaction"}
    await world.submit(transmitter, 1)
    world.endpoint.swallowed = set()
    elsewhere = LocalSigner(world.feed.transmitter_key(1))
    fees = DynamicFees(10 * GWEI, GWEI)
    raw = await elsewhere.sign(UnsignedTransaction(CHAIN_ID, 0, elsewhere.address, b"", 21_000, fees))
    await world.feed.rpc.call("eth_sendRawTransaction", (to_hex(raw),))
    await world.blocks(6)
    await world.submit(transmitter, 2, 3)
    await world.blocks(2)


async def ending(world: World, transmitter: Transmitter) -> None:
    """What a new process does: all that the protocol still wants."""
    await world.submit(transmitter, 1, 2, 3)
    for _ in range(10):
        await world.blocks(1)
        if not transmitter.in_flight:
            return
    raise AssertionError(f"{transmitter.in_flight} transactions never land")


async def check(world: World) -> None:
    """Each errand landed in one transaction, and no nonce is missing or used for two things."""
    sent = await world.sent()
    assert [int(item["nonce"], 16) for item in sent] == list(range(len(sent)))
    wanted = {to_hex(encode_transmit(world.feed.report(1, round_))): round_ for round_ in (1, 2, 3)}
    own = [item for item in sent if item["input"] != "0x"]
    done = Counter(wanted.get(item["input"]) for item in own)
    if len(own) < len(sent):
        # While the nonce of the first was lost, the second may have overtaken it, as another oracle's might.
        done[1] = max(1, done[1])
    assert done == {1: 1, 2: 1, 3: 1}
    for item in own:
        receipt = await world.feed.rpc.call("eth_getTransactionReceipt", (item["hash"],))
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"
    by_hash = {attempt: row.reference for row in world.store.rows.values() for attempt in row.hashes}
    assert [by_hash[bytes.fromhex(item["hash"][2:])] for item in own] == [
        f"1/{wanted[item['input']]}" for item in own
    ]


STORIES = [lost_and_bumped, reorganised, replaced]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("story", STORIES)
async def test_death_at_any_operation_loses_nothing_and_doubles_nothing(
    story: Callable[[World, Transmitter], Awaitable[None]], after: bool, autojump_clock: MockClock
) -> None:
    deaths, survived = 0, False
    while not survived:
        endpoint = forked_endpoint()
        async with deployed_feed(endpoint=endpoint) as feed:
            assert endpoint.other is not None
            endpoint.other.automine = False
            world = World(feed, InMemoryTransactionStore())
            survived = await world.life(Fuse(deaths + 1, after), story)
            endpoint.swallowed = set()
            if endpoint.forked:
                endpoint.reorganise(4)
            assert await world.life(Fuse(), ending)
            await check(world)
        deaths += not survived
    assert deaths > 20, "the fuse is long enough to burn down everywhere"
