"""Ends a program in good order when the system or a person asks for it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable

import trio

__all__ = ["run_until_signal"]


async def run_until_signal(work: Callable[[], Awaitable[object]]) -> signal.Signals | None:
    """Run `work` to its end, or cancel it at SIGINT or SIGTERM.

    Returns:
        The signal that ended it, `None` if it ended by itself. A second signal does nothing more: what is
        being put in order gets the time that it needs, which is bounded.
    """
    received: list[signal.Signals] = []

    async def listen(scope: trio.CancelScope) -> None:
        async for number in signals:
            received.append(signal.Signals(number))
            scope.cancel()

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, nursery.cancel_scope)
            await work()
            nursery.cancel_scope.cancel()
    return received[0] if received else None
