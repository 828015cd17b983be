"""What a development chain starts from, and how a person writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address

from ocr_peer.errors import InputError

__all__ = ["DevnetOptions", "check_loopback", "parse_fund"]

WEI_PER_ETH = 10**18
MAX_ETH = 10**12
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class DevnetOptions:
    """The chain's parameters.

    Attributes:
        chain_id: EIP-155 chain id.
        accounts: what each 20-byte address owns at the start, in wei.
        block_gas_limit: gas per block.
        base_fee: the first block's base fee, in wei per gas.
        finality_depth: how many blocks `safe` and `finalized` stay behind the newest.
        automine: whether every transaction gets a block at once.
        legacy: a chain without a base fee, as before London: legacy and EIP-2930 transactions only.
        history: how many blocks back the state can be read and blocks be taken back.
        pool_limit: the most transactions that wait.
    """

    chain_id: int = 1337
    accounts: Mapping[bytes, int] = field(default_factory=dict)
    block_gas_limit: int = 30_000_000
    base_fee: int = 1_000_000_000
    finality_depth: int = 0
    automine: bool = False
    legacy: bool = False
    history: int = 128
    pool_limit: int = 4096


def parse_fund(text: str, name: str = "--fund") -> tuple[bytes, int]:
    """Read `0xaddress=ETH` into an address and wei; letters of the address are not checked as a checksum.

    Args:
        text: the address, `=`, and a decimal number of ether.
        name: where it was written, for the error.

    Raises:
        InputError: not of that form, or an amount that is negative, too fine or too large.
    """
    address, sign, amount = text.partition("=")
    if not sign:
        raise InputError(name, text, "no amount", "write 0xaddress=ETH, for example 0x…=100")
    try:
        ether = Decimal(amount)
    except InvalidOperation:
        raise InputError(name, text, "the amount is not a number", "write ether as in 100 or 0.5") from None
    if not ether.is_finite() or not 0 <= ether <= MAX_ETH:
        raise InputError(name, text, "the amount is out of bounds", f"write ether from 0 to {MAX_ETH}")
    wei = ether * WEI_PER_ETH
    if wei != int(wei):
        raise InputError(name, text, "the amount is finer than one wei", "write at most 18 decimals")
    if not ADDRESS.fullmatch(address):
        raise InputError(name, text, "not an address", "write 0x and 40 hex digits before the =")
    return bytes.fromhex(address[2:]), int(wei)


def check_loopback(host: str) -> None:
    """Refuse an address that other machines could reach: the chain takes requests from anyone.

    Raises:
        InputError: not `localhost` and not a loopback address.
    """
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InputError("host", host, "a development chain is for this machine only", "use 127.0.0.1")
