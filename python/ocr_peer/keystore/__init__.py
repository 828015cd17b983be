"""The encrypted keys of one node, one file for each role, and what of them is public.

secp256k1 keys lie in Ethereum keystore V3 files that geth and other tools read and write. ed25519 and
x25519 keys use the same container with a `type` of our own. `docs/node.md` describes the files.
"""

from __future__ import annotations

from ocr_peer.keystore.container import KDF_COST
from ocr_peer.keystore.identity import PublicIdentity, peer_id_public_key, peer_id_text
from ocr_peer.keystore.keyring import (
    KeyFile,
    Keyring,
    create_keyring,
    generate_keyring,
    list_key_files,
    load_keyring,
    public_identity,
    read_public_identity,
    save_keyring,
    unlock_keyring,
)
from ocr_peer.keystore.password import PASSWORD_VARIABLE, create_password_file, read_password

__all__ = [
    "KDF_COST",
    "PASSWORD_VARIABLE",
    "KeyFile",
    "Keyring",
    "PublicIdentity",
    "create_keyring",
    "create_password_file",
    "generate_keyring",
    "list_key_files",
    "load_keyring",
    "peer_id_public_key",
    "peer_id_text",
    "public_identity",
    "read_password",
    "read_public_identity",
    "save_keyring",
    "unlock_keyring",
]
