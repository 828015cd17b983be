"""Follows transactions that a block holds until no reorganisation is expected to undo that block.

While nothing changes this costs one call a poll: if the highest of the blocks is still in the chain, so are
all below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ocr_peer.evm.access import Call
from ocr_peer.evm.chain_objects import Receipt, block_from_json, receipt_from_json, result_of
from ocr_peer.evm.quantity import quantity, to_hex
from ocr_peer.evm.sending import Sending
from ocr_peer.evm.transactions import Inclusion, TransactionRow, TransactionState

__all__ = ["MAX_FOLLOWED", "Finality", "included"]

MAX_FOLLOWED: Final = 512
"""More are not followed at once: the oldest count as final. At depth 50 that is ten in every block."""

_Followed = tuple[int, bytes]
"""Nonce and the hash of the block that holds it."""


class Finality:
    """Settles transactions deep in the chain, and puts those back in flight whose block left it.

    Args:
        sending: the account.
        depth: blocks on top of a transaction's own that make it final; 0: it is as soon as it is mined.
    """

    def __init__(self, sending: Sending, *, depth: int) -> None:
        self.depth = depth
        self._sending = sending
        self._checked: tuple[int, frozenset[_Followed]] | None = None

    async def follow(self, head: int) -> None:
        """Look at every transaction that a block holds; raises `OperatingError`."""
        rows = self._sending.in_flight.included()
        if not rows:
            self._checked = None
            return
        for row in rows[: max(0, len(rows) - MAX_FOLLOWED)]:
            self._sending.log(row).warning("transaction.no_longer_followed", limit=MAX_FOLLOWED)
            await self._sending.in_flight.settle(row)
        rows = rows[-MAX_FOLLOWED:]
        if not await self._unchanged(rows):
            rows = await self._confirmed(rows, head)
        for row in rows:
            if row.inclusion is not None and head >= row.inclusion.block_number + self.depth:
                await self._sending.in_flight.settle(row)

    async def _unchanged(self, rows: Sequence[TransactionRow]) -> bool:
        """Whether the highest block is still there, and all of them stood in one chain with it before."""
        if self._checked is None:
            return False
        top, checked = self._checked
        followed = {_followed(row) for row in rows}
        if not followed <= checked:
            return False
        block = await self._sending.rpc.call("eth_getBlockByNumber", (quantity(top), False))
        tops = {block_hash for row, (_, block_hash) in zip(rows, map(_followed, rows), strict=True)
                if row.inclusion is not None and row.inclusion.block_number == top}  # fmt: skip
        return bool(tops) and block is not None and {block_from_json(block).hash} == tops

    async def _confirmed(self, rows: Sequence[TransactionRow], head: int) -> list[TransactionRow]:
        """The rows whose block is in the chain; those whose block left it are dealt with."""
        self._checked = None
        numbers = sorted({row.inclusion.block_number for row in rows if row.inclusion is not None})
        outcomes = await self._sending.rpc.batch(
            [("eth_getBlockByNumber", (quantity(number), False)) for number in numbers]
        )
        hashes = {
            number: block_from_json(block).hash
            for number, outcome in zip(numbers, outcomes, strict=True)
            # No block there: an endpoint that lags, or a chain that is yet to grow. Nothing follows from it.
            if (block := result_of(outcome)) is not None
        }
        confirmed, undecided = [], False
        for row in rows:
            if row.inclusion is None:
                continue
            number = row.inclusion.block_number
            if hashes.get(number) == row.inclusion.block_hash:
                confirmed.append(row)
                continue
            undecided = True
            # A chain that ends far below is another one, such as a development chain that was reset.
            if number in hashes or head + self.depth < number:
                await self._moved(row)
        if not undecided:
            self._checked = (numbers[-1], frozenset(map(_followed, rows)))
        return confirmed

    async def _moved(self, row: TransactionRow) -> None:
        calls: list[Call] = [("eth_getTransactionReceipt", (to_hex(attempt),)) for attempt in row.hashes]
        outcomes = await self._sending.rpc.batch(calls)
        receipts = [receipt_from_json(result_of(outcome)) for outcome in outcomes]
        receipt = next((receipt for receipt in receipts if receipt is not None), None)
        log = self._sending.log(row)
        async with self._sending.in_flight.lock:
            if not self._sending.in_flight.current(row):
                return
            if receipt is None:
                log.warning("transaction.reorganised", block=row.inclusion and row.inclusion.block_number)
                self._sending.tally.reorganised += 1
                await self._sending.in_flight.put(row.back_in_flight())
                return
            if row.inclusion is not None and receipt.block_hash == row.inclusion.block_hash:
                return  # The two answers come from different chains; the next look tells.
            moved = included(row, receipt, row.inclusion.seen_at if row.inclusion else self._sending.now)
            await self._sending.in_flight.put(moved)
        log.info("transaction.moved", block=receipt.block_number, state=moved.state.value)
        if moved.state is not row.state:
            self._sending.over(moved)


def included(row: TransactionRow, receipt: Receipt, seen_at: int) -> TransactionRow:
    """The row once a block holds one of its attempts.

    No block can take more than the transaction offered, so a receipt that says so is not believed.
    """
    inclusion = Inclusion(
        receipt.transaction_hash,
        receipt.block_number,
        min(receipt.gas_used, row.gas_limit),
        min(receipt.effective_gas_price, row.fees.most),
        receipt.block_hash,
        seen_at,
        receipt.l1_fee,
    )
    if row.is_cancellation(receipt.transaction_hash):
        state = TransactionState.DROPPED
    else:
        state = TransactionState.MINED if receipt.succeeded else TransactionState.REVERTED
    return replace(row, state=state, inclusion=inclusion)


def _followed(row: TransactionRow) -> _Followed:
    return (row.nonce, b"" if row.inclusion is None else row.inclusion.block_hash)
