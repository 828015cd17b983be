"""The native chain."""

from typing import final

__all__ = ["Devnet"]

@final
class Devnet:
    """A development EVM chain in this process.

    Any thread may call it; calls take turns and release the interpreter's lock while they work.
    Nothing happens by itself: blocks come from `mine`, from an `evm_mine` request, or, with
    `automine`, from every transaction.
    """

    def __new__(
        cls,
        chain_id: int,
        accounts: dict[bytes, int],
        *,
        block_gas_limit: int = 30_000_000,
        base_fee: int = ...,
        genesis_timestamp: int | None = None,
        finality_depth: int = 0,
        pool_limit: int = 4096,
        automine: bool = False,
    ) -> Devnet:
        """A chain of one block.

        Args:
            chain_id: EIP-155 chain id.
            accounts: What each 20-byte address owns at the start, in wei.
            block_gas_limit: Gas per block.
            base_fee: The first block's base fee, in wei per gas; one gwei by default.
            genesis_timestamp: The first block's time in seconds; the system's by default.
            finality_depth: How many blocks `safe` and `finalized` stay behind the newest.
            pool_limit: The most transactions that may wait.
            automine: Whether every transaction gets a block at once.

        Raises:
            ValueError: Naming the argument that is out of bounds.
        """

    def rpc(self, request: bytes, timestamp: int | None = None) -> bytes:
        """Answers a JSON-RPC request body, single or batch; never fails on account of it.

        Args:
            request: The body, whatever it holds.
            timestamp: What time it is, in seconds; the system's time by default.

        Returns:
            The response body; empty for notifications.
        """

    def mine(self, timestamp: int | None = None) -> int:
        """Mines a block, also an empty one.

        Args:
            timestamp: The block's time in seconds, the system's by default; moved up to just
                after the parent's when it is not later.

        Returns:
            The block's number.
        """

    @property
    def chain_id(self) -> int:
        """The chain id."""

    @property
    def block_number(self) -> int:
        """The newest block's number."""

    @property
    def pending_count(self) -> int:
        """How many transactions wait, those behind a nonce gap included."""

    @property
    def automine(self) -> bool:
        """Whether every transaction gets a block at once."""

    @automine.setter
    def automine(self, on: bool) -> None: ...
    @property
    def block_time(self) -> float | None:
        """Seconds between blocks that whoever drives this chain should keep, if any.

        The chain only remembers it: `evm_setIntervalMining` writes it, a server reads it.
        """

    @block_time.setter
    def block_time(self, seconds: float | None) -> None: ...
