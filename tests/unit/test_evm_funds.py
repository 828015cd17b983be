"""The alarm of an account that runs dry, and the numbers of one that does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ocr_peer.errors import OperatingError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.fees import GWEI, FeeSettings
from ocr_peer.evm.funds import FundsSettings
from tests.unit.chain_account import Account
from tests.unit.test_evm_feed import CHAIN_ID, Feed, deployed_feed


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


def events(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What an operator sees of the account."""
    return [
        line["event"]
        for line in logs
        if line["event"].startswith("account.") and line["log_level"] != "debug"
    ]


async def test_low_funds_are_told_once_and_so_is_their_end(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1))
    with capture_logs() as logs:
        async with account.running():
            await trio.sleep(200)
            assert events(logs) == []
            feed.endpoint.answered = {"eth_getBalance": hex(10**15)}
            await trio.sleep(200)
            assert events(logs) == ["account.low_funds"]
            (alarm,) = [line for line in logs if line["event"] == "account.low_funds"]
            feed.endpoint.answered = {"eth_getBalance": hex(alarm["needed"])}
            await trio.sleep(200)
            assert len(events(logs)) == 1, "not while the base fee may waver"
            feed.endpoint.answered = {"eth_getBalance": hex(alarm["needed"] * 5 // 4)}
            await trio.sleep(200)
    assert events(logs) == ["account.low_funds", "account.funded"]
    assert alarm["account"] == checksum_address(account.transmitter.address)
    assert (alarm["chain_id"], alarm["balance"], alarm["transmissions"]) == (CHAIN_ID, 10**15, 100)
    # 100 transmissions of 200,000 gas at base fee and tip, a little below and a little above 2 gwei.
    assert 100 * 200_000 * GWEI < alarm["needed"] < 100 * 200_000 * 3 * GWEI


async def test_what_a_transmission_used_last_decides_what_the_next_need(
    autojump_clock: MockClock, feed: Feed
) -> None:
    account = Account(feed, feed.transmitter_key(1), funds=FundsSettings(transmissions=1))
    await account.submit(1, 1)
    feed.endpoint.answered = {"eth_getBalance": "0x0"}
    with capture_logs() as logs:
        async with account.running():
            await trio.sleep(10)
    (alarm,) = [line for line in logs if line["event"] == "account.low_funds"]
    assert alarm["needed"] % account.rows()[0].gas_limit == 0


async def test_no_funds_are_told_once(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1), funds=FundsSettings(watched=False))
    feed.endpoint.refused = {"eth_sendRawTransaction": "insufficient funds for gas * price + value"}
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(OperatingError, match="cannot pay"):
                await account.submit(1, 1)
    assert events(logs) == ["account.no_funds"]
    assert (await account.transmitter.snapshot()).low_on_funds


async def test_a_balance_that_is_not_watched_is_not_asked_for(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1), funds=FundsSettings(watched=False))
    async with account.running():
        await trio.sleep(300)
    assert feed.endpoint.calls["eth_getBalance"] == 0


async def test_a_price_above_the_cap_counts_as_the_cap_and_a_dead_endpoint_not_at_all(
    autojump_clock: MockClock, feed: Feed
) -> None:
    account = Account(
        feed,
        feed.transmitter_key(1),
        fees=FeeSettings(max_fee_cap=1000),
        funds=FundsSettings(transmissions=10**12),
    )
    with capture_logs() as logs:
        async with account.running():
            feed.endpoint.down = True
            await trio.sleep(300)
            assert events(logs) == []
            feed.endpoint.down = False
            await trio.sleep(120)
    (alarm,) = [line for line in logs if line["event"] == "account.low_funds"]
    assert alarm["needed"] == 10**12 * 200_000 * 1000


async def test_the_numbers_of_an_account(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1), daily_budget=10**18)
    async with account.running():
        await trio.sleep(1)
        await account.submit(1, 1)
        account.clock.seconds += 40
        shot = await account.transmitter.snapshot()
        assert shot.balance == 10**20
        assert (shot.unconfirmed_transactions, shot.oldest_unconfirmed_s, shot.awaiting_finality) == (
            1,
            40.0,
            0,
        )
        account.clock.seconds += 2
        await account.blocks(1)
        shot = await account.transmitter.snapshot()
    assert (shot.unconfirmed_transactions, shot.oldest_unconfirmed_s, shot.awaiting_finality) == (0, 0.0, 1)
    assert (shot.mined, shot.reverted, shot.dropped, shot.reorganised, shot.gas_bumps) == (1, 0, 0, 0, 0)
    assert (shot.seconds_until_mined, shot.daily_budget) == (42.0, 10**18)
    assert shot.account == checksum_address(account.transmitter.address)
