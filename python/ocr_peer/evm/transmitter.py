"""Sends the transactions of one account on one chain; every feed of the node shares it.

What a killed process may not lose is saved before it is sent: nonce, signed bytes and the hash of every
attempt. The next start takes them up again, and nonces go on where they stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.broadcast import BroadcastResult, Handover
from ocr_peer.evm.budget import Budget
from ocr_peer.evm.confirmation import Confirmation, ConfirmationSettings
from ocr_peer.evm.fees import FeeSettings
from ocr_peer.evm.funds import Funds, FundsSettings
from ocr_peer.evm.in_flight import InFlight
from ocr_peer.evm.outlet import Outlet
from ocr_peer.evm.quantity import count_from_hex, to_hex
from ocr_peer.evm.rehearsal import Errand, Rehearsal, TransactionRefused
from ocr_peer.evm.sending import Sending
from ocr_peer.evm.signer import TransactionSigner, UnsignedTransaction, transaction_hash
from ocr_peer.evm.submission import Submission, SubmitOutcome
from ocr_peer.evm.tally import TransmitterSnapshot
from ocr_peer.evm.transactions import TransactionRow, TransactionState, TransactionStore

__all__ = ["Submission", "SubmitOutcome", "TransactionRefused", "Transmitter", "TransmitterSettings"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_NONCE_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class TransmitterSettings:
    """How an account behaves."""

    fees: FeeSettings = field(default_factory=FeeSettings)
    confirmation: ConfirmationSettings = field(default_factory=ConfirmationSettings)
    funds: FundsSettings = field(default_factory=FundsSettings)
    max_in_flight: int = 16
    """More unsettled transactions are not begun: most nodes drop what an account queues beyond some dozens."""
    gas_margin_percent: int = 30
    """Added to the estimate: another report may land first and change what storage costs."""
    gas_limit_max: int = 500_000
    """No transaction may use more gas. A chain with EIP-7825 (Osaka) takes none beyond 16,777,216."""
    daily_budget: int | None = None
    """Wei that the account may spend in any 24 hours; `None`: no limit."""
    public_after_blocks: int = 0
    """When a transaction that a private relay holds goes to the public endpoints, too; 0: never."""


class Transmitter:
    """Nonces, fees and fate of one account's transactions.

    `run` must run for transactions to be watched, repeated and settled.

    Args:
        rpc: the chain.
        signer: the account.
        store: remembers transactions across restarts.
        chain_id: goes into every transaction.
        settings: limits.
        relay: takes transactions in place of the chain's public endpoints; receipts are read from the chain.
        on_settled: told about every transaction that a block took or none ever will, and again if a
            reorganisation changes that; must not block.
        clock: Unix seconds.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        signer: TransactionSigner,
        store: TransactionStore,
        *,
        chain_id: int,
        settings: TransmitterSettings | None = None,
        relay: ChainAccess | None = None,
        on_settled: Callable[[TransactionRow], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = settings or TransmitterSettings()
        self._max_in_flight = settings.max_in_flight
        self._in_flight = InFlight(store, chain_id=chain_id, sender=signer.address)
        patience = settings.confirmation.bump_after_blocks
        self._sending = Sending(
            rpc=rpc,
            signer=signer,
            in_flight=self._in_flight,
            outlet=Outlet(
                rpc, relay, public_after_blocks=settings.public_after_blocks, relay_again_blocks=2 * patience
            ),
            budget=Budget(
                store,
                self._in_flight,
                chain_id=chain_id,
                sender=signer.address,
                wei=settings.daily_budget,
                clock=clock,
            ),
            funds=Funds(rpc, signer.address, chain_id=chain_id, fees=settings.fees, settings=settings.funds),
            fees=settings.fees,
            chain_id=chain_id,
            on_settled=on_settled,
            clock=clock,
        )
        self._rehearsal = Rehearsal(
            self._sending,
            gas_margin_percent=settings.gas_margin_percent,
            gas_limit_max=settings.gas_limit_max,
        )
        self._confirmation = Confirmation(
            self._sending, settings=settings.confirmation, submit_again=self._submit_again
        )
        self._log = _log.bind(account=self._sending.account, chain_id=chain_id)

    @property
    def address(self) -> bytes:
        """20 bytes: the account."""
        return self._sending.signer.address

    @property
    def in_flight(self) -> int:
        """Number of transactions that no block holds yet."""
        return len(self._in_flight)

    async def snapshot(self) -> TransmitterSnapshot:
        """The account as it stands, for metrics; raises `OperatingError` if the store cannot be read."""
        await self._in_flight.restore()
        tally, rows, sending = self._sending.tally, self._in_flight.rows(), self._sending
        ages = [max(0, sending.now - row.begun_at) for row in rows if row.begun_at]
        return TransmitterSnapshot(
            account=sending.account,
            chain_id=sending.chain_id,
            balance=sending.funds.balance,
            low_on_funds=sending.funds.low,
            unconfirmed_transactions=len(rows),
            oldest_unconfirmed_s=float(max(ages, default=0)),
            awaiting_finality=len(self._in_flight.included()),
            gas_bumps=tally.gas_bumps,
            mined=tally.mined,
            reverted=tally.reverted,
            dropped=tally.dropped,
            reorganised=tally.reorganised,
            seconds_until_mined=tally.seconds_until_mined,
            spent_in_24_h=await sending.budget.spent(),
            daily_budget=sending.budget.wei,
        )

    async def run(self) -> None:
        """Take up the transactions of an earlier run, then watch all of them until cancelled.

        Raises:
            OperatingError: the store cannot be read.
        """
        restored = await self._in_flight.restore()
        if restored:
            self._log.info("transmitter.resumed", transactions=restored)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sending.funds.run)
            await self._confirmation.run()

    async def submit(self, to: bytes, data: bytes, *, reference: str) -> Submission:
        """Simulate a call and, if the contract would take it, send it as a transaction.

        Once this returns `HANDED_OVER`, the transaction survives a crash. The same holds if it is
        cancelled while sending: what was saved is sent by `run`.

        Args:
            to: 20 bytes, the contract.
            data: calldata.
            reference: names the errand; a second one of the same name to the same contract is not sent
                before the first is final.

        Raises:
            TransactionRefused: the contract would refuse it for another reason than a newer report.
            BudgetExhausted: the day's budget is used up.
            OperatingError: the chain, the store, the signer or the account's funds do not allow it.
        """
        await self._in_flight.restore()
        return await self._submit(to, data, reference)

    async def _submit(
        self, to: bytes, data: bytes, reference: str, *, instead_of: TransactionRow | None = None
    ) -> Submission:
        besides = None if instead_of is None else instead_of.nonce
        duplicate = self._in_flight.errand(to, reference, besides=besides)
        if duplicate is not None:
            return Submission(SubmitOutcome.ALREADY_IN_FLIGHT, duplicate.hashes[-1])
        errand = await self._rehearsal.prepared(to, data, reference)
        if errand is None:
            self._log.info("transmitter.overtaken", reference=reference)
            return Submission(SubmitOutcome.OVERTAKEN, None)
        async with self._in_flight.lock:
            duplicate = self._in_flight.errand(to, reference, besides=besides)
            if duplicate is not None:
                return Submission(SubmitOutcome.ALREADY_IN_FLIGHT, duplicate.hashes[-1])
            row = await self._hand_over(errand, instead_of)
        return Submission(SubmitOutcome.HANDED_OVER, row.hashes[-1])

    async def _submit_again(self, row: TransactionRow) -> str | None:
        """The errand of a transaction whose nonce another one took; why it need not be done again."""
        try:
            submission = await self._submit(row.to, row.data, row.reference, instead_of=row)
        except TransactionRefused as refused:
            return str(refused)
        return "another oracle was first" if submission.outcome is SubmitOutcome.OVERTAKEN else None

    async def _hand_over(self, errand: Errand, instead_of: TransactionRow | None) -> TransactionRow:
        """Sign, save and send, with another nonce where the endpoint knows that one to be taken."""
        # One whose nonce is gone costs nothing any more, though it is kept until its errand is in other hands.
        freed = 0 if instead_of is None else instead_of.worst_cost
        if len(self._in_flight) >= self._max_in_flight + (instead_of is not None):
            raise OperatingError(
                f"{len(self._in_flight)} transactions of {checksum_address(self.address)} are unsettled; "
                "no more are begun until one of them is"
            )
        await self._sending.budget.require(errand.gas_limit * errand.fees.most, freed=freed)
        result = BroadcastResult(Handover.UNKNOWN)
        for _ in range(_NONCE_ATTEMPTS):
            row = await self._signed(errand, await self._nonce())
            await self._in_flight.put(row)
            self._in_flight.next_nonce = row.nonce + 1
            result = await self._sending.outlet.send(row, errand.head)
            log = self._log.bind(reference=row.reference, nonce=row.nonce, transaction=to_hex(row.hashes[-1]))
            if result.handover in {Handover.TAKEN, Handover.UNKNOWN}:
                self._sending.tally.sent += 1
                self._sending.funds.gas_per_transmission = row.gas_limit
                if result.handover == Handover.TAKEN:
                    log.info("transmitter.sent")
                else:
                    log.warning("transmitter.unanswered", words=result.words)
                return row
            await self._in_flight.drop(row)
            log.warning("transmitter.refused", handover=result.handover.value, words=result.words)
            if result.handover is Handover.NO_FUNDS:
                self._sending.funds.refused(result.words)
            if result.handover not in {Handover.NONCE_TAKEN, Handover.NONCE_AHEAD}:
                raise OperatingError(self._explained(result))
        raise OperatingError(self._explained(result))

    async def _nonce(self) -> int:
        if self._in_flight.next_nonce is None or not len(self._in_flight):
            pending = count_from_hex(
                await self._sending.rpc.call("eth_getTransactionCount", (to_hex(self.address), "pending")),
                "eth_getTransactionCount",
            )
            # A node that lost the pending ones counts too few; their signed copies are ours to send again.
            self._in_flight.next_nonce = max(pending, self._in_flight.nonce_after())
        return self._in_flight.next_nonce

    async def _signed(self, errand: Errand, nonce: int) -> TransactionRow:
        chain_id = self._sending.chain_id
        raw = await self._sending.signer.sign(
            UnsignedTransaction(
                chain_id=chain_id,
                nonce=nonce,
                to=errand.to,
                data=errand.data,
                gas_limit=errand.gas_limit,
                fees=errand.fees,
            )
        )
        return TransactionRow(
            chain_id=chain_id,
            sender=self.address,
            nonce=nonce,
            to=errand.to,
            data=errand.data,
            gas_limit=errand.gas_limit,
            fees=errand.fees,
            raw=raw,
            hashes=(transaction_hash(raw),),
            sent_at_block=errand.head,
            reference=errand.reference,
            state=TransactionState.IN_FLIGHT,
            begun_at=self._sending.now,
            begun_at_block=errand.head,
        )

    def _explained(self, result: BroadcastResult) -> str:
        account = checksum_address(self.address)
        match result.handover:
            case Handover.NO_FUNDS:
                return (
                    f"{account} cannot pay on chain {self._sending.chain_id}; send it funds ({result.words})"
                )
            case Handover.NONCE_TAKEN | Handover.NONCE_AHEAD:
                return f"{account} sends from elsewhere too; let this node have it alone ({result.words})"
            case _:
                return f"the endpoint refuses the transaction of {account}: {result.words}"
