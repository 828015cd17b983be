"""Transactions in a block that may yet be undone: followed, sent again, and final in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ocr_peer.evm import finality
from ocr_peer.evm.confirmation import ConfirmationSettings
from ocr_peer.evm.transactions import TransactionState
from tests.unit.chain_account import Account, ForkedEndpoint, forked_endpoint
from tests.unit.test_evm_feed import Feed, deployed_feed, new_endpoint

DEPTH = 5
STARTED: dict[str, Any] = {"state": TransactionState.IN_FLIGHT, "inclusion": None}


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    endpoint = forked_endpoint()
    async with deployed_feed(endpoint=endpoint) as deployed:
        assert endpoint.other is not None
        endpoint.other.automine = False
        yield deployed


@pytest.fixture
def endpoint(feed: Feed) -> ForkedEndpoint:
    assert isinstance(feed.endpoint, ForkedEndpoint)
    return feed.endpoint


@pytest.fixture
def account(feed: Feed) -> Account:
    return Account(feed, feed.transmitter_key(1), confirmation=ConfirmationSettings(finality_depth=DEPTH))


async def test_a_mined_transaction_is_final_only_below_enough_blocks(
    autojump_clock: MockClock, account: Account
) -> None:
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(1)
        assert account.states() == [(0, TransactionState.MINED)]
        assert not account.rows()[0].final
        await account.blocks(DEPTH - 1)
        assert not account.rows()[0].final
        await account.blocks(1)
    assert account.rows()[0].final
    assert account.states() == [(0, TransactionState.MINED)], "told once"


async def test_at_depth_zero_a_mined_transaction_is_final_at_once(
    autojump_clock: MockClock, feed: Feed
) -> None:
    account = Account(feed, feed.transmitter_key(1), confirmation=ConfirmationSettings(finality_depth=0))
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(1)
    assert account.rows()[0].final


@pytest.mark.parametrize("restart", [False, True])
async def test_a_transaction_whose_block_vanishes_is_sent_again_as_it_was(
    restart: bool, autojump_clock: MockClock, account: Account, endpoint: ForkedEndpoint
) -> None:
    endpoint.fork()
    first = await account.submit(1, 1)
    await account.submit(1, 2)
    async with account.running():
        await account.blocks(3)
        assert account.states() == [(0, TransactionState.MINED), (1, TransactionState.MINED)]
        if not restart:
            endpoint.reorganise(5)
            await account.blocks(3)
    if restart:
        endpoint.reorganise(5)
        account.restarted()
        async with account.running():
            await account.blocks(3)
    assert account.states()[2:] == [(0, TransactionState.MINED), (1, TransactionState.MINED)]
    rows = account.rows()
    assert rows[0].hashes == (first.transaction_hash,), "the same bytes"
    snapshot = await account.transmitter.snapshot()
    assert (snapshot.reorganised, snapshot.unconfirmed_transactions) == (2, 0)


async def test_a_reorganised_transaction_that_others_overtook_frees_its_nonce(
    autojump_clock: MockClock, account: Account, feed: Feed, endpoint: ForkedEndpoint
) -> None:
    endpoint.fork()
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(2)
        assert account.states() == [(0, TransactionState.MINED)]
        endpoint.reorganise(1)
        other = Account(feed, feed.transmitter_key(2))
        await other.submit(1, 5)
        endpoint.mine(2)
        await account.blocks(3)
        assert account.states()[1:] == [(0, TransactionState.DROPPED)]
        assert endpoint.devnet.pending_count == 0
        await account.submit(1, 6)
        await account.blocks(1)
    assert account.states()[2:] == [(0, TransactionState.MINED)], "the next errand has the nonce"


async def test_a_transaction_that_moved_to_another_block_is_followed_there(
    autojump_clock: MockClock, account: Account, endpoint: ForkedEndpoint
) -> None:
    submitted = await account.submit(1, 1)  # on both chains
    endpoint.fork()
    async with account.running():
        await account.blocks(1)
        before = account.rows()[0].inclusion
        endpoint.now += 7
        endpoint.reorganise(2)
        await account.blocks(1)
        after = account.rows()[0].inclusion
        assert before is not None
        assert after is not None
        assert before.block_hash != after.block_hash
        assert before.transaction_hash == after.transaction_hash == submitted.transaction_hash
        assert before.seen_at == after.seen_at
        await account.blocks(DEPTH)
    assert account.rows()[0].final
    assert account.states() == [(0, TransactionState.MINED)]


async def test_following_costs_one_call_a_look(
    autojump_clock: MockClock, account: Account, feed: Feed
) -> None:
    for round_ in range(1, 6):
        await account.submit(1, round_)
    async with account.running():
        await account.blocks(2)
        feed.endpoint.calls.clear()
        await account.blocks(2)
    assert feed.endpoint.calls["eth_getTransactionReceipt"] == 0
    looks = feed.endpoint.calls["eth_blockNumber"]
    assert feed.endpoint.calls["eth_getBlockByNumber"] <= looks + 1  # the balance's quote


async def test_an_endpoint_that_lags_undoes_nothing(
    autojump_clock: MockClock, account: Account, endpoint: ForkedEndpoint
) -> None:
    endpoint.fork()
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(2)
        ahead, endpoint.devnet = endpoint.devnet, endpoint.other or endpoint.devnet
        with capture_logs() as logs:
            from_behind = endpoint.devnet.block_number
            assert from_behind < ahead.block_number
            await trio.sleep(20)
        assert not [line for line in logs if line["event"] == "transaction.reorganised"]
        endpoint.devnet = ahead
        await account.blocks(DEPTH)
    assert account.rows()[0].final


async def test_on_a_chain_that_was_reset_it_is_sent_again(
    autojump_clock: MockClock, account: Account, endpoint: ForkedEndpoint
) -> None:
    endpoint.mine(20)
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(1)
        endpoint.devnet, endpoint.other = new_endpoint().devnet, None
        endpoint.devnet.automine = False
        await account.blocks(4)
        assert account.states() == [(0, TransactionState.MINED)] * 2
        # One that was sent on the chain before, and is too cheap on this one, is made dearer nevertheless.
        endpoint.swallowed = {"eth_sendRawTransaction"}
        row = account.rows()[0]
        await account.store.save(replace(row, nonce=1, sent_at_block=500, **STARTED))
        account.restarted()
    async with account.running():
        await account.blocks(5)
    assert len(account.rows()[1].hashes) == 2


async def test_not_too_many_are_followed(
    autojump_clock: MockClock, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finality, "MAX_FOLLOWED", 2)
    for round_ in range(1, 6):
        await account.submit(1, round_)
    async with account.running():
        await account.blocks(2)
    assert [row.final for _, row in sorted(account.rows().items())] == [True, True, True, False, False]
