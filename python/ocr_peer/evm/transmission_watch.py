"""Every report that reaches the chain, whoever sent it: each oracle sees who transmitted, and what it cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import structlog
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call, ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import NewTransmission
from ocr_peer.evm.chain_objects import (
    Block,
    Log,
    Receipt,
    block_from_json,
    logs_from_json,
    receipt_from_json,
    result_of,
)
from ocr_peer.evm.packed import TRANSMISSION_TOPICS, decode_transmission
from ocr_peer.evm.quantity import quantity, quantity_from_hex, to_hex
from ocr_peer.evm.rpc_errors import UnexpectedAnswer

__all__ = ["OnchainTransmission", "TransmissionWatch"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_OVERLAP_BLOCKS: Final = 16
"""Looked at again each time, so that an endpoint that lags behind another one hides nothing."""


@dataclass(frozen=True, slots=True)
class OnchainTransmission:
    """An accepted report and the transaction that brought it."""

    transmission: NewTransmission
    block_number: int
    block_hash: bytes
    block_timestamp: int
    """Unix seconds."""
    transaction_hash: bytes
    log_index: int
    gas_used: int
    """By the whole transaction."""
    effective_gas_price: int
    """Wei per gas."""


class TransmissionWatch:
    """An endless asynchronous iterator over the transmissions of one aggregator, in the order of the chain.

    Cancelling a step loses nothing: the next step goes on. A report that a reorganisation moves into
    another block comes again, with its new block hash.

    Args:
        rpc: the chain.
        contract: 20 bytes.
        from_block: the first block to look at; `None` begins after the head at the first look.
        poll_interval_s: pause between looks that find nothing.
        max_blocks: most new blocks per query.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        contract: bytes,
        *,
        from_block: int | None = None,
        poll_interval_s: float = 2.0,
        max_blocks: int = 1000,
    ) -> None:
        self._rpc = rpc
        self._contract = contract
        self._first_block = from_block
        self._next_block = from_block
        self._poll_interval_s = poll_interval_s
        self._max_blocks = max_blocks
        self._ready: deque[OnchainTransmission] = deque()
        self._seen: dict[tuple[bytes, bytes, int], int] = {}
        self._trouble = ""
        self._log = _log.bind(contract=checksum_address(contract))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OnchainTransmission:
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._ready:
            more = await self._poll_guarded()
            if not more and not self._ready:
                await self._rpc.wait_for_head(self._poll_interval_s)
        return self._ready.popleft()

    async def _poll_guarded(self) -> bool:
        """Look once; returns whether to look again at once. What fails is logged once and tried again."""
        try:
            progressed = await self.poll()
        except OperatingError as failure:
            if str(failure) != self._trouble:
                self._trouble = str(failure)
                self._log.warning("transmission_watch.failing", error=str(failure))
            return False
        if self._trouble:
            self._trouble = ""
            self._log.info("transmission_watch.recovered")
        return progressed

    async def poll(self) -> bool:
        """Look at the next blocks; returns whether there are more already. Raises `OperatingError`."""
        head = quantity_from_hex(await self._rpc.call("eth_blockNumber"), "eth_blockNumber")
        if self._next_block is None or self._first_block is None:
            self._first_block = self._next_block = head + 1
        last = min(head, self._next_block + self._max_blocks - 1)
        first = max(self._first_block, min(self._next_block, head + 1) - _OVERLAP_BLOCKS)
        if last < first:
            return False
        fresh = [log for log in await self._logs(first, last) if _key(log) not in self._seen]
        found = await self._with_costs(fresh)
        # No await from here on: a cancelled look has changed nothing.
        self._seen.update({_key(log): log.block_number for log in fresh})
        self._next_block = max(self._next_block, last + 1)
        oldest = self._next_block - 2 * _OVERLAP_BLOCKS
        self._seen = {key: block for key, block in self._seen.items() if block >= oldest}
        self._ready.extend(found)
        return self._next_block <= head

    async def _logs(self, first: int, last: int) -> list[Log]:
        query = {
            "address": to_hex(self._contract),
            "fromBlock": quantity(first),
            "toBlock": quantity(last),
            "topics": [[to_hex(topic) for topic in TRANSMISSION_TOPICS]],
        }
        logs = logs_from_json(await self._rpc.call("eth_getLogs", (query,)))
        ours = [log for log in logs if log.address == self._contract]
        return sorted(ours, key=lambda log: (log.block_number, log.log_index))

    async def _with_costs(self, logs: Sequence[Log]) -> list[OnchainTransmission]:
        calls: list[Call] = []
        for log in logs:
            calls.append(("eth_getBlockByHash", (to_hex(log.block_hash), False)))
            calls.append(("eth_getTransactionReceipt", (to_hex(log.transaction_hash),)))
        results = [result_of(outcome) for outcome in await self._rpc.batch(calls)]
        return [
            _joined(log, block_from_json(block), receipt_from_json(receipt))
            for log, block, receipt in zip(logs, results[::2], results[1::2], strict=True)
        ]


def _joined(log: Log, block: Block, receipt: Receipt | None) -> OnchainTransmission:
    if receipt is None:
        raise UnexpectedAnswer(f"the receipt of {to_hex(log.transaction_hash)}", None)
    return OnchainTransmission(
        transmission=decode_transmission(log),
        block_number=log.block_number,
        block_hash=log.block_hash,
        block_timestamp=block.timestamp,
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
        gas_used=receipt.gas_used,
        effective_gas_price=receipt.effective_gas_price,
    )


def _key(log: Log) -> tuple[bytes, bytes, int]:
    return (log.block_hash, log.transaction_hash, log.log_index)
