"""What transactions offer, and what a replacement must offer more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import OperatingError
from ocr_peer.evm.fees import GWEI, Fees, FeeSettings, bump_fees, quote_fees
from ocr_peer.evm.rpc_errors import RpcError


def block(base_fee: int | None) -> dict[str, str]:
    header = {"number": "0x5", "hash": "0x" + "03" * 32, "timestamp": "0x6553f100"}
    return header if base_fee is None else {**header, "baseFeePerGas": hex(base_fee)}


def quote(base_fee: int | None, tip: object, **settings: int) -> Fees:
    return quote_fees([block(base_fee), tip], FeeSettings(**settings))


def test_twice_the_base_fee_and_the_suggested_tip() -> None:
    assert quote(10 * GWEI, hex(2 * GWEI)) == Fees(22 * GWEI, 2 * GWEI)


def test_the_cap_bounds_both() -> None:
    assert quote(10 * GWEI, hex(30 * GWEI), max_fee_cap=12 * GWEI) == Fees(12 * GWEI, 12 * GWEI)
    with pytest.raises(OperatingError, match="base fee of 10 gwei is above the cap of 9 gwei"):
        quote(10 * GWEI, hex(GWEI), max_fee_cap=9 * GWEI)


def test_an_endpoint_without_suggestions() -> None:
    assert quote(GWEI, RpcError(-32601, "no such method")) == Fees(3 * GWEI, GWEI)
    with pytest.raises(RpcError):
        quote(GWEI, RpcError(-32000, "out of order"))
    assert quote(GWEI, "0x0", min_tip=7) == Fees(2 * GWEI + 7, 7)


def test_a_chain_without_base_fee_is_refused() -> None:
    with pytest.raises(OperatingError, match="only EIP-1559"):
        quote(None, "0x1")


amounts = st.integers(1, 10**13)


@given(amounts, amounts, amounts, amounts, amounts)
def test_a_replacement_offers_enough_more_of_both_or_nothing(
    max_fee: int, tip: int, fresh_fee: int, fresh_tip: int, cap: int
) -> None:
    previous = Fees(max(max_fee, tip), tip)
    fresh = Fees(max(fresh_fee, fresh_tip), fresh_tip)
    bumped = bump_fees(previous, fresh, FeeSettings(max_fee_cap=cap))
    if bumped is None:
        assert previous.max_fee_per_gas * 9 > cap * 8 - 8
        return
    assert bumped.max_fee_per_gas <= cap
    assert bumped.max_priority_fee_per_gas <= bumped.max_fee_per_gas
    assert bumped.max_fee_per_gas * 10 >= previous.max_fee_per_gas * 12
    assert bumped.max_priority_fee_per_gas * 10 >= previous.max_priority_fee_per_gas * 12
    assert bumped.max_fee_per_gas >= min(fresh.max_fee_per_gas, cap)
