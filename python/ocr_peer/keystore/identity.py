"""What of a node's keys is public: what the committee's configuration lists, and ids for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["PublicIdentity", "peer_id_public_key", "peer_id_text"]

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PEER_ID_PREFIX = bytes.fromhex("002408011220")
"""Multihash "identity" of 36 bytes: protobuf of key type 1, ed25519, and 32 bytes of key (libp2p peer-ids)."""
_MAX_PEER_ID_CHARACTERS = 64
"""52 and no more in fact; a text that a foreign file calls a peer id may be of any length."""


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


def peer_id_public_key(text: str) -> bytes | None:
    """The ed25519 public key, 32 bytes, that a peer id spells out; `None` if the text is no such id."""
    if not 1 <= len(text) <= _MAX_PEER_ID_CHARACTERS or any(letter not in _BASE58 for letter in text):
        return None
    number = 0
    for letter in text:
        number = number * 58 + _BASE58.index(letter)
    length = len(_PEER_ID_PREFIX) + 32
    if number >> 8 * length:
        return None
    content = number.to_bytes(length)
    return content[len(_PEER_ID_PREFIX) :] if content.startswith(_PEER_ID_PREFIX) else None
