"""Watches the chain: every oracle sees which reports landed, who brought them, and what they cost."""

from __future__ import annotations

import structlog

from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.transmission_watch import TransmissionWatch

__all__ = ["tell_transmissions"]

_log = structlog.get_logger(__name__)


async def tell_transmissions(watch: TransmissionWatch, feed: str) -> None:
    """Log every transmission of a feed, whoever sent it, until cancelled."""
    async for seen in watch:
        transmission = seen.transmission
        _log.info(
            "transmission on chain",
            feed=feed,
            round_id=transmission.aggregator_round_id,
            answer=str(transmission.answer),
            epoch=transmission.epoch,
            round=transmission.round,
            transmitter=checksum_address(transmission.transmitter),
            block=seen.block_number,
            gas_used=seen.gas_used,
            gas_price_wei=seen.effective_gas_price,
        )
