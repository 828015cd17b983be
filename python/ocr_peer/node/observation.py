"""A feed's observations: its job's pipelines, run and encoded."""

from __future__ import annotations

import time

import httpx
import trio

from ocr_peer import crypto, pipeline
from ocr_peer.errors import InvariantError, OperatingError
from ocr_peer.job import Job
from ocr_peer.median.config import encode_int192
from ocr_peer.pipeline import Pipeline, TaskError
from ocr_peer.protocol.config import SECOND

__all__ = ["ObservationError", "PipelineSource"]

_RUN_LIMIT_S = 60.0
"""Bound of one run; the round's own, shorter budget cancels it from outside."""

_JUELS_UPDATE_S = 300.0
"""How long one price of the chain's coin serves where a job does not say (Chainlink's default)."""


class ObservationError(OperatingError):
    """A pipeline produced no number; the message names the task and the reason."""


class PipelineSource:
    """The `DataSource` of a median feed.

    Args:
        job: a feed job.
        http_client: shared by all pipelines of the node.
    """

    def __init__(self, job: Job, http_client: httpx.AsyncClient) -> None:
        if job.observation_source is None:
            raise InvariantError(f"job {job.name} has no observationSource")
        self._value = job.observation_source
        self._juels = job.juels_per_fee_coin_source
        self._gas_price = job.gas_price_subunits_source
        self._http = http_client
        self._max_task_s = None if job.max_task_duration_ns is None else job.max_task_duration_ns / SECOND
        cache = job.juels_per_fee_coin_cache
        interval_ns = None if cache is None else cache.update_interval_ns
        self._juels_update_s = _JUELS_UPDATE_S if interval_ns is None else interval_ns / SECOND
        if cache is not None and cache.disabled:
            self._juels_update_s = 0.0
        self._cached_juels: tuple[float, bytes] | None = None

    async def observe(self) -> bytes:
        """One encoded observation, timestamped with the wall clock.

        Raises:
            ObservationError: a pipeline failed.
        """
        value = await self._run(self._value)
        juels = await self._juels_per_fee_coin()
        gas_price = None if self._gas_price is None else await self._run(self._gas_price)
        return crypto.encode_observation(int(time.time()), value, juels, gas_price)

    async def _juels_per_fee_coin(self) -> bytes:
        if self._juels is None:
            return bytes(24)
        now = trio.current_time()
        if self._cached_juels is not None and now < self._cached_juels[0] + self._juels_update_s:
            return self._cached_juels[1]
        juels = await self._run(self._juels)
        self._cached_juels = (now, juels)
        return juels

    async def _run(self, source: Pipeline) -> bytes:
        result = await pipeline.run(source, self._http, timeout_s=_RUN_LIMIT_S, max_task_s=self._max_task_s)
        value = result.final_int192()
        if isinstance(value, TaskError):
            raise ObservationError(str(value))
        return encode_int192(value)
