"""What the chain side of a node asks of the chain, whether one endpoint serves it or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ocr_peer.evm.rpc_errors import RpcError

__all__ = ["Call", "ChainAccess"]

Call = tuple[str, Sequence[object]]
"""Method and parameters."""


class ChainAccess(Protocol):
    """JSON-RPC calls to one chain. They may run concurrently."""

    @property
    def shown_url(self) -> str:
        """Names the endpoint, or the endpoints, for people; without secrets."""
        ...

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        """The method's result; reads are repeated where a repetition may help.

        Raises:
            RpcError: the endpoint's own error.
            RpcUnavailable: no usable answer.
            UnexpectedAnswer: not JSON-RPC.
        """
        ...

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """For each call its result or the endpoint's error, in the order of `calls`, all of one endpoint.

        Raises:
            RpcUnavailable: no usable answer.
            UnexpectedAnswer: not JSON-RPC, or an answer is missing.
        """
        ...

    async def agreed(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """The same for reads that no single endpoint may decide, where several are configured.

        Honest endpoints answer alike only if each call names the block that it is asked of, by number or
        by hash, deep enough for all of them to have it.

        Raises:
            RpcUnavailable: too few endpoints gave the same answer.
            UnexpectedAnswer: not JSON-RPC, or an answer is missing.
        """
        ...

    async def agreed_head(self) -> int:
        """The newest block that enough endpoints say they have: one that `agreed` can be asked about.

        Raises:
            RpcUnavailable: too few endpoints answered, or their heads are too far apart.
            UnexpectedAnswer: the only endpoint answered with something else.
        """
        ...

    async def wait_for_head(self, timeout_s: float) -> None:
        """Return at the next new block, or after `timeout_s` where none is announced."""
        ...
