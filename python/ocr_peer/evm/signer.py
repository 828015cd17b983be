"""Signing of transactions. A signer that keeps its key elsewhere implements the same protocol."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Protocol

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.fees import Fees, LegacyFees

__all__ = ["LocalSigner", "TransactionSigner", "UnsignedTransaction", "transaction_hash"]


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """A transaction before its signature; its fees decide its type. No value, no access list."""

    chain_id: int
    nonce: int
    to: bytes | None
    """20 bytes; `None` creates a contract."""
    data: bytes
    gas_limit: int
    fees: Fees
    """EIP-1559's make it one of type 2, one price an EIP-155 one of type 0."""


class TransactionSigner(Protocol):
    """Holds the key of one account."""

    @property
    def address(self) -> bytes:
        """20 bytes: the account."""
        ...

    async def sign(self, transaction: UnsignedTransaction) -> bytes:
        """The signed transaction as `eth_sendRawTransaction` takes it; raises `OperatingError`."""
        ...


class LocalSigner:
    """Signs with a key in memory.

    The first one made imports eth-account, which takes up to a second: make it before serving anything.

    Args:
        key: secp256k1 secret key, 32 bytes.

    Raises:
        InputError: not a key; its value is not shown.
    """

    def __init__(self, key: bytes) -> None:
        try:
            self._account: Any = _account_factory().from_key(key)
        except (ValueError, TypeError):
            raise InputError(
                "transmitter key", "(hidden)", "not a secp256k1 secret key", "give 32 bytes"
            ) from None
        self._address = bytes.fromhex(self._account.address[2:])

    def __repr__(self) -> str:
        return f"LocalSigner({checksum_address(self._address)})"

    @property
    def address(self) -> bytes:
        """20 bytes: the account."""
        return self._address

    async def sign(self, transaction: UnsignedTransaction) -> bytes:
        """The signed transaction; takes less than a millisecond, so it runs inline."""
        fields: dict[str, object] = {
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "value": 0,
            "data": transaction.data,
            "gas": transaction.gas_limit,
        }
        if isinstance(transaction.fees, LegacyFees):
            fields["gasPrice"] = transaction.fees.gas_price
        else:
            fields["type"] = 2
            fields["maxFeePerGas"] = transaction.fees.max_fee_per_gas
            fields["maxPriorityFeePerGas"] = transaction.fees.max_priority_fee_per_gas
        if transaction.to is not None:
            fields["to"] = checksum_address(transaction.to)
        return bytes(self._account.sign_transaction(fields).raw_transaction)


def _account_factory() -> Any:
    """eth-account's `Account`.

    Its import sets the process-wide recursion limit to 100,000 (in py-ecc), at which deeply nested JSON
    overflows the C stack and kills the process instead of raising `RecursionError`; so the limit is put back.
    """
    limit = sys.getrecursionlimit()
    try:
        from eth_account import Account  # noqa: PLC0415 - takes long, see `LocalSigner`
    finally:
        sys.setrecursionlimit(limit)
    return Account


def transaction_hash(raw: bytes) -> bytes:
    """The hash that names a signed transaction, 32 bytes."""
    return crypto.keccak256(raw)
