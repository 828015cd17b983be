"""Runs libp2p's tasks so that none of them can take the node down.

py-libp2p gives every service a nursery of its own and lets the first exception in any task end all of them;
one malformed message from one peer is enough. `ContainedTasks` takes the place of its service manager: an
exception ends the task it happened in, is counted, and tasks meant to run for ever are started again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from libp2p.tools.anyio_service import Stats, TaskStats
from libp2p.tools.anyio_service.api import InternalManagerAPI, ManagerAPI, ServiceAPI

from ocr_peer.libp2p_network.complaints import Complaints
from ocr_peer.libp2p_network.counters import Count, Counters

__all__ = ["ContainedTasks"]

_RESTART_DELAY = 1.0

AsyncFn = Callable[..., Awaitable[Any]]


class ContainedTasks(InternalManagerAPI):
    """Tasks in a nursery that outlives each of them."""

    def __init__(self, nursery: trio.Nursery, counters: Counters) -> None:
        self._nursery = nursery
        self._counters = counters
        self._complaints = Complaints()
        self._finished = trio.Event()

    def run_task(self, async_fn: AsyncFn, *args: Any, daemon: bool = False, name: str | None = None) -> None:
        """Run `async_fn(*args)`; as a daemon, again whenever it ends."""
        if self.is_finished or self._nursery.cancel_scope.cancel_called:
            return
        run = self.repeat if daemon else self._run_once
        self._nursery.start_soon(run, async_fn, *args, name=name or async_fn)

    def run_daemon_task(self, async_fn: AsyncFn, *args: Any, name: str | None = None) -> None:
        """Run `async_fn(*args)` for ever."""
        self.run_task(async_fn, *args, daemon=True, name=name)

    async def repeat(self, async_fn: AsyncFn, *args: Any) -> None:
        """Run `async_fn(*args)`, again whenever it ends, until cancelled."""
        while True:
            await self._run_once(async_fn, *args)
            await trio.sleep(_RESTART_DELAY)

    async def _run_once(self, async_fn: AsyncFn, *args: Any) -> None:
        try:
            await async_fn(*args)
        except Exception as error:  # noqa: BLE001 - the purpose of this module
            self._counters.add(Count.CONTAINED_ERRORS)
            task = getattr(async_fn, "__qualname__", repr(async_fn))
            self._complaints.say("error contained", task, task=task, error=repr(error), exc_info=error)

    def finish(self) -> None:
        """Start no more tasks."""
        self._finished.set()

    @property
    def is_started(self) -> bool:
        """Always."""
        return True

    @property
    def is_running(self) -> bool:
        """Until `finish`."""
        return not self.is_finished

    @property
    def is_cancelled(self) -> bool:
        """After `finish`."""
        return self.is_finished

    @property
    def is_finished(self) -> bool:
        """After `finish`."""
        return self._finished.is_set()

    @property
    def did_error(self) -> bool:
        """Never: errors are contained."""
        return False

    @property
    def stats(self) -> Stats:
        """Not kept."""
        return Stats(tasks=TaskStats(total_count=0, finished_count=0))

    async def wait_started(self) -> None:
        """Return at once."""
        await trio.lowlevel.checkpoint()

    async def wait_finished(self) -> None:
        """Wait for `finish`."""
        await self._finished.wait()

    def cancel(self) -> None:
        """Same as `finish`."""
        self.finish()

    async def stop(self) -> None:
        """Same as `finish`."""
        self.finish()
        await trio.lowlevel.checkpoint()

    def run_child_service(
        self, service: ServiceAPI, daemon: bool = False, name: str | None = None
    ) -> ManagerAPI:
        """Run a service among these tasks."""
        service._manager = self  # noqa: SLF001 - how the library hands a service its manager
        self.run_task(service.run, daemon=daemon, name=name)
        return self

    def run_daemon_child_service(self, service: ServiceAPI, name: str | None = None) -> ManagerAPI:
        """Run a service among these tasks, for ever."""
        return self.run_child_service(service, daemon=True, name=name)
