"""What of a node's keys is public: what the committee's configuration lists, and ids for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["PublicIdentity", "peer_id_text"]

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PEER_ID_PREFIX = bytes.fromhex("002408011220")
"""Multihash "identity" of 36 bytes: protobuf of key type 1, ed25519, and 32 bytes of key (libp2p peer-ids)."""


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The public halves of a node's five keys."""

    peer_id: str
    """`12D3KooW…`."""
    offchain_public_key: bytes
    """ed25519, 32 bytes: observations are signed with it."""
    config_encryption_public_key: bytes
    """x25519, 32 bytes: the committee's shared secret is encrypted to it."""
    onchain_signing_address: bytes
    """20 bytes: the contract lists it among `signers`."""
    transmitter_address: bytes
    """20 bytes: the contract lists it among `transmitters`; it needs ether for gas."""

    @property
    def ocr_key_bundle_id(self) -> str:
        """`ocrKeyBundleID` of job files: SHA-256 of the bundle's public parts in hex.

        The off-chain key, the config encryption key and the on-chain address, in this order. (A Chainlink
        node hashes the bundle's private serialisation; the id is local to a node either way.)
        """
        parts = (self.offchain_public_key, self.config_encryption_public_key, self.onchain_signing_address)
        return hashlib.sha256(b"".join(parts)).hexdigest()


def peer_id_text(public_key: bytes) -> str:
    """The libp2p peer id of an ed25519 public key of 32 bytes, in base58."""
    content = _PEER_ID_PREFIX + public_key
    number = int.from_bytes(content)
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    leading_zeros = len(content) - len(content.lstrip(b"\0"))
    return "1" * leading_zeros + digits
