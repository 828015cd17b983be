"""The native chain."""

from typing import final

__all__ = ["Connection", "Devnet"]

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
        legacy: bool = False,
        history: int = 128,
        state: bytes | None = None,
    ) -> Devnet:
        """A chain of one block, or the one that was saved in `state`.

        Args:
            chain_id: EIP-155 chain id.
            accounts: What each 20-byte address owns at the start, in wei.
            block_gas_limit: Gas per block.
            base_fee: The first block's base fee, in wei per gas; one gwei by default.
            genesis_timestamp: The first block's time in seconds; the system's by default.
            finality_depth: How many blocks `safe` and `finalized` stay behind the newest.
            pool_limit: The most transactions that may wait.
            automine: Whether every transaction gets a block at once.
            legacy: A chain without a base fee and without EIP-1559 transactions.
            history: How many blocks back the state can be read and blocks be taken back.
            state: From `save`, of a chain with the same id and kind. The accounts, the base fee and
                the genesis timestamp are of no use then.

        Raises:
            ValueError: Naming the argument that is out of bounds, or what is wrong with the state.
        """

    def save(self) -> bytes:
        """Everything that a later process needs to go on with this chain.

        Blocks with transactions, receipts and logs, the state and the way back from it, the
        mempool and the clock; no snapshots and no filters. The same chain gives the same bytes.
        """

    def connect(self) -> Connection:
        """A connection of its own for a client that wants to be told of things."""

    @property
    def sequence(self) -> int:
        """Rises with everything that a subscription may have to tell; never waits for the chain."""

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

@final
class Connection:
    """A client's connection: requests as with `Devnet.rpc`, and what it has subscribed to."""

    def rpc(self, request: bytes, timestamp: int | None = None) -> bytes:
        """Answers a request body like `Devnet.rpc`; `eth_subscribe` works here."""

    def notifications(self, limit: int = 256) -> list[bytes] | None:
        """The next notifications for this client, in order.

        Args:
            limit: About how many at most; the rest stays for the next time.

        Returns:
            JSON bodies; none when everything is told; `None` when the client was so slow that
            some of it is forgotten.
        """

    @property
    def subscribed(self) -> bool:
        """Whether there is any subscription."""
