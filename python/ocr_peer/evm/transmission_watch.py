"""Every report that reaches the chain, whoever sent it: each oracle sees who transmitted, and what it cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self, TypeAlias

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
from ocr_peer.evm.log_ranges import BlockWindow, refuses_range
from ocr_peer.evm.packed import TRANSMISSION_TOPICS, decode_transmission
from ocr_peer.evm.quantity import quantity, quantity_from_hex, to_hex
from ocr_peer.evm.rpc_errors import AnswerTooLong, RpcUnavailable, UnexpectedAnswer

__all__ = ["OnchainTransmission", "TransmissionWatch"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_OVERLAP_BLOCKS: Final = 16
"""Looked at again each time, so that an endpoint that lags behind another one hides nothing."""

_MAX_SEEN: Final = 1024
"""Transmissions remembered; a reorganisation that takes away older ones is not told."""

_MAX_MARKS: Final = 64
"""Blocks remembered by hash, one for each look that found new ones."""

_MAX_LOGS: Final = 500
"""Of one look; a range with more is looked at in parts."""

_PROGRESS_S: Final = 30.0
"""Between two log lines about catching up."""

_Key: TypeAlias = tuple[bytes, bytes, int]
"""Block hash, transaction hash, log index."""


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
    removed: bool = False
    """A reorganisation took away the block that held it, which was told before."""


class TransmissionWatch:
    """An endless asynchronous iterator over the transmissions of one aggregator, in the order of the chain.

    Cancelling a step loses nothing: the next step goes on. A report whose block a reorganisation takes away
    comes again as `removed`; if another block holds it now, it then comes as a new one, with the new block's
    hash. Reorganisations are noticed back to the oldest of the last 64 looks.

    Args:
        rpc: the chain.
        contract: 20 bytes.
        from_block: the first block to look at; `None` begins after the head at the first look.
        poll_interval_s: pause between looks that find nothing, unless a new head ends it.
        max_blocks: most new blocks per query; fewer where an endpoint refuses so many.
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
        self._window = BlockWindow(max_blocks)
        self._ready: deque[OnchainTransmission] = deque()
        self._seen: dict[_Key, OnchainTransmission] = {}
        self._marks: deque[tuple[int, bytes]] = deque(maxlen=_MAX_MARKS)
        self._trouble = ""
        self._told_progress_at = float("-inf")
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
        head = await self._look_at_head()
        if self._next_block is None or self._first_block is None:
            self._first_block = self._next_block = head + 1
        first, last, mark, logs = await self._look(head)
        if last < first:
            return False
        found = {_key(log) for log in logs}
        fresh = [log for log in logs if _key(log) not in self._seen]
        missing = [
            item
            for key, item in self._seen.items()
            if first <= item.block_number <= last and key not in found
        ]
        try:
            gone, joined = await self._looked_up(missing, fresh)
        except AnswerTooLong:
            if not self._window.narrow():
                raise
            return True
        # No await from here on: a cancelled look has changed nothing.
        for item in gone:
            del self._seen[_key(item)]
        self._seen.update({_key(item): item for item in joined})
        while len(self._seen) > _MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._next_block = max(self._next_block, last + 1)
        if mark is not None and (not self._marks or self._marks[-1][0] < mark.number):
            self._marks.append((mark.number, mark.hash))
        self._ready.extend(replace(item, removed=True) for item in reversed(gone))
        self._ready.extend(joined)
        self._tell_progress(head)
        return self._next_block <= head

    async def _look_at_head(self) -> int:
        """The head; goes back to where the chain forked if it is another chain than at the last look."""
        calls: list[Call] = [("eth_blockNumber", ())]
        if self._marks:
            calls.append(("eth_getBlockByNumber", (quantity(self._marks[-1][0]), False)))
        answers = [result_of(outcome) for outcome in await self._rpc.batch(calls)]
        if self._marks and _is_another(answers[1], self._marks[-1][1]):
            await self._go_back()
        return quantity_from_hex(answers[0], "eth_blockNumber")

    async def _go_back(self) -> None:
        calls: list[Call] = [("eth_getBlockByNumber", (quantity(number), False)) for number, _ in self._marks]
        answers = [result_of(outcome) for outcome in await self._rpc.batch(calls)]
        still_there = [
            number
            for (number, block_hash), answer in zip(self._marks, answers, strict=True)
            if answer is not None and block_from_json(answer).hash == block_hash
        ]
        fork = max(still_there, default=self._marks[0][0] - 1)
        self._log.warning("transmission_watch.reorganisation", from_block=fork + 1)
        while self._marks and self._marks[-1][0] > fork:
            self._marks.pop()
        self._next_block = max(fork + 1, self._first_block or 0)

    async def _look(self, head: int) -> tuple[int, int, Block | None, list[Log]]:
        """First and last block looked at, the last one's header, and the logs."""
        while True:
            next_block = self._next_block or 0
            last = min(head, next_block + self._window.blocks - 1)
            overlap = min(_OVERLAP_BLOCKS, self._window.blocks - 1)
            first = max(self._first_block or 0, min(next_block, head + 1) - overlap)
            if last < first:
                return first, last, None, []
            try:
                mark, logs = await self._logs(first, last)
            except OperatingError as failure:
                if not refuses_range(failure) or not self._window.narrow():
                    raise
                self._log.debug("transmission_watch.narrowed", blocks=self._window.blocks, error=str(failure))
                if isinstance(failure, RpcUnavailable) and not isinstance(failure, AnswerTooLong):
                    raise  # It may just be down: no reason to ask again at once.
                continue
            if len(logs) > _MAX_LOGS:
                if not self._window.narrow():
                    raise UnexpectedAnswer(f"at most {_MAX_LOGS} transmissions in one block", len(logs))
                continue
            self._window.note_success()
            return first, last, mark, logs

    async def _logs(self, first: int, last: int) -> tuple[Block | None, list[Log]]:
        query = {
            "address": to_hex(self._contract),
            "fromBlock": quantity(first),
            "toBlock": quantity(last),
            "topics": [[to_hex(topic) for topic in TRANSMISSION_TOPICS]],
        }
        # The block first: if the chain changes in between, the next look finds another block there.
        block, found = await self._rpc.batch(
            [("eth_getBlockByNumber", (quantity(last), False)), ("eth_getLogs", (query,))]
        )
        logs = logs_from_json(result_of(found))
        header = result_of(block)
        ours = [log for log in logs if log.address == self._contract and first <= log.block_number <= last]
        ours.sort(key=lambda log: (log.block_number, log.log_index))
        return None if header is None else block_from_json(header), ours

    async def _looked_up(
        self, missing: Sequence[OnchainTransmission], fresh: Sequence[Log]
    ) -> tuple[list[OnchainTransmission], list[OnchainTransmission]]:
        """Of `missing` those whose block is gone, and `fresh` with what they cost."""
        calls: list[Call] = [
            ("eth_getBlockByNumber", (quantity(item.block_number), False)) for item in missing
        ]
        for log in fresh:
            calls.append(("eth_getBlockByHash", (to_hex(log.block_hash), False)))
            calls.append(("eth_getTransactionReceipt", (to_hex(log.transaction_hash),)))
        results = [result_of(outcome) for outcome in await self._rpc.batch(calls)]
        blocks, details = results[: len(missing)], results[len(missing) :]
        # A block that is still the same one: then the endpoint that was asked for logs lags behind.
        gone = [
            item for item, block in zip(missing, blocks, strict=True) if _is_another(block, item.block_hash)
        ]
        joined = [
            _joined(log, block_from_json(block), receipt_from_json(receipt))
            for log, block, receipt in zip(fresh, details[::2], details[1::2], strict=True)
        ]
        return gone, joined

    def _tell_progress(self, head: int) -> None:
        left = head + 1 - (self._next_block or 0)
        now = trio.current_time()
        if left > self._window.blocks and now - self._told_progress_at >= _PROGRESS_S:
            self._told_progress_at = now
            self._log.info(
                "transmission_watch.catching_up", next_block=self._next_block, head=head, left=left
            )


def _is_another(block: object, block_hash: bytes) -> bool:
    """Whether a different block stands there now; none at all may be one that the endpoint does not have yet."""
    return block is not None and block_from_json(block).hash != block_hash


def _joined(log: Log, block: Block, receipt: Receipt | None) -> OnchainTransmission:
    if receipt is None or receipt.block_hash != log.block_hash:
        raise UnexpectedAnswer(f"the receipt of {to_hex(log.transaction_hash)}", receipt)
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


def _key(item: Log | OnchainTransmission) -> _Key:
    return (item.block_hash, item.transaction_hash, item.log_index)
