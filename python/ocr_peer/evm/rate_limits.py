"""Recognises an endpoint that wants to be asked less often, and for how long.

HTTP has status 429 and `Retry-After` (RFC 9110, 10.2.3). JSON-RPC has only customs: EIP-1474 gives code -32005 for
"limit exceeded", which providers use for too many requests and for log queries that cover too much; others
put 429 into the error's code, or just say it. The words below are those of Infura, Alchemy, QuickNode, Ankr,
Cloudflare, Chainstack and the public BNB endpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from ocr_peer.evm.rpc_errors import RpcError

__all__ = ["RateLimit", "rate_limit_of", "retry_after_s"]

_LIMIT_EXCEEDED: Final = -32005
_CODES: Final = frozenset({429, -32429, -32029, -32097})
_WORDS: Final = (
    "rate limit",
    "rate-limit",
    "ratelimit",
    "too many request",
    "request limit",
    "request count exceeded",
    "requests per second",
    "compute units per second",
    "throughput limit",
)
_REVERTED: Final = 3


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the endpoint asks for."""

    pause_s: float | None
    """Seconds, not negative; `None` where it does not say."""


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` header asks for; `None` if there is none, or none that can be read.

    Args:
        value: the header: whole seconds or an HTTP date.
        now: Unix seconds.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return max(0.0, moment.timestamp() - now)
    except (OverflowError, ValueError):
        return None


def rate_limit_of(error: RpcError, method: str) -> RateLimit | None:
    """The rate limit that an error speaks of; `None` if it speaks of something else.

    Args:
        error: the endpoint's error.
        method: which was called: a log query that is refused as too much is no rate limit.
    """
    words = error.message.lower()
    if error.code == _REVERTED or words.startswith("execution reverted"):
        return None  # the contract's words, not the endpoint's
    said = error.code in _CODES or any(word in words for word in _WORDS)
    if not said and not (error.code == _LIMIT_EXCEEDED and method != "eth_getLogs"):
        return None
    return RateLimit(_backoff_s(error.data))


def _backoff_s(data: object) -> float | None:
    """Infura's `{"rate": {"backoff_seconds": 30}}`."""
    rate = data.get("rate") if isinstance(data, dict) else None
    seconds = rate.get("backoff_seconds") if isinstance(rate, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        pause_s = float(seconds)
    except OverflowError:
        return None
    return pause_s if math.isfinite(pause_s) and pause_s >= 0 else None
