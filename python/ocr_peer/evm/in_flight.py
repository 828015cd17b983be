"""The unsettled transactions of one account, in memory and in the store alike."""

from __future__ import annotations

import trio

from ocr_peer.evm.transactions import TransactionRow, TransactionStore

__all__ = ["InFlight"]


class InFlight:
    """Every change goes to the store before anybody acts on it, so that a killed process forgets nothing.

    Args:
        store: where the rows are kept.
        chain_id: the chain.
        sender: 20 bytes, the account.
    """

    def __init__(self, store: TransactionStore, *, chain_id: int, sender: bytes) -> None:
        self.lock = trio.Lock()
        """Held by whoever signs: nonces and attempts are given out one at a time."""
        self._store = store
        self._chain_id = chain_id
        self._sender = sender
        self._rows: dict[int, TransactionRow] = {}
        self._restored = False

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[TransactionRow]:
        """By nonce, the lowest first."""
        return [self._rows[nonce] for nonce in sorted(self._rows)]

    def current(self, row: TransactionRow) -> bool:
        """Whether `row` is still in flight, and its latest attempt still the latest."""
        return self._rows.get(row.nonce) == row

    def errand(self, to: bytes, reference: str) -> TransactionRow | None:
        """The transaction in flight for the same errand, if there is one."""
        for row in self._rows.values():
            if (row.to, row.reference) == (to, reference):
                return row
        return None

    async def restore(self) -> int:
        """Take up what an earlier run left; returns how many. Later calls do nothing."""
        if self._restored:
            return 0
        rows = await self._store.in_flight(self._chain_id, self._sender)
        if not self._restored:
            self._restored = True
            self._rows.update((row.nonce, row) for row in rows)
        return len(rows)

    async def put(self, row: TransactionRow) -> None:
        """Remember a new transaction, or a new attempt of one, before it is sent."""
        await self._store.save(row)
        self._rows[row.nonce] = row

    async def settle(self, row: TransactionRow) -> None:
        """Record the end of a transaction; `row` carries its final state."""
        await self._store.save(row)
        self._rows.pop(row.nonce, None)
