"""Finds the latest `RoundRequested` event of an aggregator, at the price of one short log query per look."""

from __future__ import annotations

from typing import Final

import structlog

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.aggregator import ROUND_REQUESTED, RoundRequested, decode_round_requested
from ocr_peer.evm.chain_objects import logs_from_json
from ocr_peer.evm.log_ranges import BlockWindow
from ocr_peer.evm.quantity import quantity, to_hex
from ocr_peer.evm.rpc_errors import RpcError

__all__ = ["RoundRequests"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_OVERLAP_BLOCKS: Final = 16
"""Looked at again each time: a short reorganisation, or an endpoint that lags behind another, hides nothing."""


class RoundRequests:
    """Remembers what was found, and how far it has looked.

    Args:
        contract: 20 bytes.
        lookback_blocks: how far the first look goes back.
    """

    def __init__(self, contract: bytes, *, lookback_blocks: int) -> None:
        self.latest: RoundRequested | None = None
        self._contract = contract
        self._window = BlockWindow(lookback_blocks)
        self._began = False
        self._head = 0
        self._from_block = 0
        self._found_at = 0

    def begin(self, head: int) -> None:
        """Look back no further than the window; to be called when many blocks may have passed."""
        if self._began:
            self._window.widen()  # Once in a while: what was refused may be taken now.
        self._began = True
        self._head = head
        self._from_block = max(self._from_block, head - self._window.blocks + 1, 0)

    def query(self) -> Call:
        """The call whose outcome `take` wants."""
        return (
            "eth_getLogs",
            (
                {
                    "address": to_hex(self._contract),
                    "fromBlock": quantity(self._from_block),
                    "toBlock": "latest",
                    "topics": [to_hex(ROUND_REQUESTED.topic)],
                },
            ),
        )

    def take(self, head: int, outcome: object | RpcError) -> None:
        """Note what the query brought; raises `UnexpectedAnswer`.

        An endpoint that refuses the range gets half of it next time: a request missed costs one early
        report, nothing more.
        """
        self._head = head
        if isinstance(outcome, RpcError):
            self.narrow(outcome)
            return
        logs = [log for log in logs_from_json(outcome) if log.address == self._contract]
        if logs:
            newest = max(logs, key=lambda log: (log.block_number, log.log_index))
            self.latest, self._found_at = decode_round_requested(newest), newest.block_number
        elif self._found_at >= self._from_block:
            self.latest = None  # a reorganisation took it away
        self._from_block = max(head - min(_OVERLAP_BLOCKS, self._window.blocks) + 1, 0)

    def narrow(self, failure: OperatingError) -> bool:
        """The range was too long: look at half of it next time; returns whether it got shorter."""
        narrower = self._window.narrow()
        self._from_block = max(self._head - self._window.blocks + 1, 0)
        if narrower:
            _log.info("round_requests.narrowed", blocks=self._window.blocks, error=str(failure))
        return narrower
