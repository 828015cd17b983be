"""What an account may spend in any 24 hours, counted from the store so that a restart forgets nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import structlog

from ocr_peer.errors import OperatingError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.in_flight import InFlight
from ocr_peer.evm.transactions import TransactionStore

__all__ = ["Budget", "BudgetExhausted"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_DAY_MINUTES: Final = 24 * 60


class BudgetExhausted(OperatingError):  # noqa: N818 - named for what happened
    """The day's budget does not cover another transaction; the message tells when it does again."""


class Budget:
    """A limit on what is spent in 24 hours, and on what the transactions in flight may come to cost.

    Args:
        store: knows what was spent.
        in_flight: count at the most they may cost.
        chain_id: the chain.
        sender: 20 bytes, the account.
        wei: the limit; `None` for none.
        clock: Unix seconds.
    """

    def __init__(
        self,
        store: TransactionStore,
        in_flight: InFlight,
        *,
        chain_id: int,
        sender: bytes,
        wei: int | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.wei = wei
        self._store = store
        self._in_flight = in_flight
        self._chain_id = chain_id
        self._sender = sender
        self._clock = clock
        self._exhausted = False
        self._log = _log.bind(account=checksum_address(sender), chain_id=chain_id)

    async def spent(self) -> int:
        """Wei that transactions cost that were included in the last 24 hours."""
        return sum((await self._by_minute()).values())

    async def require(self, more: int, *, freed: int = 0) -> None:
        """Allow another `more` wei at the worst; `freed` of those in flight cannot be spent any more.

        Raises:
            BudgetExhausted: too much; the first time it is logged as an error.
            OperatingError: the store cannot be read.
        """
        if self.wei is None or more <= 0:
            return
        by_minute = await self._by_minute()
        spent = sum(by_minute.values())
        reserved = sum(row.worst_cost for row in self._in_flight.rows()) - freed
        surplus = spent + reserved + more - self.wei
        if surplus <= 0:
            if self._exhausted:
                self._exhausted = False
                self._log.info("budget.available", budget=self.wei, spent=spent, in_flight=reserved)
            return
        when = _frees_up(by_minute, surplus)
        if more > self.wei:
            when = "never: one transaction may cost more than all of it"
        if not self._exhausted:
            self._exhausted = True
            self._log.error(
                "budget.exhausted",
                budget=self.wei,
                spent=spent,
                in_flight=reserved,
                needed=more,
                frees_up=when,
            )
        raise BudgetExhausted(
            f"the daily budget of {checksum_address(self._sender)} on chain {self._chain_id} is exhausted: "
            f"{spent} wei spent in 24 hours and {reserved} wei in flight of {self.wei} wei, "
            f"{more} wei more needed; it frees up {when}"
        )

    async def _by_minute(self) -> Mapping[int, int]:
        since = int(self._clock()) // 60 - _DAY_MINUTES + 1
        return await self._store.spending(self._chain_id, self._sender, since)


def _frees_up(by_minute: Mapping[int, int], surplus: int) -> str:
    """When enough of what was spent is 24 hours old."""
    for minute in sorted(by_minute):
        surplus -= by_minute[minute]
        if surplus <= 0:
            return f"{datetime.fromtimestamp((minute + _DAY_MINUTES) * 60, UTC):%Y-%m-%d %H:%M} UTC"
    return "not before the account's transactions in flight are mined"
