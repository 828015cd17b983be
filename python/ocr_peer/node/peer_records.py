"""Keeps the address records of peers, so that a restarted node finds its committee without a bootstrap node."""

from __future__ import annotations

import structlog
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.runtime.clock import Clock
from ocr_peer.store import SqliteStore

__all__ = ["PeerRecordKeeper"]

_log = structlog.get_logger(__name__)

_WAITING = 256
"""Records waiting to be written; what does not fit comes again with the next exchange."""


class PeerRecordKeeper:
    """Takes records from the network without holding it up, and writes them to the store."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._send, self._receive = trio.open_memory_channel[tuple[str, bytes]](_WAITING)

    def keep(self, peer_id: str, record: bytes) -> None:
        """Take a record; never waits."""
        try:
            self._send.send_nowait((peer_id, record))
        except trio.WouldBlock:
            _log.debug("peer record not kept", peer=peer_id)

    async def run(self) -> None:
        """Write until cancelled."""
        clock = Clock()
        async for peer_id, record in self._receive:
            try:
                await self._store.save_peer_record(peer_id, record, clock.now())
            except OperatingError as error:
                # The oracles notice for themselves that the store is gone.
                _log.warning("peer record not written", peer=peer_id, reason=str(error))
