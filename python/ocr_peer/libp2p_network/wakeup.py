"""A condition without a lock: everyone who waits is woken and looks again."""

from __future__ import annotations

import trio

__all__ = ["Wakeup"]


class Wakeup:
    """Waiters must check their condition again; they can be woken for nothing."""

    def __init__(self) -> None:
        self._waiting = trio.lowlevel.ParkingLot()

    def notify(self) -> None:
        """Wake everyone who waits now."""
        self._waiting.unpark_all()

    async def wait(self) -> None:
        """Wait for the next `notify`."""
        await self._waiting.park()
