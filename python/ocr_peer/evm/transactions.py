"""Transactions between being signed and being settled: what is remembered of them, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ocr_peer.evm.fees import Fees

__all__ = ["InMemoryTransactionStore", "Inclusion", "TransactionRow", "TransactionState", "TransactionStore"]


class TransactionState(StrEnum):
    """What became of a transaction."""

    IN_FLIGHT = "in_flight"
    MINED = "mined"
    REVERTED = "reverted"
    """In a block, but the contract refused it; its gas is paid."""
    DROPPED = "dropped"
    """Never to be mined: refused by the endpoint, or another transaction took its nonce."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """How a transaction got into a block."""

    transaction_hash: bytes
    """Which of its attempts it was."""
    block_number: int
    gas_used: int
    effective_gas_price: int
    """Wei per gas."""


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
    """Set when mined or reverted."""

    @property
    def key(self) -> tuple[int, bytes, int]:
        """What names the row."""
        return (self.chain_id, self.sender, self.nonce)


class TransactionStore(Protocol):
    """Durable memory of one node's transactions."""

    async def save(self, row: TransactionRow) -> None:
        """Insert the row, or replace the one of the same key; durable on return. Raises `OperatingError`."""
        ...

    async def in_flight(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        """The account's rows in state `IN_FLIGHT`. Raises `OperatingError`."""
        ...


class InMemoryTransactionStore:
    """A store that ends with the process: for one-off commands, and for accounts used by nobody else."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, bytes, int], TransactionRow] = {}

    async def save(self, row: TransactionRow) -> None:
        """Insert or replace."""
        self.rows[row.key] = row

    async def in_flight(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        """The account's unsettled rows."""
        return [
            row
            for row in self.rows.values()
            if (row.chain_id, row.sender, row.state) == (chain_id, sender, TransactionState.IN_FLIGHT)
        ]
