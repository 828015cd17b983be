"""Brings transactions on that no block takes: sends them again, raises their price, or frees their nonce.

A nonce that was given out must be used, or all later ones wait for ever. So a call that is not wanted any
more, and a nonce that nobody uses, are replaced by a transfer of nothing to oneself (21,000 gas). Only where
no later nonce was given out, and no endpoint knows the transaction, the nonce is left to the next errand:
that is free, and its transaction uses it up whatever some mempool may still hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from ocr_peer.evm.broadcast import BroadcastResult, Handover
from ocr_peer.evm.budget import BudgetExhausted
from ocr_peer.evm.fees import FEE_CALLS, FeesAboveCap, bump_fees, quote_fees
from ocr_peer.evm.quantity import count_from_hex, to_hex
from ocr_peer.evm.sending import Sending
from ocr_peer.evm.signer import UnsignedTransaction, transaction_hash
from ocr_peer.evm.transactions import CANCELLATION_GAS, TransactionRow, TransactionState

__all__ = ["MAX_GAP", "Replacement", "Waiting"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MAX_GAP: Final = 16
"""So many unused nonces are filled; more mean that the chain itself began anew."""

_OTHERS_PATIENCE: Final = 10
"""So many times longer is a transaction from elsewhere waited for than one's own, before it is outbid."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction that no block holds."""

    row: TransactionRow
    known: bool
    """Whether an endpoint, or the relay, has the latest attempt."""


