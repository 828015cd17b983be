"""The transactions of one account that are not final, in memory and in the store alike."""

from __future__ import annotations

from dataclasses import replace

import trio

from ocr_peer.evm.transactions import TransactionRow, TransactionState, TransactionStore

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
        self.next_nonce: int | None = None
        """The nonce that comes after all given out; `None`: ask the chain."""
        self._store = store
        self._chain_id = chain_id
        self._sender = sender
        self._rows: dict[int, TransactionRow] = {}
        self._restored = False

    def __len__(self) -> int:
        """Number of transactions that no block holds yet."""
        return len(self.rows())

    def rows(self) -> list[TransactionRow]:
        """Those that no block holds yet, by nonce."""
        return [row for row in self._sorted() if row.inclusion is None]

    def included(self) -> list[TransactionRow]:
        """Those in a block that may yet be undone, by nonce."""
        return [row for row in self._sorted() if row.inclusion is not None]

    def nonce_after(self) -> int:
        """The lowest nonce above all of them; 0 if there are none."""
        return max(self._rows, default=-1) + 1

    def holds(self, nonce: int) -> bool:
        """Whether one of them has that nonce."""
        return nonce in self._rows

    def current(self, row: TransactionRow) -> bool:
        """Whether `row` is still in flight, and its latest attempt still the latest."""
        return self._rows.get(row.nonce) == row

    def errand(self, to: bytes, reference: str, *, besides: int | None = None) -> TransactionRow | None:
        """The transaction that does the same errand, if there is one of another nonce than `besides`.

        One that a block holds counts too: should the block vanish, it is sent again.
        """
        for row in self._rows.values():
            undone = row.cancelled or row.state not in {TransactionState.IN_FLIGHT, TransactionState.MINED}
            if (row.to, row.reference) == (to, reference) and not undone and row.nonce != besides:
                return row
        return None

    async def restore(self) -> int:
        """Take up what an earlier run left; returns how many. Later calls do nothing."""
        if self._restored:
            return 0
        rows = await self._store.unsettled(self._chain_id, self._sender)
        if not self._restored:
            self._restored = True
            self._rows.update((row.nonce, row) for row in rows)
        return len(rows)

    async def put(self, row: TransactionRow) -> None:
        """Remember a new transaction, or a new attempt of one before it is sent, or what became of one."""
        await self._store.save(row)
        self._rows[row.nonce] = row

    async def settle(self, row: TransactionRow) -> None:
        """Record the end of a transaction; `row` carries its last state."""
        await self._store.save(replace(row, final=True))
        self._rows.pop(row.nonce, None)

    async def drop(self, row: TransactionRow) -> None:
        """Record that a transaction is never to be mined; its nonce is asked of the chain again."""
        await self.settle(replace(row, state=TransactionState.DROPPED))
        self.next_nonce = None

    def _sorted(self) -> list[TransactionRow]:
        return [self._rows[nonce] for nonce in sorted(self._rows)]
