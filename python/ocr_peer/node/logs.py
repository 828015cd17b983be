"""What a node tells its operator: structured log lines, and the steps of its rounds among them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from ocr_peer.protocol.effects import Milestone, MilestoneKind
from ocr_peer.runtime.driver import MilestoneListener

__all__ = ["configure_logging", "milestone_listener"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

_MILESTONE_LEVEL: Mapping[MilestoneKind, int] = {
    MilestoneKind.EPOCH_ENTERED: logging.INFO,
    MilestoneKind.FINALIZED: logging.INFO,
    MilestoneKind.TRANSMISSION_DUE: logging.INFO,
    MilestoneKind.OBSERVATION_FAILED: logging.WARNING,
    MilestoneKind.ROUND_ABANDONED: logging.WARNING,
}
"""An operator reads results by default, and every step at level debug."""


def configure_logging(level: str, *, json_lines: bool) -> None:
    """Log to standard error from now on.

    Args:
        level: debug, info, warn or error.
        json_lines: one JSON object per line, with `mono_ns` (the machine's monotonic clock, comparable
            between processes) beside the wall clock's time; otherwise text for people.
    """
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json_lines:
        processors += [_monotonic, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module; of theirs only trouble is of interest.
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


def milestone_listener(feed: str, oracle: int) -> MilestoneListener:
    """A listener that logs every step of a feed's rounds."""
    log = structlog.get_logger("ocr_peer.round").bind(feed=feed, oracle=oracle)

    def tell(milestone: Milestone) -> None:
        log.log(
            _MILESTONE_LEVEL.get(milestone.kind, logging.DEBUG),
            milestone.kind.value,
            epoch=milestone.tag.epoch,
            round=milestone.tag.round,
            **dict(milestone.detail),
        )

    return tell


def _monotonic(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["mono_ns"] = time.monotonic_ns()
    return event