class Replacement:
    """Acts on the transactions that wait.

    Args:
        sending: the account.
        bump_after_blocks: patience with the next in line before its price is raised.
    """

    def __init__(self, sending: Sending, *, bump_after_blocks: int) -> None:
        self._sending = sending
        self._in_flight = sending.in_flight
        self._bump_after_blocks = bump_after_blocks
        self._first_in_line: tuple[int, int] | None = None
        self._gap_since: tuple[int, int] | None = None

    async def tend(self, waiting: Sequence[Waiting], head: int, mined_nonces: int) -> None:
        """Do what the transactions that wait need.

        Args:
            waiting: by rising nonce.
            head: number of the latest block.
            mined_nonces: the chain's count of the account's transactions.

        Raises:
            OperatingError: chain, store or signer failed; what was not done is done next time.
        """
        unknown = [item.row for item in waiting if not item.known]
        met = await self._send_again(unknown, head)
        if not waiting:
            return
        # Only the next nonce can be mined, so only its price matters.
        row = waiting[0].row
        if row.nonce > mined_nonces:
            await self._close_gap(row, mined_nonces, head)
            return
        self._gap_since = None
        too_cheap = met.get(row.nonce) is Handover.TOO_CHEAP
        if row.nonce == mined_nonces and self._in_flight.current(row) and self._is_late(row, head, too_cheap):
            await self._replace(row, head, refused=met.get(row.nonce) is Handover.REFUSED)

    async def _send_again(self, rows: list[TransactionRow], head: int) -> dict[int, Handover]:
        """Hand over what the endpoint lacks, unless it is not wanted any more; what it said, by nonce."""
        calls = [row for row in rows if not row.cancelled]
        refusals = await self._sending.refusals(calls) if calls else []
        gone: set[int] = set()
        # From the last on, so that one that nothing follows any more can be let go of, too.
        for row, refusal in reversed(list(zip(calls, refusals, strict=True))):
            if refusal is not None and refusal[0].final:
                reason = f"{refusal[0]}: {refusal[1].reason}"
                if await self._abandon(row, head, reason):
                    gone.add(row.nonce)
        met: dict[int, Handover] = {}
        for row in rows:
            async with self._in_flight.lock:
                if row.nonce in gone or not self._in_flight.current(row):
                    continue
                result = await self._sending.outlet.send(row, head)
            met[row.nonce] = self._heard(row, result)
        return met

    def _heard(self, row: TransactionRow, result: BroadcastResult) -> Handover:
        self._sending.say(row, "transaction.sent_again", result.words, handover=result.handover.value)
        if result.handover is Handover.NO_FUNDS:
            self._sending.funds.refused(result.words)
        if result.handover is Handover.NONCE_TAKEN and len(row.hashes) > 1:
            # The nonce of a replacement is taken by its predecessor, which says the price did not rise enough.
            return Handover.TOO_CHEAP
        return result.handover

    async def _abandon(self, row: TransactionRow, head: int, reason: str) -> bool:
        """Let go of a call that is not wanted and that the endpoint does not know; whether that was possible."""
        async with self._in_flight.lock:
            if not self._in_flight.current(row):
                return True
            if self._in_flight.nonce_after() == row.nonce + 1:
                await self._in_flight.drop(row)
                self._sending.tally.dropped += 1
                self._sending.log(row).info("transaction.abandoned", reason=reason)
                self._sending.over(replace(row, state=TransactionState.DROPPED, final=True))
                return True
        return await self._attempt(row, head, cancel=reason)

    def _is_late(self, row: TransactionRow, head: int, too_cheap: bool) -> bool:
        """Whether the next in line waited long enough, counted from when it came to be next."""
        if self._first_in_line is None or self._first_in_line[0] != row.nonce:
            self._first_in_line = (row.nonce, head)
        patience = 1 if too_cheap else self._bump_after_blocks
        since = self._first_in_line[1]
        if row.sent_at_block <= head:  # else the chain was reset since
            since = max(since, row.sent_at_block)
        return head >= since + patience

    async def _replace(self, row: TransactionRow, head: int, *, refused: bool) -> None:
        cancel = None
        if not row.cancelled:
            (refusal,) = await self._sending.refusals([row])
            if refusal is not None and refusal[0].final:
                cancel = f"{refusal[0]}: {refusal[1].reason}"
            elif refused:
                cancel = "the endpoint does not take it at any price"
        await self._attempt(row, head, cancel=cancel)

    async def _attempt(self, row: TransactionRow, head: int, *, cancel: str | None) -> bool:
        """Replace the latest attempt by a dearer one: of the same call, or, to cancel it, of none.

        Returns whether that was possible, within the caps and the budget.
        """
        sending = self._sending
        async with self._in_flight.lock:
            if not self._in_flight.current(row):
                return False
            try:
                fresh = quote_fees(await sending.rpc.batch(FEE_CALLS), sending.fees)
            except FeesAboveCap as above:
                sending.say(row, "transaction.waits_for_base_fee", str(above), wavering=True)
                return False
            fees = bump_fees(row.fees, fresh, sending.fees)
            if fees is None:
                sending.say(row, "transaction.at_fee_cap", "raise the cap of fees, or wait")
                return False
            attempt = replace(row, fees=fees, sent_at_block=head)
            if cancel is not None and not row.cancelled:
                attempt = replace(attempt, cancelled_from=len(row.hashes), reserved=row.worst_cost)
            try:
                await sending.budget.require(attempt.worst_cost - row.worst_cost)
            except BudgetExhausted as exhausted:
                sending.say(row, "transaction.over_budget", str(exhausted), wavering=True)
                return False
            attempt = await self._signed(attempt)
            await self._in_flight.put(attempt)
            result = await sending.outlet.send(attempt, head)
        sending.tally.gas_bumps += 1
        log = sending.log(attempt).bind(
            max_fee_per_gas=fees.most, handover=result.handover.value, words=result.words
        )
        if cancel is None:
            log.info("transaction.bumped")
        else:
            log.info("transaction.cancelled", reason=cancel)
        if result.handover is Handover.NO_FUNDS:
            sending.funds.refused(result.words)
        return True

    async def _signed(self, row: TransactionRow) -> TransactionRow:
        raw = await self._sending.signer.sign(
            UnsignedTransaction(
                chain_id=row.chain_id,
                nonce=row.nonce,
                to=row.sender if row.cancelled else row.to,
                data=b"" if row.cancelled else row.data,
                gas_limit=CANCELLATION_GAS if row.cancelled else row.gas_limit,
                fees=row.fees,
            )
        )
        return replace(row, raw=raw, hashes=(*row.hashes, transaction_hash(raw)))

    async def _close_gap(self, row: TransactionRow, mined_nonces: int, head: int) -> None:
        """Use nonces up that stand before the first in line and that nobody uses."""
        missing = [nonce for nonce in range(mined_nonces, row.nonce) if not self._in_flight.holds(nonce)]
        if not missing:
            return  # The endpoint has yet to see blocks that others have shown.
        self._sending.say(
            row,
            "transaction.waits_for_nonce",
            f"no block can take it before nonce {missing[0]}, which this node did not give out",
        )
        if self._gap_since is None or self._gap_since[0] != missing[0]:
            self._gap_since = (missing[0], head)
        if head < self._gap_since[1] + self._bump_after_blocks:
            return
        if len(missing) > MAX_GAP:
            await self._begin_anew(mined_nonces)
            return
        # What somebody else has sent from this account may still be mined, and fill the gap itself.
        pending = count_from_hex(
            await self._sending.rpc.call("eth_getTransactionCount", (to_hex(row.sender), "pending")),
            "eth_getTransactionCount",
        )
        impatient = head >= self._gap_since[1] + _OTHERS_PATIENCE * self._bump_after_blocks
        for nonce in missing:
            if nonce >= pending or impatient:
                async with self._in_flight.lock:
                    if not self._in_flight.holds(nonce):
                        await self._fill(nonce, row, head)

    async def _fill(self, nonce: int, before: TransactionRow, head: int) -> None:
        sending = self._sending
        outcomes = await sending.rpc.batch(FEE_CALLS)
        try:
            fees = quote_fees(outcomes, sending.fees)
            filler = TransactionRow(
                chain_id=before.chain_id,
                sender=before.sender,
                nonce=nonce,
                to=before.sender,
                data=b"",
                gas_limit=CANCELLATION_GAS,
                fees=fees,
                raw=b"",
                hashes=(),
                sent_at_block=head,
                reference=f"nonce {nonce}",
                state=TransactionState.IN_FLIGHT,
                begun_at=sending.now,
                begun_at_block=head,
                cancelled_from=0,
            )
            await sending.budget.require(filler.worst_cost)
        except (BudgetExhausted, FeesAboveCap) as failure:
            sending.say(before, "transaction.cannot_fill_nonce", str(failure), wavering=True)
            return
        filler = await self._signed(filler)
        await self._in_flight.put(filler)
        result = await sending.outlet.send(filler, head)
        sending.log(filler).warning(
            "transaction.fills_nonce", handover=result.handover.value, words=result.words
        )

    async def _begin_anew(self, mined_nonces: int) -> None:
        """The chain counts far fewer transactions than this node sent: it is not the chain it was."""
        async with self._in_flight.lock:
            rows = [*self._in_flight.rows(), *self._in_flight.included()]
            _log.error(
                "account.begins_anew",
                account=self._sending.account,
                mined=mined_nonces,
                dropped=len(rows),
                reason="the chain has lost transactions of the account; was it reset?",
            )
            for row in rows:
                await self._in_flight.drop(row)
                self._sending.over(replace(row, state=TransactionState.DROPPED, final=True))
