"""Handing a signed transaction to an endpoint, and what its refusal means.

JSON-RPC defines no codes for this, so the endpoints' words decide; the words below are those of geth, erigon,
nethermind, besu, reth and anvil.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer

__all__ = ["ALREADY_THERE", "NONCE_USED", "BroadcastResult", "Handover", "broadcast"]


class Handover(StrEnum):
    """What became of an attempt to hand over a transaction."""

    TAKEN = "taken"
    """The endpoint has it; also when it had it before."""
    UNKNOWN = "unknown"
    """No answer: it may have it or not."""
    NONCE_TAKEN = "nonce_taken"
    """Another transaction with this nonce is mined or pending."""
    NONCE_AHEAD = "nonce_ahead"
    """The endpoint wants earlier nonces first."""
    TOO_CHEAP = "too_cheap"
    """Its fees are below what the endpoint or the next block asks."""
    NO_FUNDS = "no_funds"
    """The account cannot pay for it."""
    REFUSED = "refused"
    """Anything else."""


ALREADY_THERE: Final = ("already known", "already imported", "alreadyknown", "already in mempool")
"""The endpoint had the transaction before."""
NONCE_USED: Final = ("nonce too low", "nonce is too low", "oldnonce", "nonce has already been used")
"""A block holds a transaction with this nonce, maybe this one."""

_WORDS: Final = {
    Handover.TAKEN: ALREADY_THERE,
    Handover.NONCE_TAKEN: (
        *NONCE_USED,
        "replacement transaction underpriced",
        "replacementnotallowed",
        "another transaction with same nonce",
    ),
    Handover.NONCE_AHEAD: (
        "nonce too high",
        "nonce is too high",
        "noncegap",
        "nonce gap",
        "nonce too distant",
    ),
    Handover.NO_FUNDS: (
        "insufficient funds",
        "insufficientfunds",
        "insufficient balance",
        "upfront cost exceeds",
    ),
    Handover.TOO_CHEAP: (
        "less than block base fee",
        "transaction underpriced",
        "feetoolow",
        "fee too low",
        "gas price below",
        "gas price too low",
    ),
}


@dataclass(frozen=True, slots=True)
class BroadcastResult:
    """How a handover went, with the endpoint's own words where it did not go well."""

    handover: Handover
    words: str = ""


async def broadcast(rpc: ChainAccess, raw: bytes) -> BroadcastResult:
    """Hand `raw` over once; never raises for what the endpoint says or fails to say."""
    try:
        await rpc.call("eth_sendRawTransaction", (to_hex(raw),))
    except RpcError as error:
        words = error.message.lower()
        for handover, fragments in _WORDS.items():
            if any(fragment in words for fragment in fragments):
                return BroadcastResult(handover, error.message)
        return BroadcastResult(Handover.REFUSED, error.message)
    except (RpcUnavailable, UnexpectedAnswer) as error:
        return BroadcastResult(Handover.UNKNOWN, str(error))
    return BroadcastResult(Handover.TAKEN)
