"""The tables of `[[EVM]]` that say how an account sends: limits, alarms, and who holds its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

from ocr_peer.errors import InputError
from ocr_peer.evm.address import parse_address
from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.settings.values import ValueSyntaxError, read_duration, read_url, read_wei

__all__ = [
    "BalanceMonitor",
    "BalanceMonitorSettings",
    "Gas",
    "GasEstimatorSettings",
    "RemoteSignerSettings",
    "TransactionSettings",
    "Transactions",
]

_TABLE = ConfigDict(extra="forbid")
_GWEI = 10**9
_SIGNING = Duration(5 * SECOND)
_MAX_GAS = 1 << 24
"""What a transaction may use at most since EIP-7825 (Osaka)."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not a string")
    return value


def _address(value: object) -> bytes:
    try:
        return parse_address(_text(value), "address")
    except InputError as error:
        raise ValueSyntaxError(error.problem, error.fix) from None


_Flag = Annotated[bool, Strict()]
_Wei = Annotated[int, BeforeValidator(lambda value: read_wei(_text(value)))]
_HttpUrl = Annotated[str, BeforeValidator(lambda value: read_url(_text(value), ("http", "https")))]
_Interval = Annotated[Duration, BeforeValidator(lambda value: read_duration(_text(value)))]
_Address = Annotated[bytes, BeforeValidator(_address)]


@dataclass(frozen=True, slots=True)
class GasEstimatorSettings:
    """`[EVM.GasEstimator]`: what a transmission may cost."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    price_max: Annotated[_Wei, Field(alias="PriceMax")] = 500 * _GWEI
    """Wei per gas, base fee included; never exceeded."""
    tip_cap_default: Annotated[_Wei, Field(alias="TipCapDefault")] = _GWEI
    """Wei per gas offered to the block's proposer at first."""
    bump_threshold: Annotated[int, Strict(), Field(alias="BumpThreshold", ge=1, le=10_000)] = 3
    """Blocks without inclusion before a transaction is sent again at a higher price."""
    bump_percent: Annotated[int, Strict(), Field(alias="BumpPercent", ge=10, le=1_000)] = 20
    """By how much; nodes of the chain refuse a replacement that offers less than 10 % more."""
    dynamic_fees: Annotated[bool | None, Strict(), Field(alias="EIP1559DynamicFees")] = None
    """Whether to send EIP-1559 transactions; `None`: where blocks have a base fee."""
    fee_cap_default: Annotated[_Wei, Field(alias="FeeCapDefault")] = 100 * _GWEI
    """Wei per gas: most room that a first attempt leaves for a rising base fee."""
    tip_cap_min: Annotated[_Wei, Field(alias="TipCapMin")] = 1
    """Wei per gas."""
    limit_max: Annotated[int, Strict(), Field(alias="LimitMax", ge=21_000, le=_MAX_GAS)] = 500_000
    """Most gas that a transaction may use."""


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """`[EVM.Transactions]`: how many, for how much a day, and where to."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    max_in_flight: Annotated[int, Strict(), Field(alias="MaxInFlight", ge=1, le=64)] = 16
    """Transactions of the account that no block holds yet; more are not begun."""
    daily_budget: _Wei | None = None
    """Wei that the account may spend in any 24 hours; `None`: no limit."""
    private_relay_url: _HttpUrl | None = field(default=None, repr=False)
    """Takes transactions in place of the endpoints; may hold an access key."""
    private_relay_blocks: Annotated[int, Strict(), Field(ge=0, le=10_000)] = 10
    """Blocks without inclusion before a transaction goes to the endpoints, too; 0: never."""


@dataclass(frozen=True, slots=True)
class BalanceMonitorSettings:
    """`[EVM.BalanceMonitor]`: when an account has too little."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    enabled: Annotated[_Flag, Field(alias="Enabled")] = True
    min_transmissions: Annotated[int, Strict(), Field(ge=1, le=1_000_000)] = 100
    """An account that cannot pay for so many at today's price raises the alarm."""


@dataclass(frozen=True, slots=True)
class RemoteSignerSettings:
    """`[EVM.remote_signer]`: a web3signer holds the account's key."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    url: Annotated[_HttpUrl, Field()] = field(repr=False)
    """May hold user and password."""
    address: _Address
    """20 bytes: the account, in place of the keystore's."""
    timeout: _Interval = _SIGNING
    """Longest wait for a signature."""


def _priced(gas: GasEstimatorSettings) -> GasEstimatorSettings:
    """Refuse offers above the cap."""
    if gas.tip_cap_default > gas.price_max:
        raise ValueSyntaxError("TipCapDefault is above PriceMax", "lower TipCapDefault or raise PriceMax")
    if gas.tip_cap_min > gas.price_max:
        raise ValueSyntaxError("TipCapMin is above PriceMax", "lower TipCapMin or raise PriceMax")
    return gas


def _positive(transactions: TransactionSettings) -> TransactionSettings:
    """Refuse a budget that allows nothing."""
    if transactions.daily_budget == 0:
        raise ValueSyntaxError(
            "a daily_budget of nothing", "remove it for no limit, or write what may be spent"
        )
    return transactions


Gas = Annotated[GasEstimatorSettings, AfterValidator(_priced), Field(alias="GasEstimator")]
Transactions = Annotated[TransactionSettings, AfterValidator(_positive), Field(alias="Transactions")]
BalanceMonitor = Annotated[BalanceMonitorSettings, Field(alias="BalanceMonitor")]
