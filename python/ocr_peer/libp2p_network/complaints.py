"""Warnings that a peer can provoke, each at most once a minute: a peer must not fill the log."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import structlog
import trio

__all__ = ["Complaints"]

log = structlog.get_logger(__name__)

_SILENCE_SECONDS = 60.0
_REMEMBERED = 1024


class Complaints:
    """Says what went wrong, once."""

    def __init__(self) -> None:
        self._said_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def say(self, event: str, subject: str, **details: Any) -> None:
        """Warn of `event`, or note it at debug level when that was done recently about `subject`."""
        now = trio.current_time()
        matter = event, subject
        said_at = self._said_at.get(matter)
        if said_at is not None and now - said_at < _SILENCE_SECONDS:
            log.debug(event, **details)
            return
        self._said_at[matter] = now
        self._said_at.move_to_end(matter)
        if len(self._said_at) > _REMEMBERED:
            self._said_at.popitem(last=False)
        log.warning(event, **details)
