"""What transactions offer, and what a replacement must offer more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import OperatingError
from ocr_peer.evm.fees import (
    GWEI,
    DynamicFees,
    Fees,
    FeesAboveCap,
    FeeSettings,
    LegacyFees,
    bump_fees,
    quote_fees,
)
from ocr_peer.evm.rpc_errors import RpcError


def block(base_fee: int | None) -> dict[str, str]:
    header = {"number": "0x5", "hash": "0x" + "03" * 32, "timestamp": "0x6553f100"}
    return header if base_fee is None else {**header, "baseFeePerGas": hex(base_fee)}


def quote(base_fee: int | None, tip: object, price: object = "0x1", **settings: Any) -> Fees:
    return quote_fees([block(base_fee), tip, price], FeeSettings(**settings))


def test_twice_the_base_fee_and_the_suggested_tip() -> None:
    assert quote(10 * GWEI, hex(2 * GWEI)) == DynamicFees(22 * GWEI, 2 * GWEI)


def test_the_cap_bounds_both() -> None:
    assert quote(10 * GWEI, hex(30 * GWEI), max_fee_cap=12 * GWEI) == DynamicFees(12 * GWEI, 12 * GWEI)
    with pytest.raises(OperatingError, match="base fee of 10 gwei is above the cap of 9 gwei"):
        quote(10 * GWEI, hex(GWEI), max_fee_cap=9 * GWEI)


def test_an_endpoint_without_suggestions() -> None:
    assert quote(GWEI, RpcError(-32601, "no such method")) == DynamicFees(3 * GWEI, GWEI)
    with pytest.raises(RpcError):
        quote(GWEI, RpcError(-32000, "out of order"))
    assert quote(GWEI, "0x0", min_tip=7) == DynamicFees(2 * GWEI + 7, 7)


UNKNOWN = RpcError(-32601, "no such method")


def test_a_chain_without_base_fee_takes_one_price() -> None:
    assert quote(None, UNKNOWN, hex(7 * GWEI)) == LegacyFees(7 * GWEI)
    assert quote(None, UNKNOWN, "0x0", min_tip=3) == LegacyFees(3)
    assert quote(None, UNKNOWN, hex(7 * GWEI), max_fee_cap=5 * GWEI) == LegacyFees(5 * GWEI)
    with pytest.raises(RpcError):
        quote(None, "0x1", UNKNOWN)
    with pytest.raises(OperatingError, match="remove EIP1559DynamicFees"):
        quote(None, "0x1", "0x1", dynamic=True)


def test_one_price_by_choice_covers_the_next_base_fee() -> None:
    assert quote(8 * GWEI, "0x1", hex(8 * GWEI), dynamic=False) == LegacyFees(9 * GWEI + 1)
    assert quote(8 * GWEI, UNKNOWN, hex(20 * GWEI), dynamic=False) == LegacyFees(20 * GWEI)
    with pytest.raises(FeesAboveCap):
        quote(8 * GWEI, "0x1", hex(8 * GWEI), dynamic=False, max_fee_cap=7 * GWEI)


def test_the_first_attempt_leaves_bounded_room_above_todays_base_fee() -> None:
    assert quote(80 * GWEI, hex(GWEI)) == DynamicFees(100 * GWEI, GWEI)
    assert quote(150 * GWEI, hex(GWEI)) == DynamicFees(151 * GWEI, GWEI)


amounts = st.integers(1, 10**13)


@given(amounts, amounts, amounts, amounts, amounts)
def test_a_replacement_offers_enough_more_of_both_or_nothing(
    max_fee: int, tip: int, fresh_fee: int, fresh_tip: int, cap: int
) -> None:
    previous = DynamicFees(max(max_fee, tip), tip)
    fresh = DynamicFees(max(fresh_fee, fresh_tip), fresh_tip)
    bumped = bump_fees(previous, fresh, FeeSettings(max_fee_cap=cap))
    if bumped is None:
        assert previous.max_fee_per_gas * 12 > cap * 10 - 10
        return
    assert isinstance(bumped, DynamicFees)
    assert bumped.max_fee_per_gas <= cap
    assert bumped.max_priority_fee_per_gas <= bumped.max_fee_per_gas
    assert bumped.max_fee_per_gas * 10 >= previous.max_fee_per_gas * 12
    assert bumped.max_priority_fee_per_gas * 10 >= previous.max_priority_fee_per_gas * 12
    assert bumped.max_fee_per_gas >= min(fresh.max_fee_per_gas, cap)


@given(amounts, amounts, amounts)
def test_a_dearer_price_is_enough_more_or_none(price: int, fresh: int, cap: int) -> None:
    bumped = bump_fees(LegacyFees(price), LegacyFees(fresh), FeeSettings(max_fee_cap=cap))
    if bumped is None:
        assert price * 12 > cap * 10 - 10
        return
    assert isinstance(bumped, LegacyFees)
    assert bumped.gas_price <= cap
    assert bumped.gas_price * 10 >= price * 12
    assert bumped.gas_price >= min(fresh, cap)


def test_a_replacement_is_of_the_kind_of_what_it_replaces() -> None:
    settings = FeeSettings()
    assert bump_fees(LegacyFees(10), DynamicFees(50, 2), settings) == LegacyFees(50)
    assert bump_fees(DynamicFees(10, 10), LegacyFees(50), settings) == DynamicFees(50, 50)
