"""One account's transactions through everything that may happen to them, on an in-process chain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import REQUEST_NEW_ROUND
from ocr_peer.evm.budget import Budget
from ocr_peer.evm.confirmation import Confirmation, ConfirmationSettings
from ocr_peer.evm.fees import GWEI, DynamicFees, FeeSettings
from ocr_peer.evm.funds import Funds, FundsSettings
from ocr_peer.evm.in_flight import InFlight
from ocr_peer.evm.outlet import Outlet
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.reverts import Refusal
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.sending import Sending
from ocr_peer.evm.signer import LocalSigner, UnsignedTransaction, transaction_hash
from ocr_peer.evm.transactions import (
    InMemoryTransactionStore,
    TransactionRow,
    TransactionState,
)
from ocr_peer.evm.transmitter import (
    Submission,
    SubmitOutcome,
    TransactionRefused,
)
from tests.unit.chain_account import POLL_S, Account
from tests.unit.test_evm_feed import CHAIN_ID, Feed, deployed_feed, seed


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


@pytest.fixture
def account(feed: Feed) -> Account:
    return Account(feed, feed.transmitter_key(1))


async def test_a_report_is_sent_mined_and_recorded(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    submission = await account.submit(1, 1)
    assert submission.outcome == SubmitOutcome.HANDED_OVER
    assert feed.endpoint.devnet.pending_count == 1
    async with account.running():
        await account.until_settled(1)
    (row,) = account.settled
    assert row.state == TransactionState.MINED
    assert row.inclusion is not None
    assert row.inclusion.transaction_hash == submission.transaction_hash
    assert 50_000 < row.inclusion.gas_used < row.gas_limit
    assert row.inclusion.effective_gas_price > 0
    assert account.transmitter.in_flight == 0
    assert isinstance(account.store, InMemoryTransactionStore)
    assert account.store.rows[row.key] == row


async def test_a_report_that_is_overtaken_is_not_sent(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await account.submit(1, 2)
    feed.endpoint.mine()
    other = Account(feed, feed.transmitter_key(2))
    submission = await other.submit(1, 2)
    assert submission == Submission(SubmitOutcome.OVERTAKEN, None)
    assert (await other.submit(1, 1)).outcome == SubmitOutcome.OVERTAKEN
    assert feed.endpoint.devnet.pending_count == 0
    assert other.transmitter.in_flight == 0


async def test_a_lost_race_on_chain_is_a_revert_and_goes_on(autojump_clock: MockClock, feed: Feed) -> None:
    accounts = [Account(feed, feed.transmitter_key(oracle)) for oracle in range(3)]
    for account in accounts:
        assert (await account.submit(1, 1)).outcome == SubmitOutcome.HANDED_OVER
    feed.endpoint.mine()
    for account in accounts:
        async with account.running():
            await account.until_settled(1)
    states = sorted(account.settled[0].state for account in accounts)
    assert states == [TransactionState.MINED, TransactionState.REVERTED, TransactionState.REVERTED]


async def test_a_refusal_says_why_and_costs_nothing(autojump_clock: MockClock, feed: Feed) -> None:
    stranger = Account(feed, seed("owner", 0))
    with pytest.raises(TransactionRefused, match=r"UnauthorizedTransmitter\(sender: 0x"):
        await stranger.submit(1, 1)
    assert feed.endpoint.calls["eth_sendRawTransaction"] == 0


async def test_one_errand_is_done_once(autojump_clock: MockClock, feed: Feed, account: Account) -> None:
    first = await account.submit(1, 1)
    again = await account.submit(1, 1)
    assert again == Submission(SubmitOutcome.ALREADY_IN_FLIGHT, first.transaction_hash)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(account.submit, 1, 2)
    assert account.transmitter.in_flight == 2


async def test_feeds_share_the_nonces(autojump_clock: MockClock, feed: Feed, account: Account) -> None:
    async with trio.open_nursery() as nursery:
        for round_ in range(1, 6):
            nursery.start_soon(account.submit, 1, round_)
    assert feed.endpoint.devnet.pending_count == 5
    async with account.running():
        await account.until_settled(5)
    assert sorted(row.nonce for row in account.settled) == [0, 1, 2, 3, 4]
    assert feed.endpoint.calls["eth_getTransactionCount"] <= 3, "the nonce is read once, then counted"


async def test_not_too_many_at_once(autojump_clock: MockClock, feed: Feed) -> None:
    account = Account(feed, feed.transmitter_key(1), max_in_flight=2)
    await account.submit(1, 1)
    await account.submit(1, 2)
    with pytest.raises(OperatingError, match=r"2 transactions of 0x.* are unsettled"):
        await account.submit(1, 3)


async def test_an_answer_that_is_lost_loses_nothing(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    feed.endpoint.unanswered = {"eth_sendRawTransaction"}
    assert (await account.submit(1, 1)).outcome == SubmitOutcome.HANDED_OVER
    feed.endpoint.unanswered = set()
    assert (await account.submit(1, 2)).outcome == SubmitOutcome.HANDED_OVER
    async with account.running():
        await account.until_settled(2)
    assert account.states() == [(0, TransactionState.MINED), (1, TransactionState.MINED)]


async def test_a_transaction_that_the_endpoint_lost_is_sent_again(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}
    await account.submit(1, 1)
    await account.submit(1, 2)
    assert feed.endpoint.devnet.pending_count == 0
    feed.endpoint.swallowed = set()
    async with account.running():
        await account.until_settled(2)
    assert account.states() == [(0, TransactionState.MINED), (1, TransactionState.MINED)]


async def test_a_killed_process_forgets_nothing(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}  # saved, then killed before anything was sent
    lost = [await account.submit(1, 1), await account.submit(1, 2)]
    feed.endpoint.swallowed = set()
    account.restarted()
    third = await account.submit(1, 3)
    async with account.running():
        await account.until_settled(3)
    assert account.states() == [(nonce, TransactionState.MINED) for nonce in range(3)]
    hashes = [row.inclusion.transaction_hash for row in account.settled if row.inclusion]
    assert hashes == [submission.transaction_hash for submission in [*lost, third]]


async def test_an_errand_survives_a_restart_as_one(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    first = await account.submit(1, 1)
    account.restarted()
    assert await account.submit(1, 1) == Submission(SubmitOutcome.ALREADY_IN_FLIGHT, first.transaction_hash)


async def test_a_submission_cancelled_while_sending_is_still_sent(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    feed.endpoint.hanging = {"eth_sendRawTransaction"}
    with trio.move_on_after(1) as scope:
        await account.submit(1, 1)
    assert scope.cancelled_caught
    assert account.transmitter.in_flight == 1
    feed.endpoint.hanging = set()
    assert (await account.submit(1, 2)).outcome == SubmitOutcome.HANDED_OVER
    async with account.running():
        await account.until_settled(2)
    assert account.states() == [(0, TransactionState.MINED), (1, TransactionState.MINED)]


async def test_a_nonce_used_elsewhere_is_stepped_over(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await account.submit(1, 1)
    feed.endpoint.mine()
    elsewhere = Account(feed, account.key)
    await elsewhere.submit(1, 2)
    feed.endpoint.mine()
    assert (await account.submit(1, 3)).outcome == SubmitOutcome.HANDED_OVER
    async with account.running():
        await account.until_settled(2)
    assert account.states() == [(0, TransactionState.MINED), (2, TransactionState.MINED)]


async def test_a_nonce_pending_elsewhere_is_stepped_over(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await account.submit(1, 1)
    feed.endpoint.mine()
    elsewhere = Account(feed, account.key)
    await elsewhere.submit(1, 2)
    assert (await account.submit(1, 3)).outcome == SubmitOutcome.HANDED_OVER
    assert feed.endpoint.devnet.pending_count == 2


async def test_a_transaction_whose_nonce_was_taken_is_dropped_in_the_end(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    feed.endpoint.swallowed = {"eth_sendRawTransaction"}
    await account.submit(1, 1)
    feed.endpoint.swallowed = set()
    elsewhere = Account(feed, account.key)
    await elsewhere.submit(1, 2)
    feed.endpoint.mine()
    async with account.running():
        await trio.sleep(10 * POLL_S)
        assert account.settled == [], "the receipt may only be late"
        await account.until_settled(1)
    assert account.states() == [(0, TransactionState.DROPPED)]
    assert (await account.submit(1, 3)).outcome == SubmitOutcome.HANDED_OVER


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("insufficient funds for gas * price + value", "0x.* cannot pay on chain 31337; send it funds"),
        ("intrinsic gas too low", "the endpoint refuses the transaction of 0x.*: intrinsic gas too low"),
        ("nonce too low: next nonce 7", "0x.* sends from elsewhere too"),
    ],
)
async def test_a_refused_transaction_gives_its_nonce_back(
    autojump_clock: MockClock, feed: Feed, account: Account, words: str, message: str
) -> None:
    feed.endpoint.refused = {"eth_sendRawTransaction": words}
    with pytest.raises(OperatingError, match=message):
        await account.submit(1, 1)
    assert account.transmitter.in_flight == 0
    feed.endpoint.refused = {}
    await account.submit(1, 1)
    async with account.running():
        await account.until_settled(1)
    assert account.states() == [(0, TransactionState.MINED)]


async def test_an_endpoint_that_is_down_is_waited_out(
    autojump_clock: MockClock, feed: Feed, account: Account
) -> None:
    await account.submit(1, 1)
    async with account.running():
        feed.endpoint.down = True
        await trio.sleep(60)
        assert account.settled == []
        feed.endpoint.down = False
        await account.until_settled(1)
    assert account.states() == [(0, TransactionState.MINED)]


class FailingStore(InMemoryTransactionStore):
    failing = False

    async def save(self, row: TransactionRow) -> None:
        if self.failing:
            raise OperatingError("disk full")
        await super().save(row)


async def test_nothing_is_sent_that_could_not_be_saved(autojump_clock: MockClock, feed: Feed) -> None:
    store = FailingStore()
    account = Account(feed, feed.transmitter_key(1), store)
    store.failing = True
    with pytest.raises(OperatingError, match="disk full"):
        await account.submit(1, 1)
    assert feed.endpoint.calls["eth_sendRawTransaction"] == 0
    store.failing = False
    await account.submit(1, 1)
    store.failing = True
    async with account.running():
        feed.endpoint.mine()
        await trio.sleep(60)
        assert account.settled == [], "an end that could not be saved has not been reached"
        store.failing = False
        await account.until_settled(1)
    assert account.states() == [(0, TransactionState.MINED)]


async def test_a_store_that_cannot_be_read_stops_the_transmitter(
    autojump_clock: MockClock, feed: Feed
) -> None:
    class Unreadable(InMemoryTransactionStore):
        async def unsettled(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
            raise OperatingError("corrupt")

    account = Account(feed, feed.transmitter_key(1), Unreadable())
    with pytest.raises(OperatingError, match="corrupt"):
        await account.transmitter.run()
    with pytest.raises(OperatingError, match="corrupt"):
        await account.submit(1, 1)


async def cheap_row(feed: Feed, signer: LocalSigner, nonce: int, fees: DynamicFees) -> TransactionRow:
    data = REQUEST_NEW_ROUND.encode_call()
    raw = await signer.sign(UnsignedTransaction(CHAIN_ID, nonce, feed.contract, data, 100_000, fees))
    return TransactionRow(
        chain_id=CHAIN_ID,
        sender=signer.address,
        nonce=nonce,
        to=feed.contract,
        data=data,
        gas_limit=100_000,
        fees=fees,
        raw=raw,
        hashes=(transaction_hash(raw),),
        sent_at_block=feed.endpoint.devnet.block_number,
        reference=f"round {nonce}",
        state=TransactionState.IN_FLIGHT,
    )


async def stuck(
    feed: Feed, fees: FeeSettings, *, broadcast: bool = True, count: int = 1
) -> tuple[Confirmation, InFlight, list[TransactionRow]]:
    """Transactions of the owner that offer one wei per gas, which no block takes."""
    signer = LocalSigner(seed("owner", 0))
    in_flight = InFlight(InMemoryTransactionStore(), chain_id=CHAIN_ID, sender=signer.address)
    await in_flight.restore()
    for nonce in range(2, 2 + count):
        row = await cheap_row(feed, signer, nonce, DynamicFees(1, 1))
        await in_flight.put(row)
        if broadcast:
            await feed.rpc.call("eth_sendRawTransaction", (to_hex(row.raw),))
    settled: list[TransactionRow] = []
    sending = sending_of(feed, signer, in_flight, fees, settled)
    confirmation = Confirmation(sending, settings=ConfirmationSettings(), submit_again=never)
    return confirmation, in_flight, settled


async def never(row: TransactionRow) -> str | None:
    raise AssertionError(f"{row.reference} was to be submitted again")


def sending_of(
    feed: Feed, signer: LocalSigner, in_flight: InFlight, fees: FeeSettings, settled: list[TransactionRow]
) -> Sending:
    store = InMemoryTransactionStore()
    return Sending(
        rpc=feed.rpc,
        signer=signer,
        in_flight=in_flight,
        outlet=Outlet(feed.rpc),
        budget=Budget(store, in_flight, chain_id=CHAIN_ID, sender=signer.address, wei=None),
        funds=Funds(feed.rpc, signer.address, chain_id=CHAIN_ID, fees=fees, settings=FundsSettings()),
        fees=fees,
        chain_id=CHAIN_ID,
        on_settled=settled.append,
    )


async def test_a_stuck_transaction_is_sent_again_at_a_higher_price(
    autojump_clock: MockClock, feed: Feed
) -> None:
    confirmation, in_flight, settled = await stuck(feed, FeeSettings(), count=2)
    original = in_flight.rows()[0].hashes[0]
    for _ in range(2):
        feed.endpoint.mine()
        await confirmation.poll()
        assert [len(row.hashes) for row in in_flight.rows()] == [1, 1]
    feed.endpoint.mine(2)
    await confirmation.poll()
    assert [len(row.hashes) for row in in_flight.rows()] == [2, 1], "only the next in line can be mined"
    feed.endpoint.mine()
    await confirmation.poll()
    (first,) = settled
    assert first.state == TransactionState.MINED
    assert first.inclusion is not None
    assert first.inclusion.transaction_hash == first.hashes[1] != original
    await confirmation.poll()
    assert len(in_flight.rows()[0].hashes) == 1, "it has only just come to be next"
    feed.endpoint.mine(3)
    await confirmation.poll()
    feed.endpoint.mine()
    await confirmation.poll()
    assert len(settled) == 2
    assert len(in_flight) == 0


async def test_the_cap_of_fees_holds(autojump_clock: MockClock, feed: Feed) -> None:
    confirmation, in_flight, _ = await stuck(feed, FeeSettings(max_fee_cap=1))
    await confirmation.poll()
    feed.endpoint.mine(3)
    with capture_logs() as logs:
        await confirmation.poll()
        await confirmation.poll()
    assert len(in_flight.rows()[0].hashes) == 1
    (said,) = [line for line in logs if line["event"] == "transaction.waits_for_base_fee"]
    assert "above the cap" in said["words"]


async def test_a_price_that_is_refused_is_raised_with_the_next_block(
    autojump_clock: MockClock, feed: Feed
) -> None:
    confirmation, in_flight, _ = await stuck(feed, FeeSettings(), broadcast=False)
    feed.endpoint.refused = {"eth_sendRawTransaction": "max fee per gas less than block base fee"}
    await confirmation.poll()
    assert len(in_flight.rows()[0].hashes) == 1
    feed.endpoint.mine()
    await confirmation.poll()
    assert len(in_flight.rows()[0].hashes) == 2
    feed.endpoint.refused = {}
    await confirmation.poll()
    assert feed.endpoint.devnet.pending_count == 1


async def test_a_mined_earlier_attempt_counts(autojump_clock: MockClock, feed: Feed) -> None:
    confirmation, in_flight, settled = await stuck(feed, FeeSettings(), broadcast=False)
    signer = LocalSigner(seed("owner", 0))
    (row,) = in_flight.rows()
    good = await cheap_row(feed, signer, row.nonce, DynamicFees(10 * GWEI, GWEI))
    await in_flight.put(replace(row, hashes=(good.hashes[0], row.hashes[0])))
    await feed.rpc.call("eth_sendRawTransaction", (to_hex(good.raw),))
    feed.endpoint.mine()
    await confirmation.poll()
    assert settled[0].inclusion is not None
    assert settled[0].inclusion.transaction_hash == good.hashes[0]


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, b"k" * 31])
def test_a_bad_key_is_refused_without_showing_it(key: bytes) -> None:
    with pytest.raises(InputError, match=r"transmitter key = \(hidden\)"):
        LocalSigner(key)


def test_a_signer_shows_only_its_address() -> None:
    key = seed("owner", 0)
    shown = repr(LocalSigner(key))
    assert key.hex() not in shown
    assert shown.startswith("LocalSigner(0x")


def test_signing_leaves_the_recursion_limit_alone() -> None:
    """eth-account's import raises it to where nested JSON from anybody kills the process."""
    program = (
        "import sys; from ocr_peer.evm.signer import LocalSigner; before = sys.getrecursionlimit(); "
        "LocalSigner(b'k' * 32); assert sys.getrecursionlimit() == before, sys.getrecursionlimit()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_an_account_that_is_no_transmitter_is_an_alarm_told_once(
    autojump_clock: MockClock, feed: Feed
) -> None:
    stranger = Account(feed, seed("owner", 0))
    with capture_logs() as logs:
        for round_ in (1, 2):
            with pytest.raises(TransactionRefused, match="UnauthorizedTransmitter") as refused:
                await stranger.submit(1, round_)
            assert refused.value.refusal is Refusal.ACCOUNT
    (alarm,) = [line for line in logs if line["event"] == "account.not_a_transmitter"]
    assert (alarm["log_level"], alarm["chain_id"]) == ("error", CHAIN_ID)
    assert alarm["account"] == checksum_address(stranger.transmitter.address)
    assert alarm["contract"] == checksum_address(feed.contract)


async def test_no_single_endpoint_ends_a_report(
    autojump_clock: MockClock, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Account(feed, seed("owner", 0))
    asked: list[object] = []

    async def others_would_take_it(calls: Sequence[Call]) -> list[object | RpcError]:
        asked.extend(calls)
        return ["0x"]

    monkeypatch.setattr(feed.rpc, "agreed", others_would_take_it)
    with pytest.raises(
        OperatingError, match=r"the endpoints disagree on whether 0x.* takes the report"
    ) as caught:
        await stranger.submit(1, 1)
    assert not isinstance(caught.value, TransactionRefused)
    ((method, (_, block)),) = asked  # type: ignore[misc]
    assert (method, block) == ("eth_call", hex(feed.endpoint.devnet.block_number)), "of a block that all have"


async def test_a_report_that_others_see_overtaken_is_overtaken(
    autojump_clock: MockClock, feed: Feed, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stale(calls: Sequence[Call]) -> list[object | RpcError]:
        return [RpcError(3, "execution reverted: stale report")]

    monkeypatch.setattr(feed.rpc, "agreed", stale)
    stranger = Account(feed, seed("owner", 0))
    assert (await stranger.submit(1, 1)).outcome is SubmitOutcome.OVERTAKEN
