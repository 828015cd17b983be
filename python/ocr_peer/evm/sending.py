"""What everything that sends for one account shares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.budget import Budget
from ocr_peer.evm.fees import FeeSettings
from ocr_peer.evm.funds import Funds
from ocr_peer.evm.in_flight import InFlight
from ocr_peer.evm.outlet import Outlet
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.reverts import Refusal, Revert, refusal_of, revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.signer import TransactionSigner
from ocr_peer.evm.tally import Tally
from ocr_peer.evm.transactions import TransactionRow

__all__ = ["Sending", "call_of"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class Sending:
    """One account on one chain: its key, its transactions, its limits."""

    rpc: ChainAccess
    signer: TransactionSigner
    in_flight: InFlight
    outlet: Outlet
    budget: Budget
    funds: Funds
    fees: FeeSettings
    chain_id: int
    on_settled: Callable[[TransactionRow], None] | None = None
    """Told about every transaction that a block took or none ever will, and again if that changes; must not
    block."""
    clock: Callable[[], float] = time.time
    """Unix seconds."""
    tally: Tally = field(default_factory=Tally)
    _last_words: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())

    @property
    def account(self) -> str:
        """The account for people."""
        return checksum_address(self.signer.address)

    def log(self, row: TransactionRow) -> structlog.typing.FilteringBoundLogger:
        """A log that names the transaction."""
        return _log.bind(
            account=self.account,
            reference=row.reference,
            nonce=row.nonce,
            transaction=to_hex(row.hashes[-1]),
        )

    def say(
        self, row: TransactionRow, event: str, words: str, *, wavering: bool = False, **details: object
    ) -> None:
        """Log what a transaction meets, once until it changes; `wavering` words, with a price in them, always do."""
        said = self._last_words.setdefault(row.nonce, {})
        sameness = "" if wavering else words
        if said.get(event) != sameness:
            said[event] = sameness
            self.log(row).warning(event, words=words, **details)

    def over(self, row: TransactionRow) -> None:
        """A block took the transaction, or none ever will: tell whoever wants to know."""
        self._last_words.pop(row.nonce, None)
        self.outlet.forget(row.nonce)
        if self.on_settled is not None:
            self.on_settled(row)

    async def refusals(self, rows: list[TransactionRow]) -> list[tuple[Refusal, Revert] | None]:
        """For each call why the contract would refuse it now, `None` if it would not or cannot be asked.

        Raises:
            OperatingError: the endpoint does not answer.
        """
        outcomes = await self.rpc.batch([("eth_call", (call_of(row), "latest")) for row in rows])
        found: list[tuple[Refusal, Revert] | None] = []
        for outcome in outcomes:
            revert = revert_of(outcome) if isinstance(outcome, RpcError) else None
            found.append(None if revert is None else (refusal_of(revert), revert))
        return found


def call_of(row: TransactionRow) -> dict[str, str]:
    """The transaction as an argument of `eth_call`."""
    return {"from": to_hex(row.sender), "to": to_hex(row.to), "data": to_hex(row.data)}
