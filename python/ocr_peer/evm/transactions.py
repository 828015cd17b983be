"""Transactions between being signed and being final: what is remembered of them, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from ocr_peer.evm.fees import Fees

__all__ = [
    "CANCELLATION_GAS",
    "InMemoryTransactionStore",
    "Inclusion",
    "TransactionRow",
    "TransactionState",
    "TransactionStore",
]

CANCELLATION_GAS: Final = 21_000
"""Gas of a transfer of nothing to oneself, which only uses the nonce up."""


class TransactionState(StrEnum):
    """What became of a transaction."""

    IN_FLIGHT = "in_flight"
    MINED = "mined"
    REVERTED = "reverted"
    """In a block, but the contract refused it; its gas is paid."""
    DROPPED = "dropped"
    """Its call is never to be mined: refused by the endpoint, or its nonce went to another transaction."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """How a transaction got into a block."""

    transaction_hash: bytes
    """Which of its attempts it was."""
    block_number: int
    gas_used: int
    effective_gas_price: int
    """Wei per gas."""
    block_hash: bytes = b""
    """32 bytes; empty in rows of earlier versions."""
    seen_at: int = 0
    """When this node first saw it, Unix seconds: what it cost counts against the budget from then on."""

    l1_fee: int = 0
    """Wei paid on top for a rollup's data on its parent chain."""

    @property
    def cost(self) -> int:
        """Wei paid for it."""
        return self.gas_used * self.effective_gas_price + self.l1_fee


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """One transaction through all its attempts; (chain id, sender, nonce) names it."""

    chain_id: int
    sender: bytes
    """20 bytes."""
    nonce: int
    to: bytes
    """20 bytes."""
    data: bytes
    gas_limit: int
    fees: Fees
    """Of the latest attempt."""
    raw: bytes
    """The latest attempt, signed."""
    hashes: tuple[bytes, ...]
    """Of all attempts, the latest last: any of them may be the one that is mined."""
    sent_at_block: int
    """Head of the chain when the latest attempt was signed."""
    reference: str
    """What it is for; with `to` it tells the same errand again."""
    state: TransactionState
    inclusion: Inclusion | None = None
    """Set when a block holds an attempt."""
    final: bool = False
    """Nothing is expected to change any more: too deep for a reorganisation, or never to be mined."""
    begun_at: int = 0
    """When its first attempt was signed, Unix seconds."""
    begun_at_block: int = 0
    """Head of the chain when its first attempt was signed."""
    cancelled_from: int | None = None
    """Index in `hashes` of the first attempt that only uses the nonce up, once the call is not wanted."""
    reserved: int = 0
    """Wei that an attempt before the cancellation may cost."""

    @property
    def key(self) -> tuple[int, bytes, int]:
        """What names the row."""
        return (self.chain_id, self.sender, self.nonce)

    @property
    def cancelled(self) -> bool:
        """Whether the latest attempt only uses the nonce up."""
        return self.cancelled_from is not None

    @property
    def worst_cost(self) -> int:
        """Most that any attempt may cost, wei."""
        gas = CANCELLATION_GAS if self.cancelled else self.gas_limit
        return max(self.reserved, gas * self.fees.most)

    def is_cancellation(self, attempt: bytes) -> bool:
        """Whether the attempt of that hash only uses the nonce up."""
        return self.cancelled_from is not None and attempt in self.hashes[self.cancelled_from :]

    def back_in_flight(self) -> TransactionRow:
        """The row as it was before a block held it."""
        return replace(self, state=TransactionState.IN_FLIGHT, inclusion=None, final=False)


class TransactionStore(Protocol):
    """Durable memory of one node's transactions."""

    async def save(self, row: TransactionRow) -> None:
        """Insert the row, or replace the one of the same key; durable on return. Raises `OperatingError`."""
        ...

    async def unsettled(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        """The account's rows that are not final, by rising nonce. Raises `OperatingError`."""
        ...

    async def spending(self, chain_id: int, sender: bytes, since: int) -> Mapping[int, int]:
        """What the account's included transactions cost: wei by Unix minute, from minute `since` on.

        Raises `OperatingError`.
        """
        ...


class InMemoryTransactionStore:
    """A store that ends with the process: for one-off commands, and for accounts used by nobody else."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, bytes, int], TransactionRow] = {}

    async def save(self, row: TransactionRow) -> None:
        """Insert or replace."""
        self.rows[row.key] = row

    async def unsettled(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        """The account's rows that are not final."""
        return sorted((row for row in self._of(chain_id, sender) if not row.final), key=lambda row: row.nonce)

    async def spending(self, chain_id: int, sender: bytes, since: int) -> Mapping[int, int]:
        """Wei by Unix minute."""
        spent: dict[int, int] = {}
        for row in self._of(chain_id, sender):
            if row.inclusion is not None and row.inclusion.seen_at // 60 >= since:
                minute = row.inclusion.seen_at // 60
                spent[minute] = spent.get(minute, 0) + row.inclusion.cost
        return spent

    def _of(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        return [row for row in self.rows.values() if (row.chain_id, row.sender) == (chain_id, sender)]
