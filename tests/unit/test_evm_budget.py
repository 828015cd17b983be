"""What an account may spend in a day, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from trio.testing import MockClock

from ocr_peer.errors import OperatingError
from ocr_peer.evm.budget import BudgetExhausted
from ocr_peer.evm.transactions import TransactionState
from ocr_peer.store import open_store
from tests.unit.chain_account import Account
from tests.unit.test_evm_feed import GENESIS, Endpoint, Feed, deployed_feed

DAY = 24 * 3600


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


async def worst_case(feed: Feed) -> int:
    """Most that one transmission may cost now, wei."""
    probe = Account(feed, feed.transmitter_key(3))
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}
    await probe.submit(1, 1)
    feed.endpoint.swallowed = set()
    return probe.rows()[0].worst_cost


async def test_nothing_more_is_begun_than_the_budget_covers_at_the_worst(
    autojump_clock: MockClock, feed: Feed
) -> None:
    budget = 2 * await worst_case(feed) * 101 // 100
    account = Account(feed, feed.transmitter_key(1), daily_budget=budget)
    await account.submit(1, 1)
    await account.submit(1, 2)
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(BudgetExhausted, match="not before the account's transactions in flight are"):
                await account.submit(1, 3)
    (alarm,) = [line for line in logs if line["event"] == "budget.exhausted"]
    assert (alarm["log_level"], alarm["budget"], alarm["spent"]) == ("error", budget, 0)
    assert alarm["in_flight"] == sum(row.worst_cost for row in account.rows().values())
    assert budget < alarm["in_flight"] + alarm["needed"]
    assert len(account.rows()) == 2
    async with account.running():
        await account.blocks(1)
        with capture_logs() as logs:
            await account.submit(1, 3)  # they cost less than they might have
    assert [line for line in logs if line["event"] == "budget.available"]


async def test_a_budget_below_one_transaction_is_called_that(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1), daily_budget=1)
    with pytest.raises(
        BudgetExhausted, match="it frees up never: one transaction may cost more than all of it"
    ):
        await account.submit(1, 1)


async def test_what_was_spent_counts_for_a_day_and_survives_restarts(
    autojump_clock: MockClock, feed: Feed, tmp_path: Path
) -> None:
    worst = await worst_case(feed)
    async with open_store(tmp_path) as store:
        account = Account(feed, feed.transmitter_key(1), store, daily_budget=worst)
        await account.submit(1, 1)
        async with account.running():
            await account.blocks(1)
        assert account.states() == [(0, TransactionState.MINED)]
        spent = (await account.transmitter.snapshot()).spent_in_24_h
        assert 0 < spent < worst
    async with open_store(tmp_path) as store:
        account.store = store
        account.restarted()
        with pytest.raises(
            BudgetExhausted, match=f"{spent} wei spent in 24 hours and 0 wei in flight"
        ) as told:
            await account.submit(1, 2)
        assert "it frees up 2023-11-15 22:13 UTC" in str(told.value)
        account.clock.seconds = (GENESIS // 60 + 24 * 60) * 60 - 1
        with pytest.raises(BudgetExhausted):
            await account.submit(1, 2)
        account.clock.seconds += 1
        await account.submit(1, 2)
        assert (await account.transmitter.snapshot()).spent_in_24_h == 0


async def test_a_replacement_needs_room_in_the_budget(autojump_clock: MockClock, feed: Feed) -> None:
    worst = await worst_case(feed)
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}
    account = Account(feed, feed.transmitter_key(1), daily_budget=worst + worst // 4)
    await account.submit(1, 1)
    with capture_logs() as logs:
        async with account.running():
            await account.blocks(12)
    assert len(account.rows()[0].hashes) == 2, "one rise of 20 % fits, two do not"
    assert len([line for line in logs if line["event"] == "transaction.over_budget"]) == 1
    feed.endpoint.swallowed = set()
    async with account.running():
        await account.blocks(2)
    assert account.states() == [(0, TransactionState.MINED)], "what was sent stays"


async def test_a_reverted_and_a_cancelled_transaction_cost_too(autojump_clock: MockClock, feed: Feed) -> None:
    account, other = (Account(feed, feed.transmitter_key(oracle)) for oracle in (1, 2))
    await other.submit(1, 1)
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(1)
    assert account.states() == [(0, TransactionState.REVERTED)]
    inclusion = account.rows()[0].inclusion
    assert inclusion is not None
    assert (await account.transmitter.snapshot()).spent_in_24_h == inclusion.cost > 0


async def test_what_a_rollup_takes_for_its_data_is_spent_too(
    autojump_clock: MockClock, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(feed, feed.transmitter_key(1))
    plain = Endpoint._answer

    def with_l1_fee(self: Endpoint, item: dict[str, Any]) -> Any:
        answer: Any = plain(self, item)
        if item["method"] == "eth_getTransactionReceipt" and answer["result"] is not None:
            answer["result"]["l1Fee"] = hex(12345)
        return answer

    monkeypatch.setattr(Endpoint, "_answer", with_l1_fee)
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(1)
    inclusion = account.rows()[0].inclusion
    assert inclusion is not None
    gas = inclusion.gas_used * inclusion.effective_gas_price
    assert (await account.transmitter.snapshot()).spent_in_24_h == gas + 12345


async def test_an_errand_whose_nonce_was_taken_needs_no_second_room(
    autojump_clock: MockClock, feed: Feed
) -> None:
    budget = await worst_case(feed) * 102 // 100
    account = Account(feed, feed.transmitter_key(1), daily_budget=budget, max_in_flight=1)
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}
    await account.submit(2, 1)
    feed.endpoint.swallowed = set()
    await Account(feed, account.key).submit(1, 1)
    feed.endpoint.mine()
    async with account.running():
        await account.blocks(6)
    assert sorted(account.states()) == [(0, TransactionState.DROPPED), (1, TransactionState.MINED)]


async def test_without_a_budget_nothing_is_counted_against_it(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1))
    for round_ in range(1, 10):
        await account.submit(1, round_)


async def test_a_budget_that_cannot_be_read_is_not_exceeded(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1), daily_budget=10**18)

    async def broken(chain_id: int, sender: bytes, since: int) -> dict[int, int]:
        raise OperatingError("disk full")

    account.store.spending = broken  # type: ignore[method-assign]
    with pytest.raises(OperatingError, match="disk full"):
        await account.submit(1, 1)
    assert account.rows() == {}
