"""The store on trio: each call is one hop to a worker thread, and calls take turns."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import trio

from ocr_peer.evm.transactions import TransactionRow
from ocr_peer.protocol.config import ConfigDigest, Instant
from ocr_peer.protocol.effects import Record
from ocr_peer.protocol.events import StoredState
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.store import statements
from ocr_peer.store.database import Database
from ocr_peer.store.transactions import read_spending, read_unsettled, save_transaction

__all__ = ["SqliteStore", "open_store"]

_GOSSIP_COUNTER = "gossip_sequence"

T = TypeVar("T")


@contextlib.asynccontextmanager
async def open_store(directory: Path) -> AsyncIterator[SqliteStore]:
    """Open the store of one node for the duration of the context; creates it, or upgrades its schema.

    Args:
        directory: the node's `data_dir`, created with mode 0700 if need be. One process at a time.

    Raises:
        InputError: another process uses the folder (the message names it), it cannot be written, or it
            holds a damaged store or one of a newer version.
        OperatingError: the disk failed.
    """
    limiter = trio.CapacityLimiter(1)
    database = await trio.to_thread.run_sync(Database, directory, limiter=limiter)
    try:
        yield SqliteStore(database, limiter)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(database.close, limiter=limiter)


class SqliteStore:
    """Implements `runtime.ports.Store` and `evm.transactions.TransactionStore`, and what else a node remembers.

    Each writing method is one transaction and returns when that is on disk. Cancelling a call that has
    begun does not interrupt it. After the first failed write every further one raises `OperatingError`.
    """

    def __init__(self, database: Database, limiter: trio.CapacityLimiter) -> None:
        """Take over an open database, and the limiter of 1 by which all of its calls take turns."""
        self._database = database
        self._limiter = limiter

    async def write(self, config_digest: ConfigDigest, records: Sequence[Record]) -> None:
        """Write an oracle's records, all or none.

        The pacemaker's and the follower's replace their predecessors, a pending transmission that of the
        same round; at most `statements.MAX_PENDING` of these are kept for one configuration.

        Raises:
            OperatingError: nothing was written.
        """
        await self._change(lambda connection: statements.write_records(connection, config_digest, records))

    async def load_state(self, config_digest: ConfigDigest) -> StoredState:
        """What was written under this digest, pending transmissions by rising round."""
        return await self._read(lambda connection: statements.read_state(connection, config_digest))

    async def save_config(self, contract: str, config: ContractConfig) -> None:
        """Remember the latest configuration of a contract, and forget what was pending under another."""
        await self._change(lambda connection: statements.replace_config(connection, contract, config))

    async def load_config(self, contract: str) -> ContractConfig | None:
        """The configuration remembered last."""
        return await self._read(lambda connection: statements.read_config(connection, contract))

    async def save(self, row: TransactionRow) -> None:
        """Insert a transaction, or replace the one of the same chain, sender and nonce."""
        await self._change(lambda connection: save_transaction(connection, row))

    async def unsettled(self, chain_id: int, sender: bytes) -> Sequence[TransactionRow]:
        """The account's transactions that are not final, by rising nonce."""
        return await self._read(lambda connection: read_unsettled(connection, chain_id, sender))

    async def spending(self, chain_id: int, sender: bytes, since: int) -> Mapping[int, int]:
        """What the account's included transactions cost: wei by Unix minute, from minute `since` on."""
        return await self._read(lambda connection: read_spending(connection, chain_id, sender, since))

    async def save_peer_record(self, peer_id: str, record: bytes, seen_at: Instant) -> None:
        """Remember a peer's signed address record in place of its last; for the 256 peers heard of last."""
        await self._change(
            lambda connection: statements.replace_peer_record(connection, peer_id, record, seen_at)
        )

    async def load_peer_records(self) -> dict[str, bytes]:
        """Signed address records by peer id, the peer heard of last first."""
        return await self._read(statements.read_peer_records)

    async def next_sequence_block(self, size: int = 1 << 32) -> range:
        """Numbers for the author's gossip messages that no earlier run has used, however it ended.

        They start at the wall clock's nanoseconds or at the end of the last block, whichever is higher: so
        they rise past what peers remember of a node that has lost its store, and of one whose clock was set
        back. They fit 63 bits.
        """
        return await self._change(
            lambda connection: statements.raise_counter(connection, _GOSSIP_COUNTER, size, time.time_ns())
        )

    async def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await trio.to_thread.run_sync(self._database.change, work, limiter=self._limiter)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await trio.to_thread.run_sync(self._database.read, work, limiter=self._limiter)
