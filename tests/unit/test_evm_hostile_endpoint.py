"""What a hostile endpoint answers ends neither the transmitter nor what it remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ocr_peer.errors import OperatingError
from ocr_peer.evm.transactions import TransactionRow, TransactionState
from ocr_peer.store.database import Database
from ocr_peer.store.transactions import read_spending, read_unsettled, save_transaction
from tests.unit.chain_account import Account
from tests.unit.test_evm_feed import Endpoint, Feed, deployed_feed

NONSENSE: list[object] = [
    None,
    "0x",
    "0x" + "f" * 64,
    "0x" + "f" * 17,
    "-0x1",
    "ten",
    3,
    [],
    {},
    {"number": "0x" + "f" * 64, "hash": "0x" + "00" * 32, "timestamp": "0x1"},
    {"number": "0x1", "hash": "0x" + "00" * 32, "timestamp": "0x1", "baseFeePerGas": "0x" + "f" * 64},
]
METHODS = [
    "eth_blockNumber",
    "eth_call",
    "eth_estimateGas",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockByNumber",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
]


class UnthreadedStore:
    """The real store without its thread, which virtual time does not wait for."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def save(self, row: TransactionRow) -> None:
        self.database.change(lambda connection: save_transaction(connection, row))

    async def unsettled(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        return self.database.read(lambda connection: read_unsettled(connection, chain_id, sender))

    async def spending(self, chain_id: int, sender: bytes, since: int) -> Mapping[int, int]:
        return self.database.read(lambda connection: read_spending(connection, chain_id, sender, since))


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


@pytest.mark.parametrize("method", METHODS)
async def test_nonsense_is_survived(
    method: str, autojump_clock: MockClock, feed: Feed, tmp_path: Path
) -> None:
    with closing(Database(tmp_path)) as database:
        account = Account(feed, feed.transmitter_key(1), UnthreadedStore(database))
        await account.submit(1, 1)
        round_ = 1
        async with account.running():
            for nonsense in NONSENSE:
                feed.endpoint.answered = {method: nonsense}
                round_ += 1
                try:
                    with trio.fail_after(60):
                        await account.submit(1, round_)
                except OperatingError:
                    pass
                await account.blocks(2)
            feed.endpoint.answered = {}
            await account.blocks(60)
            round_ += 1
            await account.submit(2, round_)
            await account.blocks(10)
        assert account.transmitter.in_flight == 0
    assert account.settled[-1].state is TransactionState.MINED
    assert account.settled[-1].reference == f"2/{round_}"


async def test_a_receipt_cannot_claim_more_than_was_offered(
    autojump_clock: MockClock, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(feed, feed.transmitter_key(1))
    plain = Endpoint._answer

    def dear(self: Endpoint, item: dict[str, Any]) -> Any:
        answer: Any = plain(self, item)
        if item["method"] == "eth_getTransactionReceipt" and answer["result"] is not None:
            answer["result"] |= {"gasUsed": "0x" + "f" * 64, "effectiveGasPrice": "0x" + "f" * 64}
        return answer

    monkeypatch.setattr(Endpoint, "_answer", dear)
    await account.submit(1, 1)
    worst = account.rows()[0].worst_cost
    with capture_logs():
        async with account.running():
            await account.blocks(1)
    assert (await account.transmitter.snapshot()).spent_in_24_h == worst
