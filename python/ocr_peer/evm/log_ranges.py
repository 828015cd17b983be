"""How many blocks a log query may cover: endpoints refuse what is too much, each with a bound and words of its own.

Infura, QuickNode and others bound the blocks ("block range"), the results ("query returned more than 10000
results") or the bytes, under codes -32000, -32005, -32602, -32614, 35 and more. So every refusal is taken for
one of the range, and a shorter one is tried: that is harmless where it was another reason.
"""

from __future__ import annotations

from typing import Final

from ocr_peer.errors import OperatingError
from ocr_peer.evm.rpc_errors import METHOD_NOT_FOUND, RateLimited, RpcError, RpcUnavailable

__all__ = ["BlockWindow", "refuses_range"]

_GROWS_AFTER: Final = 4
"""Successes in a row before a longer range is tried: it may be refused, and then that was one query in five."""


class BlockWindow:
    """The length of the next query: halved when refused, down to one block, and doubled after some successes.

    Args:
        longest: blocks, at least 1.
    """

    def __init__(self, longest: int) -> None:
        self.blocks = longest
        self._longest = longest
        self._successes = 0

    def narrow(self) -> bool:
        """The query was too long; returns whether a shorter one is left."""
        self._successes = 0
        if self.blocks == 1:
            return False
        self.blocks //= 2
        return True

    def note_success(self) -> None:
        """The query was answered."""
        self._successes += 1
        if self._successes >= _GROWS_AFTER:
            self.widen()

    def widen(self) -> None:
        """Try twice as many blocks next time."""
        self._successes = 0
        self.blocks = min(2 * self.blocks, self._longest)


def refuses_range(failure: OperatingError) -> bool:
    """Whether a shorter query may succeed where this one failed.

    An endpoint that does not answer may be down, or busy with too long a query.
    """
    if isinstance(failure, RpcError):
        return failure.code != METHOD_NOT_FOUND
    return isinstance(failure, RpcUnavailable) and not isinstance(failure, RateLimited)
