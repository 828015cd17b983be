"""Signing by a web3signer: the account's key never enters this process.

Of its two interfaces this is the REST one (`openapi-specs/eth1/web3signer.yaml`): `GET
/api/v1/eth1/publicKeys` lists the keys, `POST /api/v1/eth1/sign/{key}` with `{"data": "0x…"}` answers with the
signature over keccak256 of the data, 65 bytes r ‖ s ‖ v with v = 27 or 28. So the transaction is composed
here, and what comes back can be checked before it is used: a signature of another key or of other data is
refused, whatever the server intended.
"""

from __future__ import annotations

import json
from contextlib import aclosing, suppress
from typing import Final, cast

import httpx
import rlp
import trio

from ocr_peer import crypto
from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.fees import LegacyFees
from ocr_peer.evm.rpc import redacted
from ocr_peer.evm.signer import UnsignedTransaction
from ocr_peer.nesting import json_depth

__all__ = ["RemoteSigner", "connect_signer"]

_KEYS_PATH: Final = "/api/v1/eth1/publicKeys"
_SIGN_PATH: Final = "/api/v1/eth1/sign/"
_MAX_KEYS_BYTES: Final = 4 << 20
"""Some thirty thousand keys."""
_MAX_SIGNATURE_BYTES: Final = 4096
_MAX_DEPTH: Final = 8
"""The list nests one deep."""

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1's group (SEC 2)."""


class RemoteSigner:
    """One account of a web3signer; made by `connect_signer`."""

    def __init__(
        self, url: str, address: bytes, identifier: str, *, client: httpx.AsyncClient, timeout_s: float
    ) -> None:
        self._url = url
        self._address = address
        self._identifier = identifier
        self._client = client
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"RemoteSigner({redacted(self._url)}, {checksum_address(self._address)})"

    @property
    def address(self) -> bytes:
        """20 bytes: the account."""
        return self._address

    async def sign(self, transaction: UnsignedTransaction) -> bytes:
        """The signed transaction.

        Raises:
            OperatingError: the signer does not answer in time, refuses, or its signature is not the account's.
        """
        payload = _payload(transaction)
        answer = await _exchange(
            self._client,
            httpx.Request(
                "POST",
                self._url.rstrip("/") + _SIGN_PATH + self._identifier,
                json={"data": "0x" + payload.hex()},
            ),
            timeout_s=self._timeout_s,
            most_bytes=_MAX_SIGNATURE_BYTES,
        )
        signature = _signature(answer)
        if crypto.recover_address(crypto.keccak256(payload), signature) != self._address:
            raise OperatingError(
                f"remote signer {redacted(self._url)} answered with a signature that is not "
                f"{checksum_address(self._address)}'s of this transaction"
            )
        return _signed(transaction, signature)


async def connect_signer(
    url: str, address: bytes, *, client: httpx.AsyncClient, timeout_s: float = 5.0
) -> RemoteSigner:
    """The signer of an account, once the server has listed its key.

    Args:
        url: of the web3signer; user and password may stand in it.
        address: 20 bytes, the account.
        client: the HTTP client; the caller closes it.
        timeout_s: most seconds that one request may take.

    Raises:
        InputError: the server does not answer, is no web3signer, or does not hold the account's key.
    """
    shown = redacted(url)
    try:
        answer = await _exchange(
            client,
            httpx.Request("GET", url.rstrip("/") + _KEYS_PATH),
            timeout_s=timeout_s,
            most_bytes=_MAX_KEYS_BYTES,
        )
    except OperatingError as failure:
        fix = "check the address, and that web3signer runs in eth1 mode"
        raise InputError("remote_signer.url", shown, str(failure), fix) from None
    listed = None
    # Measured first: deep nesting overflows the C stack where the recursion limit was raised (see `LocalSigner`).
    if json_depth(answer) <= _MAX_DEPTH:
        with suppress(ValueError):
            listed = json.loads(answer)
    if not isinstance(listed, list):
        raise InputError(
            "remote_signer.url", shown, "it lists no public keys", "give the address of a web3signer"
        )
    for item in listed:
        if isinstance(item, str) and _address_of(item) == address:
            return RemoteSigner(url, address, item, client=client, timeout_s=timeout_s)
    raise InputError(
        "remote_signer.url",
        shown,
        f"it holds {len(listed)} keys, none of {checksum_address(address)}",
        "load the key there, or name another account",
    )


