"""Whether an account can pay for the transmissions to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.chain_objects import block_from_json, result_of
from ocr_peer.evm.fees import FEE_CALLS, DynamicFees, FeesAboveCap, FeeSettings, quote_fees
from ocr_peer.evm.quantity import quantity_from_hex, to_hex
from ocr_peer.evm.rpc_errors import RpcError

__all__ = ["Funds", "FundsSettings"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_TYPICAL_GAS: Final = 200_000
"""Until the first transmission: a report of 31 oracles costs 132,000 (contracts/gas.json), and some margin."""


@dataclass(frozen=True, slots=True)
class FundsSettings:
    """When to raise the alarm."""

    watched: bool = True
    transmissions: int = 100
    """Fewer than the account can pay for at today's price are too few."""
    interval_s: float = 60.0


class Funds:
    """Watches one account's balance; alarms once when it runs low, and tells when it has recovered.

    Args:
        rpc: the chain.
        account: 20 bytes.
        chain_id: named in the alarm.
        fees: limits of what is offered for gas.
        settings: when to alarm.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        account: bytes,
        *,
        chain_id: int,
        fees: FeeSettings,
        settings: FundsSettings,
    ) -> None:
        self.balance: int | None = None
        """Wei at the last look."""
        self.gas_per_transmission = _TYPICAL_GAS
        """Gas that the latest transmission was allowed to use."""
        self._rpc = rpc
        self._account = account
        self._fees = fees
        self._settings = settings
        self._low = False
        self._log = _log.bind(account=checksum_address(account), chain_id=chain_id)

    @property
    def low(self) -> bool:
        """Whether the alarm is on."""
        return self._low

    async def run(self) -> None:
        """Look at the balance until cancelled; an endpoint that does not answer is asked again."""
        while self._settings.watched:
            try:
                await self.look()
            except OperatingError as failure:
                self._log.debug("account.unreadable", error=str(failure))
            await trio.sleep(self._settings.interval_s)

    async def look(self) -> None:
        """Compare the balance with what transmissions cost now; raises `OperatingError`."""
        balance, *fee_outcomes = await self._rpc.batch(
            [("eth_getBalance", (to_hex(self._account), "latest")), *FEE_CALLS]
        )
        self.balance = quantity_from_hex(result_of(balance), "eth_getBalance")
        price = self._price(fee_outcomes)
        needed = self._settings.transmissions * self.gas_per_transmission * price
        if not self._low and self.balance < needed:
            self._low = True
            self._log.error(
                "account.low_funds",
                balance=self.balance,
                needed=needed,
                transmissions=self._settings.transmissions,
                fix="send it funds",
            )
        elif self._low and self.balance >= needed + needed // 4:
            # A quarter more, so that a base fee that wavers does not raise the alarm again and again.
            self._low = False
            self._log.info("account.funded", balance=self.balance, needed=needed)

    def refused(self, words: str) -> None:
        """The endpoint says that the account cannot pay for a transaction."""
        if not self._low:
            self._low = True
            self._log.error("account.no_funds", balance=self.balance, words=words, fix="send it funds")

    def _price(self, outcomes: Sequence[object | RpcError]) -> int:
        """What a unit of gas costs now, wei; the caps do not allow more than theirs."""
        try:
            fees = quote_fees(outcomes, self._fees)
        except FeesAboveCap:
            return self._fees.max_fee_cap
        if isinstance(fees, DynamicFees):
            base_fee = block_from_json(result_of(outcomes[0])).base_fee_per_gas or 0
            return min(base_fee + fees.max_priority_fee_per_gas, fees.most)
        return fees.gas_price
