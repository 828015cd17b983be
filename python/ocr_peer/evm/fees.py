"""What a transaction offers for its gas (EIP-1559), all amounts in wei per gas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.chain_objects import block_from_json, result_of
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.rpc_errors import METHOD_NOT_FOUND, RpcError

__all__ = ["FEE_CALLS", "GWEI", "FeeSettings", "Fees", "bump_fees", "quote_fees"]

GWEI: Final = 10**9

FEE_CALLS: Final[tuple[Call, ...]] = (
    ("eth_getBlockByNumber", ("latest", False)),
    ("eth_maxPriorityFeePerGas", ()),
)
"""The calls whose outcomes `quote_fees` reads, to go into a batch."""


@dataclass(frozen=True, slots=True)
class Fees:
    """The two offers of an EIP-1559 transaction."""

    max_fee_per_gas: int
    """Most that is paid, tip included."""
    max_priority_fee_per_gas: int
    """Tip for the block's producer."""


@dataclass(frozen=True, slots=True)
class FeeSettings:
    """The operator's limits."""

    max_fee_cap: int = 500 * GWEI
    """No transaction offers more than this."""
    min_tip: int = 1
    default_tip: int = GWEI
    """Offered where the endpoint suggests none."""
    bump_percent: int = 20
    """How much more a replacement offers, 10 at least."""
    base_fee_multiple: int = 2
    """Twice the base fee holds through six full blocks in a row, each raising it by an eighth."""


def quote_fees(outcomes: Sequence[object | RpcError], settings: FeeSettings) -> Fees:
    """Fees for a transaction that should be in one of the next blocks.

    Args:
        outcomes: of `FEE_CALLS`, in their order.
        settings: the operator's limits.

    Raises:
        OperatingError: no EIP-1559 on this chain, or the base fee alone is above the cap.
        RpcError: the endpoint could not tell.
        UnexpectedAnswer: a malformed answer.
    """
    block, suggestion = outcomes
    base_fee = block_from_json(result_of(block)).base_fee_per_gas
    if base_fee is None:
        raise OperatingError("this chain has no base fee: only EIP-1559 transactions are supported")
    if base_fee > settings.max_fee_cap:
        raise OperatingError(
            f"the base fee of {_in_gwei(base_fee)} is above the cap of {_in_gwei(settings.max_fee_cap)}; "
            "wait, or raise the cap"
        )
    if isinstance(suggestion, RpcError) and suggestion.code == METHOD_NOT_FOUND:
        tip = settings.default_tip
    else:
        tip = quantity_from_hex(result_of(suggestion), "eth_maxPriorityFeePerGas")
    tip = max(tip, settings.min_tip)
    max_fee = min(settings.base_fee_multiple * base_fee + tip, settings.max_fee_cap)
    return Fees(max_fee, min(tip, max_fee))


def bump_fees(previous: Fees, fresh: Fees, settings: FeeSettings) -> Fees | None:
    """Fees with which a pending transaction may be replaced.

    Nodes take a replacement only if both offers rise by at least 10 % (geth `--txpool.pricebump`), some ask
    for an eighth. Below today's quote a replacement would be stuck again.

    Returns:
        `None` if the cap does not allow as much.
    """
    max_fee = max(_more(previous.max_fee_per_gas, settings), fresh.max_fee_per_gas)
    tip = max(_more(previous.max_priority_fee_per_gas, settings), fresh.max_priority_fee_per_gas)
    max_fee = max(max_fee, tip)
    return Fees(max_fee, tip) if max_fee <= settings.max_fee_cap else _at_cap(previous, tip, settings)


def _at_cap(previous: Fees, tip: int, settings: FeeSettings) -> Fees | None:
    cap = settings.max_fee_cap
    allowed = (
        _more(previous.max_fee_per_gas, settings) <= cap
        and _more(previous.max_priority_fee_per_gas, settings) <= cap
    )
    return Fees(cap, min(tip, cap)) if allowed else None


def _more(amount: int, settings: FeeSettings) -> int:
    return amount + max(1, -(-amount * settings.bump_percent // 100))


def _in_gwei(amount: int) -> str:
    return f"{amount / GWEI:.3g} gwei"
