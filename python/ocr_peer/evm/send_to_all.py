"""Hands one signed transaction to every endpoint that can take it.

It reaches the network if only one of them passes it on, and the same bytes twice are the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

from ocr_peer.evm.broadcast import ALREADY_THERE, NONCE_USED
from ocr_peer.evm.endpoint import Endpoint
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer

__all__ = ["send_to_all"]

_GRACE_S: Final = 1.0
"""Once one has taken it, the others get this long to take it, too."""


async def send_to_all(endpoints: Sequence[Endpoint], params: Sequence[object]) -> object:
    """`eth_sendRawTransaction` at all of them at once; the answer that says most counts.

    Taken by any is taken, also if that one had it before. Next in weight is that its nonce is used up. After
    that, an endpoint that did not answer may have it, so that no refusal of another one is the last word.

    Args:
        endpoints: at least one, in order of preference.
        params: of the method.

    Raises:
        RpcError: none took it, and every one of them answered; the preferred one's words.
        RpcUnavailable: none is known to have taken it, and one at least may have.
    """
    results: list[object] = []
    refusals: dict[int, RpcError] = {}
    silent: dict[int, str] = {}

    async def send(index: int, endpoint: Endpoint) -> None:
        try:
            async with endpoint.sending:
                answer = await endpoint.exchange(lambda rpc: rpc.call("eth_sendRawTransaction", params))
        except RpcError as refusal:
            refusals[index] = refusal
            taken = _says(refusal, ALREADY_THERE)
        except (RpcUnavailable, UnexpectedAnswer) as failure:
            silent[index] = f"{endpoint.name}: {failure}"
            taken = False
        else:
            results.append(answer)
            taken = True
        if taken:
            scope.deadline = min(scope.deadline, trio.current_time() + _GRACE_S)

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            for index, endpoint in enumerate(endpoints):
                nursery.start_soon(send, index, endpoint)
    if results:
        return results[0]
    in_order = [refusals[index] for index in sorted(refusals)]
    for words in (ALREADY_THERE, NONCE_USED):
        for refusal in in_order:
            if _says(refusal, words):
                raise refusal
    if silent:
        names = ", ".join(endpoint.name for endpoint in endpoints)
        raise RpcUnavailable(names, "; ".join(silent[index] for index in sorted(silent)))
    raise in_order[0]


def _says(refusal: RpcError, words: Sequence[str]) -> bool:
    text = refusal.message.lower()
    return any(word in text for word in words)
