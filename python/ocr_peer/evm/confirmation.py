"""Follows an account's transactions until each has come to an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.chain_objects import Receipt, receipt_from_json, result_of
from ocr_peer.evm.finality import Finality, included
from ocr_peer.evm.quantity import count_from_hex, quantity, to_hex
from ocr_peer.evm.replacement import Replacement, Waiting
from ocr_peer.evm.reverts import Refusal, refusal_of, revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.sending import Sending, call_of
from ocr_peer.evm.transactions import TransactionRow, TransactionState

__all__ = ["Confirmation", "ConfirmationSettings"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConfirmationSettings:
    """How closely transactions are followed."""

    poll_interval_s: float = 2.0
    bump_after_blocks: int = 3
    """After so many blocks without it, the next transaction in line is sent again at a higher price."""
    drop_after_blocks: int = 3
    """So long may a receipt lag behind the nonce before the nonce counts as taken by another transaction."""
    finality_depth: int = 50
    """Blocks on top of a transaction's own until it is final; before, a reorganisation sends it again."""


class Confirmation:
    """Polls receipts; what no block takes goes to `Replacement`, what one took to `Finality`.

    Args:
        sending: the account.
        settings: how closely.
        submit_again: does the errand of a transaction once more whose nonce another one took; returns why it
            need not be done, or `None`. Raises `OperatingError` if that must be tried later.
    """

    def __init__(
        self,
        sending: Sending,
        *,
        settings: ConfirmationSettings,
        submit_again: Callable[[TransactionRow], Awaitable[str | None]],
    ) -> None:
        self._sending = sending
        self._in_flight = sending.in_flight
        self._settings = settings
        self._submit_again = submit_again
        self._finality = Finality(sending, depth=settings.finality_depth)
        self._replacement = Replacement(sending, bump_after_blocks=settings.bump_after_blocks)
        self._log = _log.bind(account=sending.account)
        self._trouble = ""
        self._nonce_taken_at: dict[int, int] = {}

    async def run(self) -> None:
        """Poll until cancelled; what fails is logged once and tried again."""
        while True:
            await self._poll_guarded()
            await self._sending.rpc.wait_for_head(self._settings.poll_interval_s)

    async def _poll_guarded(self) -> None:
        try:
            await self.poll()
        except OperatingError as failure:
            if str(failure) != self._trouble:
                self._trouble = str(failure)
                self._log.warning(
                    "confirmation.failing", error=str(failure), transactions=len(self._in_flight)
                )
            return
        if self._trouble:
            self._trouble = ""
            self._log.info("confirmation.recovered")

    async def poll(self) -> None:
        """Look at every transaction once and act on what is seen; raises `OperatingError`."""
        async with self._in_flight.lock:
            # Behind the lock none of them is still on its first way to the endpoint.
            rows = self._in_flight.rows()
        if not rows and not self._in_flight.included():
            return
        head, mined_nonces, waiting = await self._look(rows)
        passed = [row for row in rows if row.nonce < mined_nonces]
        nonces = {row.nonce for row in passed}
        self._nonce_taken_at = {nonce: at for nonce, at in self._nonce_taken_at.items() if nonce in nonces}
        for row, receipt in zip(passed, await self._receipts(passed), strict=True):
            if receipt is not None:
                await self._mined(row, receipt)
            else:
                await self._nonce_is_taken(row, head)
        await self._finality.follow(head)
        await self._replacement.tend(waiting, head, mined_nonces)

    async def _look(self, rows: Sequence[TransactionRow]) -> tuple[int, int, list[Waiting]]:
        """Head, number of mined nonces, and the transactions that they do not reach."""
        sender = to_hex(self._sending.signer.address)
        calls: list[Call] = [("eth_blockNumber", ()), ("eth_getTransactionCount", (sender, "latest"))]
        calls.extend(("eth_getTransactionByHash", (to_hex(row.hashes[-1]),)) for row in rows)
        results = iter([result_of(outcome) for outcome in await self._sending.rpc.batch(calls)])
        head = count_from_hex(next(results), "eth_blockNumber")
        mined_nonces = count_from_hex(next(results), "eth_getTransactionCount")
        waiting = [
            Waiting(row, transaction is not None or self._sending.outlet.holds(row, head))
            for row, transaction in zip(rows, results, strict=True)
            if row.nonce >= mined_nonces
        ]
        return head, mined_nonces, waiting

    async def _receipts(self, rows: Sequence[TransactionRow]) -> list[Receipt | None]:
        calls: list[Call] = [
            ("eth_getTransactionReceipt", (to_hex(attempt),)) for row in rows for attempt in row.hashes
        ]
        if not calls:
            return []
        results = iter([receipt_from_json(result_of(each)) for each in await self._sending.rpc.batch(calls)])
        found = []
        for row in rows:
            receipts = [next(results) for _ in row.hashes]
            found.append(next((receipt for receipt in receipts if receipt is not None), None))
        return found

    async def _mined(self, row: TransactionRow, receipt: Receipt) -> None:
        sending = self._sending
        mined = included(row, receipt, sending.now)
        log = sending.log(row).bind(block=receipt.block_number, gas_used=receipt.gas_used)
        tally = sending.tally
        match mined.state:
            case TransactionState.MINED:
                tally.mined += 1
                log.info("transaction.mined")
            case TransactionState.REVERTED:
                tally.reverted += 1
                reason, expected = await self._why_reverted(row, receipt.block_number)
                (log.info if expected else log.warning)("transaction.reverted", reason=reason)
            case _:
                tally.dropped += 1
                log.info("transaction.nonce_used_up")
        if row.begun_at:
            tally.seconds_until_mined = float(max(0, sending.now - row.begun_at))
        self._nonce_taken_at.pop(row.nonce, None)
        if self._settings.finality_depth:
            await self._in_flight.put(mined)
        else:
            mined = replace(mined, final=True)
            await self._in_flight.settle(mined)
        sending.over(mined)

    async def _why_reverted(self, row: TransactionRow, block: int) -> tuple[str, bool]:
        """The reason, found by calling again on top of that block, and whether it is an ordinary one."""
        try:
            await self._sending.rpc.call("eth_call", (call_of(row), quantity(block)))
        except RpcError as error:
            revert = revert_of(error)
            if revert is None:
                return str(error), False
            refusal = refusal_of(revert)
            if refusal is Refusal.OVERTAKEN:
                return f"another oracle was first: {revert.reason}", True
            return revert.reason, refusal is Refusal.TOO_OLD
        except OperatingError as error:
            return f"not known: {error}", False
        return "not known: the same call succeeds now, so it may have run out of gas", False

    async def _nonce_is_taken(self, row: TransactionRow, head: int) -> None:
        # The receipt may come from a node that is a block or two behind the one that counted.
        since = self._nonce_taken_at.setdefault(row.nonce, head)
        if head < since + self._settings.drop_after_blocks:
            return
        sending = self._sending
        if not row.cancelled:
            try:
                needless = await self._submit_again(row)
            except OperatingError as failure:
                sending.say(row, "transaction.waits_to_be_repeated", str(failure))
                self._nonce_taken_at[row.nonce] = head - self._settings.drop_after_blocks + 1
                return
            sending.log(row).warning(
                "transaction.dropped",
                reason="another transaction of the account took its nonce",
                errand=needless or "submitted again",
            )
        sending.tally.dropped += 1
        dropped = replace(row, state=TransactionState.DROPPED, final=True)
        await self._in_flight.settle(dropped)
        self._nonce_taken_at.pop(row.nonce, None)
        sending.over(dropped)
