"""One feed's aggregator as its oracle uses it: read its state, transmit, watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import trio

from ocr_peer.evm.access import Call, ChainAccess
from ocr_peer.evm.aggregator import (
    LATEST_TRANSMISSION_DETAILS,
    decode_latest_transmission_details,
)
from ocr_peer.evm.chain_objects import result_of
from ocr_peer.evm.packed import encode_transmission
from ocr_peer.evm.quantity import data_from_hex, quantity_from_hex, to_hex
from ocr_peer.evm.reverts import Refusal
from ocr_peer.evm.round_requests import RoundRequests
from ocr_peer.evm.rpc_errors import AnswerTooLong, RpcError
from ocr_peer.evm.transmission_watch import TransmissionWatch
from ocr_peer.evm.transmitter import TransactionRefused, Transmitter
from ocr_peer.protocol.config import Instant, ReportFormat
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.events import ChainView
from ocr_peer.runtime.ports import ReportRefused

__all__ = ["AggregatorChain"]

_STALE_HEAD_S: Final = 120.0
"""After so long without a look, the next one first asks for the head, to keep its log query short."""


class AggregatorChain:
    """Implements `runtime.ports.Chain`.

    Args:
        rpc: the chain.
        transmitter: the account that pays; shared with other feeds.
        contract: 20 bytes, the aggregator.
        report_format: what the aggregator takes.
        lookback_blocks: how far back the first look searches for a requested round.
        clock_ns: the wall clock, nanoseconds since the Unix epoch.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        transmitter: Transmitter,
        *,
        contract: bytes,
        report_format: ReportFormat = ReportFormat.OCR2,
        lookback_blocks: int = 1000,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._rpc = rpc
        self._transmitter = transmitter
        self._contract = contract
        self._report_format = report_format
        self._requests = RoundRequests(contract, lookback_blocks=lookback_blocks)
        self._clock_ns = clock_ns
        self._looked_at = float("-inf")

    async def view(self) -> ChainView:
        """The aggregator's state now; one exchange, two at the first look and after a long pause.

        One endpoint answers, as in libocr: at the newest block honest endpoints differ all the time, so that
        asking for agreement would cost most rounds a block, and what a wrong view can do is bounded by the
        protocol. A view that is too new keeps this oracle from transmitting, which the next stages make up
        for; one that is too old makes it transmit what is there already, which the transmitter's simulation
        shows to be stale; a wrong answer makes it ask for a report that is not due, or not ask for one that
        is, and it takes more than f such oracles to have an effect. An endpoint that lags is not asked
        (`EndpointPool`). What would have an effect by itself, the configuration, needs agreement
        (`ConfigTracker`).

        Raises:
            OperatingError: the endpoint does not answer, or not sensibly.
        """
        if trio.current_time() - self._looked_at > _STALE_HEAD_S:
            self._requests.begin(
                quantity_from_hex(await self._rpc.call("eth_blockNumber"), "eth_blockNumber")
            )
        call = {"to": to_hex(self._contract), "data": to_hex(LATEST_TRANSMISSION_DETAILS.encode_call())}
        head, latest, requests = await self._read([("eth_blockNumber", ()), ("eth_call", (call, "latest"))])
        self._requests.take(quantity_from_hex(result_of(head), "eth_blockNumber"), requests)
        self._looked_at = trio.current_time()
        details = decode_latest_transmission_details(
            data_from_hex(result_of(latest), "latestTransmissionDetails")
        )
        requested = self._requests.latest
        return ChainView(
            config_digest=details.config_digest,
            epoch=details.epoch,
            round=details.round,
            answer=details.answer,
            timestamp=details.timestamp,
            requested_digest=None if requested is None else requested.config_digest,
            requested_epoch=0 if requested is None else requested.epoch,
            requested_round=0 if requested is None else requested.round,
            read_at=Instant(self._clock_ns()),
        )

    async def _read(self, calls: list[Call]) -> list[object | RpcError]:
        while True:
            try:
                return await self._rpc.batch([*calls, self._requests.query()])
            except AnswerTooLong as failure:
                if not self._requests.narrow(failure):
                    raise

    async def transmit(self, transmit: Transmit) -> None:
        """Bring a report on chain. That another oracle was first is no error: the report is there.

        Raises:
            ReportRefused: the contract will never take it from this account, as when it is too old.
            TransactionRefused: the contract would refuse it now.
            OperatingError: it could not be handed over.
        """
        context = transmit.report.context
        try:
            await self._transmitter.submit(
                self._contract,
                encode_transmission(transmit.report, self._report_format),
                reference=f"{context.config_digest.hex()}/{context.epoch}/{context.round}",
            )
        except TransactionRefused as refused:
            if not refused.refusal.final:
                raise
            if refused.refusal is Refusal.TOO_OLD:
                raise ReportRefused(f"too old: {refused.revert.reason}") from None
            raise ReportRefused(str(refused)) from None

    def watch(self, *, from_block: int | None = None, poll_interval_s: float = 2.0) -> TransmissionWatch:
        """All transmissions of this aggregator from a block on; `None` means from now on."""
        return TransmissionWatch(
            self._rpc, self._contract, from_block=from_block, poll_interval_s=poll_interval_s
        )
