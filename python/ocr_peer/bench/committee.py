"""A committee with a signed request, the input that every measured step gets."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ocr_peer import crypto

__all__ = ["EPOCH", "ROUND", "Item", "Request", "make_request", "packed_prices"]

Item = tuple[bytes, bytes, int]
"""Observation, signature, observer."""

EPOCH = 7
ROUND = 3
_DIGEST = b"\x00\x01" + bytes(range(30))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a leader sends and what the followers have to answer it."""

    digest: bytes
    f: int
    public_keys: list[bytes]
    secrets: list[bytes]
    committee: crypto.Committee
    signer: crypto.OnchainSigner
    items: list[Item]

    def preimages(self) -> list[bytes]:
        """What is hashed before it is signed, for each observation."""
        head = self.digest + struct.pack(">IBQ", EPOCH, ROUND, 0)
        return [head + struct.pack(">Q", len(body)) + body for body, _, _ in self.items]


def make_request(n: int) -> Request:
    """A committee of `n` (at most 31) whose oracles all observed."""
    secrets = [bytes([index + 1]) * 32 for index in range(n)]
    public_keys = [crypto.ed25519_public_key(secret) for secret in secrets]
    addresses = [crypto.secp256k1_address(secret) for secret in secrets]
    f = (n - 1) // 3
    items = []
    for observer, (secret, price) in enumerate(zip(secrets, packed_prices(n), strict=True)):
        juels = (observer + 1).to_bytes(24, "big")
        body = crypto.encode_observation(1_700_000_000 + observer, price, juels)
        signature = crypto.OffchainSigner(secret).sign_observation(_DIGEST, EPOCH, ROUND, b"", body)
        items.append((body, signature, observer))
    return Request(
        digest=_DIGEST,
        f=f,
        public_keys=public_keys,
        secrets=secrets,
        committee=crypto.Committee(_DIGEST, f, public_keys, addresses),
        signer=crypto.OnchainSigner(secrets[0]),
        items=items,
    )


def packed_prices(count: int) -> list[bytes]:
    """Distinct int192 in no order, some of them negative."""
    values = [(index * 7919) % (count + 1) * 10**10 - 10**11 for index in range(count)]
    return [value.to_bytes(24, "big", signed=True) for value in values]
