"""Keeps this node connected to every member and bootstrap node."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import structlog
import trio

from ocr_peer.libp2p_network.addresses import PeerAddress
from ocr_peer.libp2p_network.containment import ContainedTasks
from ocr_peer.libp2p_network.host import PeerHost

__all__ = ["Dialler"]

log = structlog.get_logger(__name__)

_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 5.0
_STABLE_SECONDS = 2.0
"""A connection that lasted this long was a success."""
_PATIENCE_SECONDS = 5.0
"""How long the peer whose turn it is not waits before it dials all the same: the other may not reach it."""
_DIAL_SECONDS = 10.0
_CONCURRENT_DIALS = 6
"""Handshakes cost milliseconds of computing; thirty at once would time each other out on a small machine."""


class Dialler:
    """One task per peer that should be connected.

    Of two members the one with the lower peer id dials, so that they do not end up with two connections.

    Args:
        addresses: what is known about where a peer listens; `host.changed` is notified when that changes.
        always_ours: bootstrap nodes, which do not dial.
    """

    def __init__(
        self,
        host: PeerHost,
        tasks: ContainedTasks,
        *,
        addresses: Callable[[str], Sequence[PeerAddress]],
        always_ours: frozenset[str],
    ) -> None:
        self._host = host
        self._tasks = tasks
        self._addresses = addresses
        self._always_ours = always_ours
        self._limiter = trio.CapacityLimiter(_CONCURRENT_DIALS)
        self._kept: dict[str, trio.CancelScope] = {}

    def keep(self, peer_ids: frozenset[str]) -> None:
        """Keep connected to exactly these peers from now on."""
        for peer_id in self._kept.keys() - peer_ids:
            self._kept.pop(peer_id).cancel()
        for peer_id in sorted(peer_ids - self._kept.keys() - {self._host.peer_id}):
            scope = self._kept[peer_id] = trio.CancelScope()
            self._tasks.run_task(self._keep_until_cancelled, peer_id, scope)

    async def _keep_until_cancelled(self, peer_id: str, scope: trio.CancelScope) -> None:
        with scope:
            await self._tasks.repeat(self._keep, peer_id)

    async def _keep(self, peer_id: str) -> None:
        backoff = _BACKOFF_SECONDS
        attempts = 0
        while True:
            if self._host.is_connected(peer_id) and await self._stays_connected(peer_id, _STABLE_SECONDS):
                backoff = _BACKOFF_SECONDS
                await self._wait_until_lost(peer_id)
                continue
            addresses = self._addresses(peer_id)
            if not addresses:
                await self._host.changed.wait()
                continue
            if not self._is_our_turn(peer_id) and await self._is_connected_within(peer_id, _PATIENCE_SECONDS):
                continue
            if await self._dial(addresses[attempts % len(addresses)]):
                attempts = 0
                continue
            attempts += 1
            jitter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
            await self._is_connected_within(peer_id, backoff * jitter)
            backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)

    def _is_our_turn(self, peer_id: str) -> bool:
        return peer_id in self._always_ours or self._host.peer_id < peer_id

    async def _dial(self, target: PeerAddress) -> bool:
        async with self._limiter:
            if self._host.is_connected(target.peer_id):
                return True
            try:
                await self._host.dial(target, _DIAL_SECONDS)
            except Exception as error:  # noqa: BLE001 - the library raises whatever the handshake met
                log.debug("dial failed", peer=target.peer_id, address=str(target.address), reason=repr(error))
                return False
        # Turned away by the other side's gate, a connection ends at once; that counts as a failure.
        return await self._stays_connected(target.peer_id, _STABLE_SECONDS)

    async def _stays_connected(self, peer_id: str, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self._wait_until_lost(peer_id)
        return self._host.is_connected(peer_id)

    async def _is_connected_within(self, peer_id: str, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            while not self._host.is_connected(peer_id):
                await self._host.changed.wait()
        return self._host.is_connected(peer_id)

    async def _wait_until_lost(self, peer_id: str) -> None:
        while self._host.is_connected(peer_id):
            await self._host.changed.wait()
