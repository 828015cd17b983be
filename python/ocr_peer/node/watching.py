"""Watches the chain: every oracle sees which reports landed, who brought them, at which stage, and what they cost."""

from __future__ import annotations

import structlog

from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.transmission_watch import TransmissionWatch
from ocr_peer.node.stages import StageBook

__all__ = ["tell_transmissions"]

_log = structlog.get_logger(__name__)


async def tell_transmissions(watch: TransmissionWatch, feed: str, stages: StageBook) -> None:
    """Log every transmission of a feed, whoever sent it, until cancelled; also that a reorganisation took one away.

    `stage` and `oracle` are given for the configurations that `stages` knows: those of this node.
    """
    async for seen in watch:
        transmission = seen.transmission
        log = _log.bind(
            feed=feed,
            round_id=transmission.aggregator_round_id,
            answer=str(transmission.answer),
            epoch=transmission.epoch,
            round=transmission.round,
            transmitter=checksum_address(transmission.transmitter),
            block=seen.block_number,
        )
        scheduled = stages.transmitter(transmission)
        if scheduled is not None:
            log = log.bind(oracle=scheduled.oracle, stage=scheduled.stage)
        if seen.removed:
            log.warning("transmission removed by a reorganisation")
        else:
            log.info("transmission on chain", gas_used=seen.gas_used, gas_price_wei=seen.effective_gas_price)
