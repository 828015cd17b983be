"""The five keys of a node, as files and in memory.

Key derivation is slow by intent and its memory is large, so two files are decrypted at a time, in threads.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import trio

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.keystore.container import KDF_COST, WrongPasswordError, decrypt, encrypt
from ocr_peer.keystore.identity import PublicIdentity, peer_id_text
from ocr_peer.keystore.password import PASSWORD_VARIABLE
from ocr_peer.keystore.private_file import (
    check_private_directory,
    create_private_directory,
    read_private,
    write_private,
)

__all__ = [
    "KeyFile",
    "Keyring",
    "create_keyring",
    "generate_keyring",
    "list_key_files",
    "load_keyring",
    "public_identity",
    "read_public_identity",
    "save_keyring",
    "unlock_keyring",
]

_FIELD = "keystore.directory"
_MISSING_FIX = "run `ocr-peer init` to create the keys, or set directory under [keystore]"
_DERIVATIONS_AT_ONCE = 2
"""Each takes 256 MiB at the standard cost: two fit a small machine."""

_SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secrets of one node, 32 bytes each. They stay out of `repr`."""

    peer_seed: bytes
    """ed25519: the node's name in the peer-to-peer network."""
    offchain_seed: bytes
    """ed25519: signs observations."""
    config_encryption_secret: bytes
    """x25519: decrypts the committee's shared secret."""
    onchain_secret: bytes
    """secp256k1: signs reports."""
    transmitter_secret: bytes
    """secp256k1: signs transactions and pays for them."""

    def __repr__(self) -> str:
        return "Keyring(…)"


@dataclass(frozen=True, slots=True)
class _Role:
    """How one key lies in its file."""

    attribute: str
    file_name: str
    type: str | None
    """`None`: an Ethereum keystore V3 file, whose public part is an address."""
    public_part: Callable[[bytes], bytes]

    @property
    def public_name(self) -> str:
        return "address" if self.type is None else "public_key"

    @property
    def public_bytes(self) -> int:
        return 20 if self.type is None else 32


