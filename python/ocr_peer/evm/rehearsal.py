"""Asks the contract, before anything is sent, whether it would take a call, and what that would cost."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ocr_peer.errors import OperatingError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.chain_objects import block_from_json, result_of
from ocr_peer.evm.fees import FEE_CALLS, Fees, quote_fees
from ocr_peer.evm.quantity import quantity, quantity_from_hex, to_hex
from ocr_peer.evm.reverts import Refusal, Revert, refusal_of, revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.sending import Sending

__all__ = ["Errand", "Rehearsal", "TransactionRefused"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_MAX_ALARMED = 256
"""Contracts whose refusal of the account is remembered, so that it is told once."""


class TransactionRefused(OperatingError):  # noqa: N818 - named for what happened
    """The contract refuses the call, so it was not sent."""

    def __init__(self, to: bytes, revert: Revert, refusal: Refusal = Refusal.PASSING) -> None:
        self.revert = revert
        self.refusal = refusal
        super().__init__(f"{checksum_address(to)} refuses the transaction: {revert.reason}")


@dataclass(frozen=True, slots=True)
class Errand:
    """A call that has passed its simulation, with what signing it needs."""

    to: bytes
    """20 bytes."""
    data: bytes
    reference: str
    gas_limit: int
    fees: Fees
    head: int
    """Number of the latest block."""


class Rehearsal:
    """Simulates and prices calls.

    Args:
        sending: the account.
        gas_margin_percent: added to what the endpoint estimates.
        gas_limit_max: most gas that a transaction may use.
    """

    def __init__(self, sending: Sending, *, gas_margin_percent: int, gas_limit_max: int) -> None:
        self._sending = sending
        self._gas_margin_percent = gas_margin_percent
        self._gas_limit_max = gas_limit_max
        self._alarmed: dict[bytes, None] = {}

    async def prepared(self, to: bytes, data: bytes, reference: str) -> Errand | None:
        """The call, ready to be signed; `None` if another oracle was first.

        Raises:
            TransactionRefused: the contract would refuse it for another reason.
            FeesAboveCap: the base fee is above the cap.
            OperatingError: it needs more gas than is allowed, or the endpoint does not answer.
        """
        call = {"from": to_hex(self._sending.signer.address), "to": to_hex(to), "data": to_hex(data)}
        simulated, estimated, *fee_outcomes = await self._sending.rpc.batch(
            [("eth_call", (call, "latest")), ("eth_estimateGas", (call,)), *FEE_CALLS]
        )
        for outcome in (simulated, estimated):
            revert = revert_of(outcome) if isinstance(outcome, RpcError) else None
            if revert is None:
                continue
            refusal = refusal_of(revert)
            if refusal is Refusal.OVERTAKEN:
                return None
            if refusal.final:
                head = block_from_json(result_of(fee_outcomes[0])).number
                await self._refused_for_good(to, call, head)
                return None
            raise TransactionRefused(to, revert)
        result_of(simulated)
        self._alarmed.pop(to, None)
        return Errand(
            to=to,
            data=data,
            reference=reference,
            gas_limit=self._gas_limit(quantity_from_hex(result_of(estimated), "eth_estimateGas")),
            fees=quote_fees(fee_outcomes, self._sending.fees),
            head=block_from_json(result_of(fee_outcomes[0])).number,
        )

    async def _refused_for_good(self, to: bytes, call: dict[str, str], head: int) -> None:
        """Ask again, of all endpoints and of one block: no single one may end a report.

        Returns if the report is overtaken, and raises `TransactionRefused` otherwise.
        """
        (outcome,) = await self._sending.rpc.agreed([("eth_call", (call, quantity(head)))])
        revert = revert_of(outcome) if isinstance(outcome, RpcError) else None
        if revert is None:
            raise OperatingError(f"the endpoints disagree on whether {checksum_address(to)} takes the report")
        refusal = refusal_of(revert)
        if refusal is Refusal.OVERTAKEN:
            return
        if refusal is Refusal.ACCOUNT and to not in self._alarmed:
            if len(self._alarmed) >= _MAX_ALARMED:
                del self._alarmed[next(iter(self._alarmed))]
            self._alarmed[to] = None
            _log.error(
                "account.not_a_transmitter",
                account=self._sending.account,
                contract=checksum_address(to),
                chain_id=self._sending.chain_id,
                reason=revert.reason,
                fix="have the feed's owner list the account as a transmitter, or use the keystore of the listed one",
            )
        raise TransactionRefused(to, revert, refusal)

    def _gas_limit(self, estimate: int) -> int:
        if estimate > self._gas_limit_max:
            raise OperatingError(
                f"the transaction needs {estimate} gas, and {self._gas_limit_max} are allowed; raise LimitMax"
            )
        return min(estimate + estimate * self._gas_margin_percent // 100, self._gas_limit_max)
