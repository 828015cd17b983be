"""Peer ids: the ed25519 public key of a node, in base58, as libp2p writes it (`12D3KooW…`)."""

from __future__ import annotations

from functools import lru_cache

import base58
from libp2p.crypto.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

from ocr_peer.errors import InputError

__all__ = ["PUBLIC_KEY_BYTES", "key_pair_of", "library_id", "peer_id_of", "public_key_of", "verify"]

PUBLIC_KEY_BYTES = 32
_SEED_BYTES = 32
_INLINE_ED25519 = bytes.fromhex("002408011220")
"""Multihash "identity", 36 bytes: protobuf field 1 (type) = Ed25519, field 2 (data), 32 bytes."""


def key_pair_of(seed: bytes) -> KeyPair:
    """The libp2p keys of a node.

    Raises:
        InputError: the seed is not 32 bytes.
    """
    if len(seed) != _SEED_BYTES:
        raise InputError("peer_seed", f"{len(seed)} bytes", "is not an ed25519 seed", "give 32 bytes")
    private_key = Ed25519PrivateKey.from_bytes(seed)
    return KeyPair(private_key, private_key.get_public_key())


def peer_id_of(public_key: bytes) -> str:
    """The peer id of an ed25519 public key of 32 bytes."""
    return base58.b58encode(_INLINE_ED25519 + public_key).decode()


def public_key_of(peer_id: str, *, field: str = "peer_id") -> bytes:
    """The ed25519 public key that a peer id spells out.

    Raises:
        InputError: `peer_id` is not base58 or does not hold an ed25519 key.
    """
    try:
        return _public_key_of(peer_id)
    except ValueError:
        raise InputError(
            field, peer_id, "is not the peer id of an ed25519 key", "copy it again: 12D3KooW…"
        ) from None


@lru_cache(maxsize=8192)
def _public_key_of(peer_id: str) -> bytes:
    raw = base58.b58decode(peer_id)
    if not raw.startswith(_INLINE_ED25519) or len(raw) != len(_INLINE_ED25519) + PUBLIC_KEY_BYTES:
        raise ValueError(peer_id)
    return raw[len(_INLINE_ED25519) :]


@lru_cache(maxsize=8192)
def library_id(peer_id: str) -> ID:
    """libp2p's own object for a valid peer id."""
    return ID(_INLINE_ED25519 + _public_key_of(peer_id))


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` is by `public_key`. Never raises."""
    try:
        return Ed25519PublicKey.from_bytes(public_key).verify(message, signature)
    except Exception:  # noqa: BLE001 - the binding has several error types for malformed input
        return False
