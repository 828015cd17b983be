"""Follows an account's transactions until each has come to an end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call, ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.broadcast import Handover, broadcast
from ocr_peer.evm.chain_objects import Receipt, receipt_from_json, result_of
from ocr_peer.evm.fees import FEE_CALLS, FeeSettings, bump_fees, quote_fees
from ocr_peer.evm.in_flight import InFlight
from ocr_peer.evm.quantity import quantity, quantity_from_hex, to_hex
from ocr_peer.evm.reverts import is_stale_report, revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.signer import TransactionSigner, UnsignedTransaction, transaction_hash
from ocr_peer.evm.transactions import Inclusion, TransactionRow, TransactionState

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


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What one poll saw of one transaction."""

    row: TransactionRow
    receipt: Receipt | None
    known: bool
    """Whether the endpoint has the latest attempt, mined or pending."""


class Confirmation:
    """Polls receipts, sends lost transactions again, raises the price of stuck ones.

    Args:
        rpc: the chain.
        signer: signs further attempts.
        in_flight: the transactions.
        fees: limits of fees.
        settings: how closely.
        on_settled: told about every transaction that came to an end; must not block.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        signer: TransactionSigner,
        in_flight: InFlight,
        *,
        fees: FeeSettings,
        settings: ConfirmationSettings,
        on_settled: Callable[[TransactionRow], None] | None = None,
    ) -> None:
        self._rpc = rpc
        self._signer = signer
        self._in_flight = in_flight
        self._fees = fees
        self._settings = settings
        self._on_settled = on_settled
        self._log = _log.bind(account=checksum_address(signer.address))
        self._trouble = ""
        self._first_in_line: tuple[int, int] | None = None
        self._nonce_taken_at: dict[int, int] = {}
        self._last_words: dict[int, str] = {}

    async def run(self) -> None:
        """Poll until cancelled; what fails is logged once and tried again."""
        while True:
            if len(self._in_flight):
                await self._poll_guarded()
            await self._rpc.wait_for_head(self._settings.poll_interval_s)

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
        head, mined_nonces, sightings = await self._look(rows)
        waiting: list[_Sighting] = []
        for sighting in sightings:
            if sighting.receipt is not None:
                await self._settle_mined(sighting.row, sighting.receipt)
            elif sighting.row.nonce < mined_nonces:
                await self._nonce_is_taken(sighting.row, head)
            else:
                waiting.append(sighting)
        refused: set[int] = set()
        for sighting in waiting:
            if not sighting.known and await self._send_again(sighting.row):
                refused.add(sighting.row.nonce)
        for sighting in waiting[:1]:
            # Only the next nonce can be mined, so only its price matters.
            row = sighting.row
            if row.nonce > mined_nonces:
                gap = f"no block can take it before nonce {mined_nonces}, which this node did not give out"
                self._say(row, "transaction.waits_for_nonce", Handover.NONCE_AHEAD, gap)
            if row.nonce == mined_nonces and self._deserves_more(row, head, refused=row.nonce in refused):
                await self._bump(row, head)

    async def _look(self, rows: Sequence[TransactionRow]) -> tuple[int, int, list[_Sighting]]:
        calls: list[Call] = [
            ("eth_blockNumber", ()),
            ("eth_getTransactionCount", (to_hex(self._signer.address), "latest")),
        ]
        for row in rows:
            calls.append(("eth_getTransactionByHash", (to_hex(row.hashes[-1]),)))
            calls.extend(("eth_getTransactionReceipt", (to_hex(attempt),)) for attempt in row.hashes)
        results = iter([result_of(outcome) for outcome in await self._rpc.batch(calls)])
        head = quantity_from_hex(next(results), "eth_blockNumber")
        mined_nonces = quantity_from_hex(next(results), "eth_getTransactionCount")
        sightings = []
        for row in rows:
            known = next(results) is not None
            receipts = [receipt_from_json(next(results)) for _ in row.hashes]
            sightings.append(_Sighting(row, next((receipt for receipt in receipts if receipt), None), known))
        return head, mined_nonces, sightings

    async def _settle_mined(self, row: TransactionRow, receipt: Receipt) -> None:
        inclusion = Inclusion(
            receipt.transaction_hash, receipt.block_number, receipt.gas_used, receipt.effective_gas_price
        )
        state = TransactionState.MINED if receipt.succeeded else TransactionState.REVERTED
        log = self._bound(row).bind(block=receipt.block_number, gas_used=receipt.gas_used)
        if receipt.succeeded:
            log.info("transaction.mined")
        else:
            reason, overtaken = await self._why_reverted(row, receipt.block_number)
            (log.info if overtaken else log.warning)("transaction.reverted", reason=reason)
        await self._settle(replace(row, state=state, inclusion=inclusion))

    async def _why_reverted(self, row: TransactionRow, block: int) -> tuple[str, bool]:
        """The reason, found by calling again on top of that block, and whether it is a lost race."""
        call = {"from": to_hex(row.sender), "to": to_hex(row.to), "data": to_hex(row.data)}
        try:
            await self._rpc.call("eth_call", (call, quantity(block)))
        except RpcError as error:
            revert = revert_of(error)
            if revert is None:
                return str(error), False
            if is_stale_report(revert):
                return f"another oracle was first: {revert.reason}", True
            return revert.reason, False
        except OperatingError as error:
            return f"not known: {error}", False
        return "not known: the same call succeeds now, so it may have run out of gas", False

    async def _nonce_is_taken(self, row: TransactionRow, head: int) -> None:
        # The receipt may come from a node that is a block or two behind the one that counted.
        since = self._nonce_taken_at.setdefault(row.nonce, head)
        if head >= since + self._settings.drop_after_blocks:
            self._bound(row).warning(
                "transaction.dropped", reason="another transaction of the account took its nonce"
            )
            await self._settle(replace(row, state=TransactionState.DROPPED))

    async def _send_again(self, row: TransactionRow) -> bool:
        """Hand over a transaction that the endpoint lacks; returns whether its price was refused."""
        async with self._in_flight.lock:
            if not self._in_flight.current(row):
                return False
            result = await broadcast(self._rpc, row.raw)
        self._say(row, "transaction.sent_again", result.handover, result.words)
        # The nonce of a replacement is taken by its predecessor, which says the price did not rise enough.
        return result.handover == Handover.TOO_CHEAP or (
            result.handover == Handover.NONCE_TAKEN and len(row.hashes) > 1
        )

    def _deserves_more(self, row: TransactionRow, head: int, *, refused: bool) -> bool:
        """Whether the next in line waited long enough, counted from when it came to be next."""
        if self._first_in_line is None or self._first_in_line[0] != row.nonce:
            self._first_in_line = (row.nonce, head)
        patience = 1 if refused else self._settings.bump_after_blocks
        return head >= max(row.sent_at_block, self._first_in_line[1]) + patience

    async def _bump(self, row: TransactionRow, head: int) -> None:
        async with self._in_flight.lock:
            if not self._in_flight.current(row):
                return
            fresh = quote_fees(await self._rpc.batch(FEE_CALLS), self._fees)
            fees = bump_fees(row.fees, fresh, self._fees)
            if fees is None:
                self._say(row, "transaction.at_fee_cap", Handover.TOO_CHEAP, "raise the cap of fees, or wait")
                return
            raw = await self._signer.sign(
                UnsignedTransaction(row.chain_id, row.nonce, row.to, row.data, row.gas_limit, fees)
            )
            attempt = replace(
                row, fees=fees, raw=raw, hashes=(*row.hashes, transaction_hash(raw)), sent_at_block=head
            )
            await self._in_flight.put(attempt)
            result = await broadcast(self._rpc, raw)
        self._bound(attempt).info(
            "transaction.bumped",
            max_fee_per_gas=fees.max_fee_per_gas,
            handover=result.handover.value,
            words=result.words,
        )

    async def _settle(self, row: TransactionRow) -> None:
        await self._in_flight.settle(row)
        self._nonce_taken_at.pop(row.nonce, None)
        self._last_words.pop(row.nonce, None)
        if self._on_settled is not None:
            self._on_settled(row)

    def _say(self, row: TransactionRow, event: str, handover: Handover, words: str) -> None:
        """Log what a transaction meets, once until it changes."""
        said = f"{event} {handover} {words}"
        if self._last_words.get(row.nonce) != said:
            self._last_words[row.nonce] = said
            self._bound(row).warning(event, handover=handover.value, words=words)

    def _bound(self, row: TransactionRow) -> structlog.typing.FilteringBoundLogger:
        return self._log.bind(reference=row.reference, nonce=row.nonce, transaction=to_hex(row.hashes[-1]))
