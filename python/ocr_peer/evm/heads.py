"""Heads of a chain: who is behind, and a signal for those that wait for the next block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from ocr_peer.evm.endpoint import Endpoint
from ocr_peer.evm.endpoint_settings import PoolSettings

__all__ = ["HeadSignal", "stale_endpoints"]

_GATHER_S: Final = 0.1
"""Between a head and the end of the wait: several endpoints announce the same block, and an endpoint that announces
without end must not keep everybody busy."""


class HeadSignal:
    """Wakes everybody who waits for a block."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def rise(self) -> None:
        """An endpoint has a new head."""
        self._event.set()
        self._event = trio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Return soon after the next head, or after `timeout_s`."""
        with trio.move_on_after(timeout_s):
            await self._event.wait()
            await trio.sleep(_GATHER_S)


def stale_endpoints(
    heads: Mapping[str, int], endpoints: Sequence[Endpoint], settings: PoolSettings, now: float
) -> frozenset[str]:
    """Whose head lags.

    Of three and more endpoints that lags which is too far behind the block that more than half of them have
    reached: one that makes up heads cannot take out all others. Of two it is the one behind the other.
    Moreover, a head that has not moved for long is stale if another went on.

    Args:
        heads: of the same moment, by endpoint.
        endpoints: those that `heads` may name, with their earlier heads.
        settings: bounds.
        now: `trio.current_time()`.
    """
    if len(heads) < 2 or settings.sync_threshold == 0:
        return frozenset()
    descending = sorted(heads.values(), reverse=True)
    reference = descending[len(heads) // 2 if len(heads) > 2 else 0]
    compared = [endpoint for endpoint in endpoints if endpoint.name in heads]
    stale = set()
    for endpoint in compared:
        head = heads[endpoint.name]
        overtaken = any(
            heads[other.name] - head > settings.sync_threshold
            and other.head_changed_at > endpoint.head_changed_at
            for other in compared
        )
        stands_still = now - endpoint.head_changed_at > settings.no_new_heads_threshold_s
        if reference - head > settings.sync_threshold or (overtaken and stands_still):
            stale.add(endpoint.name)
    return frozenset(stale)
