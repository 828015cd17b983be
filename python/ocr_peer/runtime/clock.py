"""The protocol's clock: Unix time that never goes backwards."""

from __future__ import annotations

import time

import trio

from ocr_peer.protocol.config import Instant

__all__ = ["Clock"]

_NANOSECONDS = 1_000_000_000


class Clock:
    """Anchored to the wall clock once, then driven by trio's monotonic clock.

    A wall clock that jumps moves no timer; a restart finds stored instants comparable again.
    """

    def __init__(self) -> None:
        self._unix_anchor = time.time_ns()
        self._trio_anchor = trio.current_time()

    def now(self) -> Instant:
        """Nanoseconds since the Unix epoch, monotone within the process."""
        return Instant(self._unix_anchor + int((trio.current_time() - self._trio_anchor) * _NANOSECONDS))
