"""Sends the transactions of one account on one chain; every feed of the node shares it.

What a killed process may not lose is saved before it is sent: nonce, signed bytes and the hash of every
attempt. The next start takes them up again, and nonces go on where they stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import structlog

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.broadcast import BroadcastResult, Handover, broadcast
from ocr_peer.evm.chain_objects import block_from_json, result_of
from ocr_peer.evm.confirmation import Confirmation, ConfirmationSettings
from ocr_peer.evm.fees import FEE_CALLS, Fees, FeeSettings, quote_fees
from ocr_peer.evm.in_flight import InFlight
from ocr_peer.evm.quantity import quantity_from_hex, to_hex
from ocr_peer.evm.reverts import Revert, is_stale_report, revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.signer import TransactionSigner, UnsignedTransaction, transaction_hash
from ocr_peer.evm.transactions import TransactionRow, TransactionState, TransactionStore

__all__ = ["Submission", "SubmitOutcome", "TransactionRefused", "Transmitter", "TransmitterSettings"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_NONCE_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class TransmitterSettings:
    """How an account behaves."""

    fees: FeeSettings = field(default_factory=FeeSettings)
    confirmation: ConfirmationSettings = field(default_factory=ConfirmationSettings)
    max_in_flight: int = 16
    """More unsettled transactions are not begun: most nodes drop what an account queues beyond some dozens."""
    gas_margin_percent: int = 30
    """Added to the estimate: another report may land first and change what storage costs."""


class SubmitOutcome(StrEnum):
    """What became of a submission."""

    HANDED_OVER = "handed_over"
    """Saved, and sent or about to be."""
    ALREADY_IN_FLIGHT = "already_in_flight"
    """The same errand is on its way."""
    OVERTAKEN = "overtaken"
    """Another oracle was first; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The outcome, with the transaction where there is one."""

    outcome: SubmitOutcome
    transaction_hash: bytes | None


class TransactionRefused(OperatingError):  # noqa: N818 - named for what happened
    """The contract refuses the call, so it was not sent."""

    def __init__(self, to: bytes, revert: Revert) -> None:
        self.revert = revert
        super().__init__(f"{checksum_address(to)} refuses the transaction: {revert.reason}")


@dataclass(frozen=True, slots=True)
class _Errand:
    """A call that has passed its simulation, with what signing it needs."""

    to: bytes
    data: bytes
    reference: str
    gas_limit: int
    fees: Fees
    head: int


class Transmitter:
    """Nonces, fees and fate of one account's transactions.

    `run` must run for transactions to be watched, repeated and settled.

    Args:
        rpc: the chain.
        signer: the account.
        store: remembers transactions across restarts.
        chain_id: goes into every transaction.
        settings: limits.
        on_settled: told about every transaction that came to an end; must not block.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        signer: TransactionSigner,
        store: TransactionStore,
        *,
        chain_id: int,
        settings: TransmitterSettings | None = None,
        on_settled: Callable[[TransactionRow], None] | None = None,
    ) -> None:
        self._rpc = rpc
        self._signer = signer
        self._chain_id = chain_id
        self._settings = settings or TransmitterSettings()
        self._in_flight = InFlight(store, chain_id=chain_id, sender=signer.address)
        self._next_nonce: int | None = None
        self._log = _log.bind(account=checksum_address(signer.address), chain_id=chain_id)
        self._confirmation = Confirmation(
            rpc,
            signer,
            self._in_flight,
            fees=self._settings.fees,
            settings=self._settings.confirmation,
            on_settled=on_settled,
        )

    @property
    def address(self) -> bytes:
        """20 bytes: the account."""
        return self._signer.address

    @property
    def in_flight(self) -> int:
        """Number of unsettled transactions."""
        return len(self._in_flight)

    async def run(self) -> None:
        """Take up the transactions of an earlier run, then watch all of them until cancelled.

        Raises:
            OperatingError: the store cannot be read.
        """
        restored = await self._in_flight.restore()
        if restored:
            self._log.info("transmitter.resumed", transactions=restored)
        await self._confirmation.run()

    async def submit(self, to: bytes, data: bytes, *, reference: str) -> Submission:
        """Simulate a call and, if the contract would take it, send it as a transaction.

        Once this returns `HANDED_OVER`, the transaction survives a crash. The same holds if it is
        cancelled while sending: what was saved is sent by `run`.

        Args:
            to: 20 bytes, the contract.
            data: calldata.
            reference: names the errand; a second one of the same name to the same contract is not sent
                while the first is in flight.

        Raises:
            TransactionRefused: the contract would refuse it for another reason than a newer report.
            OperatingError: the chain, the store, the signer or the account's funds do not allow it.
        """
        await self._in_flight.restore()
        duplicate = self._in_flight.errand(to, reference)
        if duplicate is not None:
            return Submission(SubmitOutcome.ALREADY_IN_FLIGHT, duplicate.hashes[-1])
        errand = await self._prepared(to, data, reference)
        if errand is None:
            self._log.info("transmitter.overtaken", reference=reference)
            return Submission(SubmitOutcome.OVERTAKEN, None)
        async with self._in_flight.lock:
            duplicate = self._in_flight.errand(to, reference)
            if duplicate is not None:
                return Submission(SubmitOutcome.ALREADY_IN_FLIGHT, duplicate.hashes[-1])
            row = await self._hand_over(errand)
        return Submission(SubmitOutcome.HANDED_OVER, row.hashes[-1])

    async def _prepared(self, to: bytes, data: bytes, reference: str) -> _Errand | None:
        call = {"from": to_hex(self.address), "to": to_hex(to), "data": to_hex(data)}
        simulated, estimated, *fee_outcomes = await self._rpc.batch(
            [("eth_call", (call, "latest")), ("eth_estimateGas", (call,)), *FEE_CALLS]
        )
        for outcome in (simulated, estimated):
            revert = revert_of(outcome) if isinstance(outcome, RpcError) else None
            if revert is not None:
                if is_stale_report(revert):
                    return None
                raise TransactionRefused(to, revert)
        result_of(simulated)
        gas = quantity_from_hex(result_of(estimated), "eth_estimateGas")
        return _Errand(
            to=to,
            data=data,
            reference=reference,
            gas_limit=gas + gas * self._settings.gas_margin_percent // 100,
            fees=quote_fees(fee_outcomes, self._settings.fees),
            head=block_from_json(result_of(fee_outcomes[0])).number,
        )

    async def _hand_over(self, errand: _Errand) -> TransactionRow:
        """Sign, save and send, with another nonce where the endpoint knows that one to be taken."""
        if len(self._in_flight) >= self._settings.max_in_flight:
            raise OperatingError(
                f"{len(self._in_flight)} transactions of {checksum_address(self.address)} are unsettled; "
                "no more are begun until one of them is"
            )
        result = BroadcastResult(Handover.UNKNOWN)
        for _ in range(_NONCE_ATTEMPTS):
            row = await self._signed(errand, await self._nonce())
            await self._in_flight.put(row)
            self._next_nonce = row.nonce + 1
            result = await broadcast(self._rpc, row.raw)
            log = self._log.bind(reference=row.reference, nonce=row.nonce, transaction=to_hex(row.hashes[-1]))
            if result.handover in {Handover.TAKEN, Handover.UNKNOWN}:
                if result.handover == Handover.TAKEN:
                    log.info("transmitter.sent")
                else:
                    log.warning("transmitter.unanswered", words=result.words)
                return row
            await self._in_flight.settle(replace(row, state=TransactionState.DROPPED))
            self._next_nonce = None
            log.warning("transmitter.refused", handover=result.handover.value, words=result.words)
            if result.handover not in {Handover.NONCE_TAKEN, Handover.NONCE_AHEAD}:
                raise OperatingError(self._explained(result))
        raise OperatingError(self._explained(result))

    async def _nonce(self) -> int:
        if self._next_nonce is None:
            pending = quantity_from_hex(
                await self._rpc.call("eth_getTransactionCount", (to_hex(self.address), "pending")),
                "eth_getTransactionCount",
            )
            # A node that lost the pending ones counts too few; their signed copies are ours to send again.
            self._next_nonce = max([pending, *(row.nonce + 1 for row in self._in_flight.rows())])
        return self._next_nonce

    async def _signed(self, errand: _Errand, nonce: int) -> TransactionRow:
        raw = await self._signer.sign(
            UnsignedTransaction(
                chain_id=self._chain_id,
                nonce=nonce,
                to=errand.to,
                data=errand.data,
                gas_limit=errand.gas_limit,
                fees=errand.fees,
            )
        )
        return TransactionRow(
            chain_id=self._chain_id,
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
        )

    def _explained(self, result: BroadcastResult) -> str:
        account = checksum_address(self.address)
        match result.handover:
            case Handover.NO_FUNDS:
                return f"{account} cannot pay on chain {self._chain_id}; send it funds ({result.words})"
            case Handover.NONCE_TAKEN | Handover.NONCE_AHEAD:
                return f"{account} sends from elsewhere too; let this node have it alone ({result.words})"
            case _:
                return f"the endpoint refuses the transaction of {account}: {result.words}"
