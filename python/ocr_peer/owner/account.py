"""Where the key of the owner's account comes from: a private file or a variable, never the command line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ocr_peer.errors import InputError
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.keystore import generate_keyring
from ocr_peer.keystore.container import MalformedContainerError, WrongPasswordError, decrypt
from ocr_peer.keystore.password import read_password
from ocr_peer.keystore.private_file import read_private, write_private
from ocr_peer.nesting import json_depth

__all__ = ["KEY_VARIABLE", "PASSWORD_VARIABLE", "create_key_file", "owner_signer"]

KEY_VARIABLE: Final = "OCR_PEER_OWNER_KEY"
PASSWORD_VARIABLE: Final = "OCR_PEER_OWNER_PASSWORD"  # noqa: S105 - a name
_MAX_DEPTH: Final = 8
_HEX_KEY: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_FIX: Final = "give 64 hex digits, or an Ethereum keystore file"


def owner_signer(
    key_file: Path | None, password_file: Path | None, environment: Mapping[str, str] | None = None
) -> LocalSigner:
    """The account that signs the owner's transactions.

    Args:
        key_file: an Ethereum keystore file (version 3), or a file with the secret key in hex; only its owner
            may read it. `None` takes the variable `OCR_PEER_OWNER_KEY`.
        password_file: of a keystore file; `None` takes the variable `OCR_PEER_OWNER_PASSWORD`.
        environment: variables to look in; `None` takes those of this process.

    Raises:
        InputError: there is no key, it cannot be read, or it is none. Neither key nor password is shown.
    """
    variables = os.environ if environment is None else environment
    if key_file is None:
        text = variables.get(KEY_VARIABLE)
        if not text:
            fix = f"add --key-file FILE, or set the variable {KEY_VARIABLE}"
            raise InputError("--key-file", None, "no key of the owner's account", fix)
        return _signer(text, KEY_VARIABLE, "(hidden)")
    content = read_private(key_file, "--key-file", "name the file with the key of the owner's account")
    if not content.lstrip().startswith(b"{"):
        return _signer(content.decode("ascii", "replace"), "--key-file", str(key_file))
    secret = _decrypted(content, key_file, _password(password_file, variables))
    return _signer(secret.hex(), "--key-file", str(key_file))


def create_key_file(path: Path) -> None:
    """Write a new secret key to a file that only its owner may read.

    Raises:
        InputError: the file exists, or its folder does not.
        OperatingError: the disk refuses.
    """
    if path.exists():
        raise InputError("--key-file", str(path), "exists already", "keep it: keys are never overwritten")
    if not path.absolute().parent.is_dir():
        raise InputError("--key-file", str(path), "its folder does not exist", "create it first")
    write_private(path, generate_keyring().transmitter_secret.hex().encode() + b"\n")


def _signer(text: str, field: str, shown: str) -> LocalSigner:
    match = _HEX_KEY.fullmatch(text.strip())
    if match is None:
        raise InputError(field, shown, "no secret key", _FIX)
    try:
        return LocalSigner(bytes.fromhex(match[1]))
    except InputError:
        raise InputError(field, shown, "not a secret key of secp256k1", _FIX) from None


def _password(password_file: Path | None, variables: Mapping[str, str]) -> str:
    password = variables.get(PASSWORD_VARIABLE)
    if password_file is not None:
        return read_password(password_file, {})
    if not password:
        fix = f"add --password-file FILE, or set the variable {PASSWORD_VARIABLE}"
        raise InputError("--password-file", None, "the key file is encrypted", fix)
    return password


def _decrypted(content: bytes, key_file: Path, password: str) -> bytes:
    field, shown = "--key-file", str(key_file)
    try:
        document = json.loads(content) if json_depth(content) <= _MAX_DEPTH else None
    except ValueError:
        document = None
    table = {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}
    container = table.get("crypto")
    if table.get("version") != 3 or not isinstance(container, dict):
        raise InputError(field, shown, "no Ethereum keystore file of version 3", _FIX)
    try:
        return decrypt(container, password)
    except WrongPasswordError:
        fix = f"mend --password-file or the variable {PASSWORD_VARIABLE}"
        raise InputError(field, shown, "the password does not fit", fix) from None
    except MalformedContainerError as error:
        raise InputError(field, shown, f"damaged: {error}", "restore it from your backup") from None
