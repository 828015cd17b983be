"""Transactions that no block takes: lost, too cheap, not wanted any more, or behind a nonce that nobody uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ocr_peer.errors import OperatingError
from ocr_peer.evm.confirmation import ConfirmationSettings
from ocr_peer.evm.fees import GWEI, DynamicFees, FeesAboveCap, FeeSettings, LegacyFees
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.replacement import MAX_GAP
from ocr_peer.evm.signer import LocalSigner, UnsignedTransaction
from ocr_peer.evm.transactions import CANCELLATION_GAS, TransactionRow, TransactionState
from ocr_peer.evm.transmitter import SubmitOutcome
from tests.unit.chain_account import Account
from tests.unit.test_evm_feed import CHAIN_ID, Feed, deployed_feed


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


@pytest.fixture
def account(feed: Feed) -> Account:
    return Account(feed, feed.transmitter_key(1))


async def nonce_on_chain(account: Account) -> int:
    address = to_hex(account.transmitter.address)
    return int(str(await account.feed.rpc.call("eth_getTransactionCount", (address, "latest"))), 16)


async def overtaken(feed: Feed, epoch: int, round_: int) -> None:
    other = Account(feed, feed.transmitter_key(2))
    await other.submit(epoch, round_)
    feed.endpoint.mine()


def lost(feed: Feed) -> None:
    """From now on the endpoint forgets what it is sent."""
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}


async def test_a_lost_transaction_that_is_overtaken_leaves_its_nonce_to_the_next(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(1, 1)
    feed.endpoint.swallowed = set()
    await overtaken(feed, 1, 1)
    async with account.running():
        await account.blocks(1)
        assert account.states() == [(0, TransactionState.DROPPED)]
        assert feed.endpoint.devnet.pending_count == 0, "nothing was paid for"
        await account.submit(1, 2)
        await account.blocks(1)
    assert account.states()[1:] == [(0, TransactionState.MINED)]


async def test_a_lost_transaction_that_is_too_old_is_not_sent(autojump_clock: MockClock) -> None:
    async with deployed_feed(max_age_s=60) as feed:
        account = Account(feed, feed.transmitter_key(1))
        lost(feed)
        await account.submit(1, 1)
        feed.endpoint.swallowed = set()
        feed.endpoint.now += 100
        with capture_logs() as logs:
            async with account.running():
                await account.blocks(1)
        assert account.states() == [(0, TransactionState.DROPPED)]
        (line,) = [line for line in logs if line["event"] == "transaction.abandoned"]
        assert line["reason"].startswith("too old: ReportTooOld(")
        assert await nonce_on_chain(account) == 0


async def test_an_overtaken_transaction_with_others_behind_it_is_cancelled(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(1, 1)
    await account.submit(2, 1)
    feed.endpoint.swallowed = set()
    await overtaken(feed, 1, 1)
    async with account.running():
        await account.blocks(3)
    assert sorted(account.states()) == [(0, TransactionState.DROPPED), (1, TransactionState.MINED)]
    row = account.rows()[0]
    assert row.inclusion is not None
    assert row.inclusion.gas_used == CANCELLATION_GAS
    assert row.inclusion.transaction_hash == row.hashes[1]


async def test_a_cancellation_outlives_a_restart(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(1, 1)
    await account.submit(2, 1)
    feed.endpoint.swallowed = set()
    await overtaken(feed, 1, 1)
    lost(feed)
    async with account.running():
        await trio.sleep(5)  # the cancellation is lost, too
    assert account.rows()[0].cancelled_from == 1
    feed.endpoint.swallowed = set()
    account.restarted()
    async with account.running():
        await account.blocks(3)
    assert sorted(account.states()) == [(0, TransactionState.DROPPED), (1, TransactionState.MINED)]


async def test_a_report_that_goes_stale_while_it_is_stuck_is_cancelled_and_not_bumped(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(1, 1)
    feed.endpoint.swallowed = set()
    await overtaken(feed, 1, 1)
    feed.endpoint.answered = {"eth_getTransactionByHash": {"known": "and pending"}}
    async with account.running():
        await account.blocks(3)
        assert account.rows()[0].cancelled_from is None
        await account.blocks(3)
        assert account.rows()[0].cancelled_from == 1
        await account.blocks(1)
    assert account.states() == [(0, TransactionState.DROPPED)]


async def test_a_transaction_replaced_from_elsewhere_is_noticed_and_its_errand_done_again(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(2, 1)
    feed.endpoint.swallowed = set()
    elsewhere = Account(feed, account.key)
    await elsewhere.submit(1, 1)
    feed.endpoint.mine()
    async with account.running():
        await account.blocks(6)
    states = sorted(account.states())
    assert states == [(0, TransactionState.DROPPED), (1, TransactionState.MINED)]
    assert account.rows()[1].reference == "2/1"


async def test_an_errand_whose_nonce_is_gone_and_whose_report_is_stale_is_not_done_again(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(1, 1)
    feed.endpoint.swallowed = set()
    elsewhere = Account(feed, account.key)
    await elsewhere.submit(1, 2)
    feed.endpoint.mine()
    async with account.running():
        await account.blocks(6)
    assert account.states() == [(0, TransactionState.DROPPED)]
    assert await nonce_on_chain(account) == 1


async def test_an_errand_that_cannot_be_done_again_now_is_done_later(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(2, 1)
    feed.endpoint.swallowed = set()
    elsewhere = Account(feed, account.key)
    await elsewhere.submit(1, 1)
    feed.endpoint.mine()
    feed.endpoint.refused = {"eth_estimateGas": "out of order"}
    async with account.running():
        await account.blocks(6)
        assert account.states() == []
        feed.endpoint.refused = {}
        await account.blocks(3)
    assert sorted(account.states()) == [(0, TransactionState.DROPPED), (1, TransactionState.MINED)]


async def behind_a_gap(account: Account, size: int) -> None:
    """A transaction `size` nonces further than the chain counts."""
    address = to_hex(account.transmitter.address)
    pending = int(str(await account.feed.rpc.call("eth_getTransactionCount", (address, "pending"))), 16)
    account.feed.endpoint.answered = {"eth_getTransactionCount": hex(pending + size)}
    await account.submit(1, 1)
    account.feed.endpoint.answered = {}


async def test_a_gap_of_nonces_is_filled(autojump_clock: MockClock, feed: Feed, account: Account) -> None:
    await behind_a_gap(account, 3)
    async with account.running():
        await account.blocks(3)
        assert await nonce_on_chain(account) == 0, "whoever has the nonces may yet use them"
        await account.blocks(3)
    assert sorted(account.states()) == [
        *((nonce, TransactionState.DROPPED) for nonce in range(3)),
        (3, TransactionState.MINED),
    ]
    assert await nonce_on_chain(account) == 4


async def test_a_gap_that_somebody_else_closes_is_not_filled(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await behind_a_gap(account, 1)
    elsewhere = LocalSigner(account.key)
    fees = account.rows()[1].fees
    raw = await elsewhere.sign(UnsignedTransaction(CHAIN_ID, 0, elsewhere.address, b"", 21_000, fees))
    await feed.rpc.call("eth_sendRawTransaction", (to_hex(raw),))
    async with account.running():
        await account.blocks(2)
    assert account.states() == [(1, TransactionState.MINED)]


async def test_what_somebody_else_has_pending_in_the_gap_is_waited_for_and_then_outbid(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await behind_a_gap(account, 1)
    elsewhere = LocalSigner(account.key)
    cheap = UnsignedTransaction(CHAIN_ID, 0, elsewhere.address, b"", 21_000, DynamicFees(1, 1))
    await feed.rpc.call("eth_sendRawTransaction", (to_hex(await elsewhere.sign(cheap)),))
    async with account.running():
        await account.blocks(29)
        assert list(account.rows()) == [1]
        await account.blocks(5)
    assert sorted(account.states()) == [(0, TransactionState.DROPPED), (1, TransactionState.MINED)]


async def test_a_chain_that_began_anew_is_begun_with_anew(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await behind_a_gap(account, MAX_GAP + 1)
    async with account.running():
        await account.blocks(5)
        assert account.states() == [(MAX_GAP + 1, TransactionState.DROPPED)]
        assert (await account.submit(1, 2)).outcome is SubmitOutcome.HANDED_OVER
        await account.blocks(1)
    assert account.states()[1:] == [(0, TransactionState.MINED)]


async def test_what_the_endpoint_takes_at_no_price_is_cancelled(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    lost(feed)
    await account.submit(1, 1)
    feed.endpoint.swallowed = set()
    feed.endpoint.refused = {"eth_sendRawTransaction": "exceeds block gas limit"}
    async with account.running():
        await account.blocks(5)
        assert account.rows()[0].cancelled
        feed.endpoint.refused = {}
        await account.blocks(2)
    assert account.states() == [(0, TransactionState.DROPPED)]


async def test_a_base_fee_above_the_cap_is_waited_out(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    capped = Account(feed, account.key, fees=FeeSettings(max_fee_cap=5 * GWEI, first_fee_cap=5 * GWEI))
    lost(feed)
    await capped.submit(1, 1)
    header = await feed.rpc.call("eth_getBlockByNumber", ("latest", False))
    assert isinstance(header, dict)
    feed.endpoint.answered = {"eth_getBlockByNumber": {**header, "baseFeePerGas": hex(6 * GWEI)}}
    with capture_logs() as logs:
        async with capped.running():
            await capped.blocks(8)
    said = [line for line in logs if line["event"] == "transaction.waits_for_base_fee"]
    assert len(said) == 1
    assert "the base fee of 6 gwei is above the cap of 5 gwei" in said[0]["words"]
    assert len(capped.rows()[0].hashes) == 1
    with pytest.raises(FeesAboveCap):
        await capped.submit(1, 2)
    feed.endpoint.answered, feed.endpoint.swallowed = {}, set()
    async with capped.running():
        await capped.blocks(2)
    assert capped.states() == [(0, TransactionState.MINED)]


async def test_a_chain_without_base_fee_gets_transactions_of_one_price(
    autojump_clock: MockClock, feed: Feed
) -> None:
    feed.endpoint.legacy = True
    feed.endpoint.refused = {"eth_maxPriorityFeePerGas": "the method does not exist"}
    account = Account(feed, feed.transmitter_key(1))
    lost(feed)
    await account.submit(1, 1)
    row = account.rows()[0]
    assert isinstance(row.fees, LegacyFees)
    assert row.raw[0] >= 0xC0, "RLP without a type byte"
    async with account.running():
        await account.blocks(5)
        bumped = account.rows()[0]
        assert isinstance(bumped.fees, LegacyFees)
        assert bumped.fees.gas_price * 10 >= row.fees.gas_price * 12
        feed.endpoint.swallowed = set()
        await account.blocks(2)
    assert account.states() == [(0, TransactionState.MINED)]


async def test_gas_beyond_the_limit_is_not_bought(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    small = Account(feed, account.key, gas_limit_max=50_000)
    with pytest.raises(OperatingError, match=r"needs \d+ gas, and 50000 are allowed; raise LimitMax"):
        await small.submit(1, 1)
    tight = Account(feed, account.key, gas_limit_max=120_000)
    await tight.submit(1, 1)
    assert tight.rows()[0].gas_limit <= 120_000


def test_the_worst_of_a_cancelled_row_is_what_an_earlier_attempt_may_cost() -> None:
    row = TransactionRow(
        1,
        bytes(20),
        0,
        bytes(20),
        b"",
        100_000,
        LegacyFees(10),
        b"",
        (b"1",),
        0,
        "r",
        TransactionState.IN_FLIGHT,
    )
    assert row.worst_cost == 1_000_000
    cancelled = replace(row, cancelled_from=1, reserved=row.worst_cost, fees=LegacyFees(12))
    assert cancelled.worst_cost == 1_000_000
    assert replace(cancelled, fees=LegacyFees(100)).worst_cost == 2_100_000


async def test_patience_is_counted_in_blocks(autojump_clock: MockClock, feed: Feed, account: Account) -> None:
    patient = Account(feed, account.key, confirmation=ConfirmationSettings(bump_after_blocks=5))
    lost(feed)
    await patient.submit(1, 1)
    async with patient.running():
        await trio.sleep(600)
        await patient.blocks(4)
        assert len(patient.rows()[0].hashes) == 1
        await patient.blocks(3)
        assert len(patient.rows()[0].hashes) == 2
