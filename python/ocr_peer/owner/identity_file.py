"""A node's public keys as a signed file, for whoever configures a committee (docs/identity.md).

Every signature is over the same text, which holds every key: so each key vouches for all of them, and none
can be taken out of one file and put into another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.keystore import Keyring, PublicIdentity, public_identity

__all__ = [
    "FORMAT",
    "MAX_NAME_CHARACTERS",
    "TIME_FORMAT",
    "VERSION",
    "IdentityFile",
    "IdentitySignatures",
    "check_name",
    "ethereum_message_hash",
    "sign_identity",
    "signed_text",
]

FORMAT: Final = "ocr-peer/identity"
VERSION: Final = 1
MAX_NAME_CHARACTERS: Final = 64
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class IdentitySignatures:
    """Over `signed_text`; the field names are those of the file."""

    peer: bytes
    """ed25519, 64 bytes, by the key that the peer id spells out."""
    offchain: bytes
    """ed25519, 64 bytes."""
    onchain: bytes
    """secp256k1, 65 bytes r ‖ s ‖ v, over `ethereum_message_hash` of the text."""
    transmitter: bytes | None
    """The same; `None` where a remote signer holds the key and signs nothing but transactions."""


@dataclass(frozen=True, slots=True)
class IdentityFile:
    """The content of one file; who reads it has verified the signatures (`read_identity_file`)."""

    identity: PublicIdentity
    name: str | None
    """For people; nothing goes by it."""
    created_at: datetime
    """UTC, whole seconds."""
    signatures: IdentitySignatures

    def encode(self) -> bytes:
        """The file: JSON, one key a line."""
        identity, signatures = self.identity, self.signatures
        document: dict[str, object] = {"format": FORMAT, "version": VERSION}
        if self.name is not None:
            document["name"] = self.name
        document |= {
            "created_at": self.created_at.strftime(TIME_FORMAT),
            "peer_id": identity.peer_id,
            "offchain_public_key": _hex(identity.offchain_public_key),
            "config_encryption_public_key": _hex(identity.config_encryption_public_key),
            "onchain_signing_address": checksum_address(identity.onchain_signing_address),
            "transmitter_address": checksum_address(identity.transmitter_address),
        }
        signed = {
            "peer": signatures.peer,
            "offchain": signatures.offchain,
            "onchain": signatures.onchain,
            "transmitter": signatures.transmitter,
        }
        document["signatures"] = {key: _hex(value) for key, value in signed.items() if value is not None}
        return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def signed_text(identity: PublicIdentity, name: str | None, created_at: datetime) -> bytes:
    """What all keys sign, in UTF-8.

    It is longer than 128 bytes and begins with a word that no other message of these keys begins with: an
    observation is signed as a hash of 32 bytes, an address record after a line of its own, Noise and gossip
    messages of libp2p after `noise-libp2p-static-key:` and `libp2p-pubsub:`.
    """
    lines = (
        f"{FORMAT} {VERSION}",
        "The keys below belong to one oracle. This text is no transaction, no report and no observation.",
        f"name: {name or ''}",
        f"created at: {created_at.strftime(TIME_FORMAT)}",
        f"peer id: {identity.peer_id}",
        f"off-chain public key: {_hex(identity.offchain_public_key)}",
        f"config encryption public key: {_hex(identity.config_encryption_public_key)}",
        f"on-chain signing address: {checksum_address(identity.onchain_signing_address)}",
        f"transmitter address: {checksum_address(identity.transmitter_address)}",
    )
    return "\n".join(lines).encode()


def ethereum_message_hash(text: bytes) -> bytes:
    r"""What the two secp256k1 keys sign of the text: its hash as a signed message of Ethereum (EIP-191, 0x45).

    The byte 0x19 in front is the type of no transaction. A report is hashed from exactly 128 bytes, a packed
    one from a configuration digest on (0x0001 in front); this is hashed from more bytes than that, and from
    `\x19Ethereum Signed Message:` on.
    """
    return crypto.keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)


def sign_identity(
    keyring: Keyring,
    *,
    name: str | None = None,
    created_at: datetime | None = None,
    remote_transmitter: bytes | None = None,
) -> IdentityFile:
    """State and sign what a keyring's public parts are.

    Args:
        keyring: the secrets; none of them gets into the file.
        name: for people.
        created_at: `None` takes the time of now.
        remote_transmitter: account of 20 bytes that pays for transactions instead of the keyring's, its key
            with a remote signer; the file then lacks a signature of it.

    Raises:
        InputError: the name cannot be shown on one line.
    """
    if name is not None:
        check_name(name, "--name")
    created_at = (created_at or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    own = public_identity(keyring)
    identity = PublicIdentity(
        peer_id=own.peer_id,
        offchain_public_key=own.offchain_public_key,
        config_encryption_public_key=own.config_encryption_public_key,
        onchain_signing_address=own.onchain_signing_address,
        transmitter_address=remote_transmitter or own.transmitter_address,
    )
    text = signed_text(identity, name, created_at)
    digest = ethereum_message_hash(text)
    signs_itself = identity.transmitter_address == own.transmitter_address
    signatures = IdentitySignatures(
        peer=crypto.ed25519_sign(keyring.peer_seed, text),
        offchain=crypto.ed25519_sign(keyring.offchain_seed, text),
        onchain=crypto.secp256k1_sign(keyring.onchain_secret, digest),
        transmitter=crypto.secp256k1_sign(keyring.transmitter_secret, digest) if signs_itself else None,
    )
    return IdentityFile(identity, name, created_at, signatures)


def check_name(name: str, field: str) -> None:
    """Refuse a name that could not be shown, or would hide something; raises `InputError`."""
    # Not printable are control characters, line breaks and those that turn the direction of writing.
    if not name or len(name) > MAX_NAME_CHARACTERS or not name.isprintable() or name != name.strip():
        raise InputError(
            field,
            name.encode("unicode_escape").decode(),
            f"not 1 to {MAX_NAME_CHARACTERS} printable characters",
            "write a short name without spaces at its ends",
        )


def _hex(octets: bytes) -> str:
    return f"0x{octets.hex()}"