async def _exchange(
    client: httpx.AsyncClient, request: httpx.Request, *, timeout_s: float, most_bytes: int
) -> bytes:
    """The body of a good answer; whatever else happens is an `OperatingError` without secrets."""
    shown = redacted(str(request.url).split("/api/", maxsplit=1)[0])
    request.headers["accept-encoding"] = "identity"  # so that a bound on what arrives bounds what is read
    body, too_long = bytearray(), False
    try:
        with trio.fail_after(timeout_s):
            # Redirects are not followed: they would take the request to a server that nobody named.
            response = await client.send(request, stream=True, follow_redirects=False)
            async with aclosing(response):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > most_bytes and not too_long:
                        too_long = True
                        # Not a `break`: httpx's iterators, left half way, would be closed outside of this task.
                        await response.aclose()
    except trio.TooSlowError:
        raise OperatingError(f"remote signer {shown}: no answer within {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        if not too_long:
            raise OperatingError(f"remote signer {shown}: {type(error).__name__}") from None
    if too_long:
        raise OperatingError(f"remote signer {shown}: its answer is too long")
    if response.status_code == 404:
        raise OperatingError(f"remote signer {shown}: HTTP 404, it does not know the key")
    if response.status_code != 200:
        raise OperatingError(f"remote signer {shown}: HTTP {response.status_code}")
    return bytes(body)


def _signature(answer: bytes) -> bytes:
    """R ‖ s ‖ parity with s in its lower half, as EIP-2 wants it; `b""` if the answer is no signature."""
    text = answer.strip().strip(b'"').removeprefix(b"0x")
    try:
        signature = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""
    if len(signature) != 65 or signature[64] not in {0, 1, 27, 28}:
        return b""
    # Some signers that speak this interface write v as 0 or 1, and some hardware makes the upper s.
    parity, s = signature[64] % 27, int.from_bytes(signature[32:64], "big")
    if _ORDER // 2 < s < _ORDER:
        parity, s = 1 - parity, _ORDER - s
    return signature[:32] + s.to_bytes(32, "big") + bytes([parity])


def _address_of(listed: str) -> bytes | None:
    """The account of a listed public key: 64 bytes, or 65 of which the first is 4."""
    try:
        key = bytes.fromhex(listed.removeprefix("0x"))
    except ValueError:
        return None
    if len(key) == 65 and key[0] == 4:
        key = key[1:]
    return crypto.keccak256(key)[12:] if len(key) == 64 else None


def _payload(transaction: UnsignedTransaction) -> bytes:
    """What is signed: EIP-155 for legacy fees, EIP-1559 otherwise."""
    fees, to = transaction.fees, transaction.to or b""
    if isinstance(fees, LegacyFees):
        return _rlp([*_legacy(transaction), transaction.chain_id, 0, 0])
    offers = [fees.max_priority_fee_per_gas, fees.max_fee_per_gas]
    head = [transaction.chain_id, transaction.nonce, *offers]
    return b"\x02" + _rlp([*head, transaction.gas_limit, to, 0, transaction.data, []])


def _signed(transaction: UnsignedTransaction, signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    parity = signature[64]
    fees, to = transaction.fees, transaction.to or b""
    if isinstance(fees, LegacyFees):
        return _rlp([*_legacy(transaction), 35 + 2 * transaction.chain_id + parity, r, s])
    offers = [fees.max_priority_fee_per_gas, fees.max_fee_per_gas]
    head = [transaction.chain_id, transaction.nonce, *offers]
    return b"\x02" + _rlp([*head, transaction.gas_limit, to, 0, transaction.data, [], parity, r, s])


def _legacy(transaction: UnsignedTransaction) -> list[int | bytes]:
    price = transaction.fees.most
    return [transaction.nonce, price, transaction.gas_limit, transaction.to or b"", 0, transaction.data]


def _rlp(fields: list[object]) -> bytes:
    plain = [
        field.to_bytes((field.bit_length() + 7) // 8, "big") if isinstance(field, int) else field
        for field in fields
    ]
    return cast("bytes", rlp.encode(plain))
