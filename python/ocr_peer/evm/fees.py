"""What a transaction offers for its gas, all amounts in wei per gas: two offers since EIP-1559, one before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.chain_objects import block_from_json, result_of
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.rpc_errors import METHOD_NOT_FOUND, RpcError

__all__ = [
    "FEE_CALLS",
    "GWEI",
    "DynamicFees",
    "FeeSettings",
    "Fees",
    "FeesAboveCap",
    "LegacyFees",
    "bump_fees",
    "quote_fees",
]

GWEI: Final = 10**9

FEE_CALLS: Final[tuple[Call, ...]] = (
    ("eth_getBlockByNumber", ("latest", False)),
    ("eth_maxPriorityFeePerGas", ()),
    ("eth_gasPrice", ()),
)
"""The calls whose outcomes `quote_fees` reads, to go into a batch."""


@dataclass(frozen=True, slots=True)
class DynamicFees:
    """The two offers of an EIP-1559 transaction (type 2)."""

    max_fee_per_gas: int
    """Most that is paid, tip included."""
    max_priority_fee_per_gas: int
    """Tip for the block's producer."""

    @property
    def most(self) -> int:
        """Most that one unit of gas may cost."""
        return self.max_fee_per_gas


@dataclass(frozen=True, slots=True)
class LegacyFees:
    """The one price of a transaction before EIP-1559 (type 0); it is paid in full."""

    gas_price: int

    @property
    def most(self) -> int:
        """What one unit of gas costs."""
        return self.gas_price


Fees = DynamicFees | LegacyFees


@dataclass(frozen=True, slots=True)
class FeeSettings:
    """The operator's limits."""

    max_fee_cap: int = 500 * GWEI
    """No transaction offers more than this."""
    first_fee_cap: int = 100 * GWEI
    """A first attempt leaves no more room than this for a rising base fee; it always covers today's."""
    min_tip: int = 1
    default_tip: int = GWEI
    """Offered where the endpoint suggests none."""
    bump_percent: int = 20
    """How much more a replacement offers, 10 at least."""
    base_fee_multiple: int = 2
    """Twice the base fee holds through six full blocks in a row, each raising it by an eighth."""
    dynamic: bool | None = None
    """Whether to send EIP-1559 transactions; `None`: where blocks have a base fee."""


class FeesAboveCap(OperatingError):  # noqa: N818 - named for what happened
    """The chain asks for more than the operator allows; it passes by itself, or the cap is raised."""

    def __init__(self, base_fee: int, cap: int) -> None:
        super().__init__(
            f"the base fee of {_in_gwei(base_fee)} is above the cap of {_in_gwei(cap)}; wait, or raise the cap"
        )


def quote_fees(outcomes: Sequence[object | RpcError], settings: FeeSettings) -> Fees:
    """Fees for a transaction that should be in one of the next blocks.

    Args:
        outcomes: of `FEE_CALLS`, in their order.
        settings: the operator's limits.

    Raises:
        FeesAboveCap: the base fee alone is above the cap.
        OperatingError: the operator wants EIP-1559 on a chain without it.
        RpcError: the endpoint could not tell.
        UnexpectedAnswer: a malformed answer.
    """
    block, suggested_tip, suggested_price = outcomes
    base_fee = block_from_json(result_of(block)).base_fee_per_gas
    if base_fee is not None and base_fee > settings.max_fee_cap:
        raise FeesAboveCap(base_fee, settings.max_fee_cap)
    if base_fee is None and settings.dynamic:
        raise OperatingError(
            "this chain has no base fee, so it takes no EIP-1559 transactions; remove EIP1559DynamicFees"
        )
    if base_fee is None or settings.dynamic is False:
        return _legacy(base_fee, suggested_price, settings)
    if isinstance(suggested_tip, RpcError) and suggested_tip.code == METHOD_NOT_FOUND:
        tip = settings.default_tip
    else:
        tip = quantity_from_hex(result_of(suggested_tip), "eth_maxPriorityFeePerGas")
    tip = max(tip, settings.min_tip)
    roomy = min(settings.base_fee_multiple * base_fee + tip, settings.first_fee_cap)
    max_fee = min(max(roomy, base_fee + tip), settings.max_fee_cap)
    return DynamicFees(max_fee, min(tip, max_fee))


def bump_fees(previous: Fees, fresh: Fees, settings: FeeSettings) -> Fees | None:
    """Fees with which a pending transaction may be replaced, of the same kind as its own.

    Nodes take a replacement only if both offers rise by at least 10 % (geth `--txpool.pricebump`), some ask
    for an eighth. Below today's quote a replacement would be stuck again.

    Returns:
        `None` if the cap does not allow as much.
    """
    cap = settings.max_fee_cap
    if isinstance(previous, LegacyFees):
        needed = _more(previous.gas_price, settings)
        return LegacyFees(min(max(needed, fresh.most), cap)) if needed <= cap else None
    # Where the chain has turned to one price, that price is both offers.
    fresh_tip = fresh.gas_price if isinstance(fresh, LegacyFees) else fresh.max_priority_fee_per_gas
    needed_fee = _more(previous.max_fee_per_gas, settings)
    needed_tip = _more(previous.max_priority_fee_per_gas, settings)
    if max(needed_fee, needed_tip) > cap:
        return None
    tip = min(max(needed_tip, fresh_tip), cap)
    return DynamicFees(min(max(needed_fee, fresh.most, tip), cap), tip)


def _legacy(base_fee: int | None, suggestion: object | RpcError, settings: FeeSettings) -> LegacyFees:
    price = max(quantity_from_hex(result_of(suggestion), "eth_gasPrice"), settings.min_tip)
    if base_fee is not None:
        # The next block may ask for an eighth more than this one.
        price = max(price, base_fee + base_fee // 8 + settings.min_tip)
    return LegacyFees(min(price, settings.max_fee_cap))


def _more(amount: int, settings: FeeSettings) -> int:
    return amount + max(1, -(-amount * settings.bump_percent // 100))


def _in_gwei(amount: int) -> str:
    return f"{amount / GWEI:.3g} gwei"