_ROLES = (
    _Role("peer_seed", "p2p.json", "ocr-peer/p2p", crypto.ed25519_public_key),
    _Role("offchain_seed", "ocr2_offchain.json", "ocr-peer/ocr2-offchain", crypto.ed25519_public_key),
    _Role("config_encryption_secret", "ocr2_config.json", "ocr-peer/ocr2-config", crypto.x25519_public_key),
    _Role("onchain_secret", "ocr2_onchain.json", None, crypto.secp256k1_address),
    _Role("transmitter_secret", "transmitter.json", None, crypto.secp256k1_address),
)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One file of a keystore, as it can be seen without the password."""

    path: Path
    type: str
    """`ocr-peer/…`, or `ethereum` for a keystore V3 file."""
    public_part: bytes
    """ed25519 or x25519 public key of 32 bytes, or address of 20, as the file says."""


def generate_keyring() -> Keyring:
    """New random keys, nowhere but in memory."""
    return Keyring(*(secrets.token_bytes(32) for _ in range(3)), *(_secp256k1_secret() for _ in range(2)))


def create_keyring(directory: Path, password: str, *, kdf_n: int = KDF_COST["standard"]) -> Keyring:
    """Generate keys and save them; see `save_keyring`."""
    keyring = generate_keyring()
    save_keyring(keyring, directory, password, kdf_n=kdf_n)
    return keyring


def save_keyring(
    keyring: Keyring, directory: Path, password: str, *, kdf_n: int = KDF_COST["standard"]
) -> None:
    """Write the five files, all or none of them unless the machine dies in between.

    Args:
        keyring: the keys.
        directory: created with mode 0700 if need be; must not hold any of the files.
        password: encrypts all of them.
        kdf_n: scrypt's cost, one of `KDF_COST`'s values.

    Raises:
        InputError: there are keys already, or the folder cannot be used.
        OperatingError: the disk refuses.
    """
    create_private_directory(directory, _FIELD)
    for role in _ROLES:
        if (directory / role.file_name).exists():
            fix = "keep these keys, or name another folder: keys are never overwritten"
            raise InputError(_FIELD, str(directory), f"it holds {role.file_name} already", fix)
    with ThreadPoolExecutor(_DERIVATIONS_AT_ONCE) as pool:
        documents = list(pool.map(lambda role: _document(role, keyring, password, kdf_n), _ROLES))
    with contextlib.ExitStack() as undo:
        for role, document in zip(_ROLES, documents, strict=True):
            path = directory / role.file_name
            undo.callback(path.unlink, missing_ok=True)
            write_private(path, json.dumps(document, indent=2).encode() + b"\n")
        undo.pop_all()


def load_keyring(directory: Path, password: str) -> Keyring:
    """Read and decrypt the five files. Blocks for seconds; on trio, use `unlock_keyring`.

    Raises:
        InputError: a file is missing, readable by others, damaged, of another role, or encrypted with
            another password. The message names the file and the fix.
    """
    check_private_directory(directory, _FIELD, _MISSING_FIX)
    documents = [_read_document(directory, role) for role in _ROLES]
    with ThreadPoolExecutor(_DERIVATIONS_AT_ONCE) as pool:
        secret_parts = pool.map(
            lambda role, document: _secret(directory / role.file_name, role, document, password),
            _ROLES,
            documents,
        )
        return Keyring(*secret_parts)


async def unlock_keyring(directory: Path, password: str) -> Keyring:
    """`load_keyring` in a thread."""
    return await trio.to_thread.run_sync(load_keyring, directory, password)


def list_key_files(directory: Path) -> list[KeyFile]:
    """The five files and what they say of themselves, without the password.

    Raises:
        InputError: a file is missing, readable by others or damaged.
    """
    check_private_directory(directory, _FIELD, _MISSING_FIX)
    files = []
    for role in _ROLES:
        path = directory / role.file_name
        public_part = _public_part(path, role, _read_document(directory, role))
        if public_part is None:
            fix = 'add it as "address": "…"'
            raise InputError(str(path), None, "no address", fix)
        files.append(KeyFile(path, role.type or "ethereum", public_part))
    return files


def public_identity(keyring: Keyring) -> PublicIdentity:
    """The public halves of the keys."""
    return PublicIdentity(
        peer_id=peer_id_text(crypto.ed25519_public_key(keyring.peer_seed)),
        offchain_public_key=crypto.ed25519_public_key(keyring.offchain_seed),
        config_encryption_public_key=crypto.x25519_public_key(keyring.config_encryption_secret),
        onchain_signing_address=crypto.secp256k1_address(keyring.onchain_secret),
        transmitter_address=crypto.secp256k1_address(keyring.transmitter_secret),
    )


def read_public_identity(directory: Path) -> PublicIdentity:
    """The public parts as the files say, without the password. Raises like `list_key_files`."""
    peer, offchain, config, onchain, transmitter = (file.public_part for file in list_key_files(directory))
    return PublicIdentity(peer_id_text(peer), offchain, config, onchain, transmitter)


def _document(role: _Role, keyring: Keyring, password: str, n: int) -> dict[str, object]:
    secret: bytes = getattr(keyring, role.attribute)
    own_type = {} if role.type is None else {"type": role.type}
    return {
        **own_type,
        role.public_name: role.public_part(secret).hex(),
        "crypto": encrypt(secret, password, n),
        "id": str(uuid.uuid4()),
        "version": 3,
    }


def _read_document(directory: Path, role: _Role) -> Mapping[str, object]:
    path = directory / role.file_name
    content = read_private(path, "key file", "restore it from your backup, or set directory under [keystore]")
    try:
        parsed = json.loads(content)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise _damaged(path, "not a JSON object")
    document = {key.lower(): value for key, value in parsed.items()}  # old geth files say "Crypto"
    if document.get("version") != 3:
        raise _damaged(path, "not a version 3 key file")
    if document.get("type") != role.type:
        problem = (
            f"it holds {document.get('type') or 'an Ethereum key'}, not {role.type or 'an Ethereum key'}"
        )
        raise InputError("key file", str(path), problem, "put the right key there")
    return document


def _secret(path: Path, role: _Role, document: Mapping[str, object], password: str) -> bytes:
    container = document.get("crypto")
    if not isinstance(container, dict):
        raise _damaged(path, 'no "crypto" object')
    try:
        secret = decrypt(container, password)
        derived = role.public_part(secret)
    except WrongPasswordError:
        fix = f"mend password_file under [keystore], or the variable {PASSWORD_VARIABLE}"
        raise InputError("key file", str(path), "the password does not fit", fix) from None
    except ValueError as error:  # malformed, or no secp256k1 key
        raise _damaged(path, str(error)) from None
    stated = _public_part(path, role, document)
    if stated is not None and stated != derived:
        raise _damaged(path, f"{role.public_name} belongs to another key")
    return secret


def _public_part(path: Path, role: _Role, document: Mapping[str, object]) -> bytes | None:
    """What the file says; Ethereum's may leave its address out."""
    text = document.get(role.public_name)
    if text is None and role.type is None:
        return None
    try:
        stated = bytes.fromhex(text.removeprefix("0x")) if isinstance(text, str) else b""
    except ValueError:
        stated = b""
    if len(stated) != role.public_bytes:
        raise _damaged(path, f"{role.public_name} is not {role.public_bytes} bytes in hex")
    return stated


def _damaged(path: Path, problem: str) -> InputError:
    return InputError("key file", str(path), f"damaged: {problem}", "restore it from your backup")


def _secp256k1_secret() -> bytes:
    return (secrets.randbelow(_SECP256K1_ORDER - 1) + 1).to_bytes(32)
