"""Where signed transactions are handed over: to the public endpoints, or to a private relay first."""

from __future__ import annotations

from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.broadcast import BroadcastResult, Handover, broadcast
from ocr_peer.evm.transactions import TransactionRow

__all__ = ["Outlet"]


class Outlet:
    """Hands over, and knows what a relay holds that the chain's endpoints cannot see.

    Args:
        public: the chain's endpoints.
        relay: takes transactions out of the public's sight; `None`: there is none.
        public_after_blocks: a transaction that no block holds so many blocks after it was begun is handed to
            the public endpoints; 0: never.
        relay_again_blocks: relays forget; so many blocks after it took an attempt, it is handed it again.
    """

    def __init__(
        self,
        public: ChainAccess,
        relay: ChainAccess | None = None,
        *,
        public_after_blocks: int = 0,
        relay_again_blocks: int = 3,
    ) -> None:
        self._public = public
        self._relay = relay
        self._public_after_blocks = public_after_blocks
        self._relay_again_blocks = relay_again_blocks
        self._relayed: dict[int, tuple[bytes, int]] = {}

    def holds(self, row: TransactionRow, head: int) -> bool:
        """Whether the relay took the latest attempt, and is still trusted with it."""
        attempt, at = self._relayed.get(row.nonce, (b"", 0))
        return attempt == row.hashes[-1] and head < at + self._relay_again_blocks and self._private(row, head)

    async def send(self, row: TransactionRow, head: int) -> BroadcastResult:
        """Hand over the latest attempt; never raises for what endpoint or relay say or fail to say."""
        if self._relay is None or not self._private(row, head):
            self._relayed.pop(row.nonce, None)
            return await broadcast(self._public, row.raw)
        result = await broadcast(self._relay, row.raw)
        if result.handover is Handover.TAKEN:
            self._relayed[row.nonce] = (row.hashes[-1], head)
        if result.handover is Handover.REFUSED and self._public_after_blocks:
            # Its word is not the chain's: the public endpoints will be asked.
            return BroadcastResult(Handover.UNKNOWN, f"the private relay: {result.words}")
        return result

    def forget(self, nonce: int) -> None:
        """The transaction of that nonce is in a block, or never will be."""
        self._relayed.pop(nonce, None)

    def _private(self, row: TransactionRow, head: int) -> bool:
        if self._relay is None:
            return False
        return not self._public_after_blocks or head < row.begun_at_block + self._public_after_blocks
