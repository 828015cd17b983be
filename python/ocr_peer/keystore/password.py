"""Where the keystore's password comes from: the environment or a private file, never the command line."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ocr_peer.errors import InputError
from ocr_peer.keystore.private_file import create_private_directory, read_private, write_private

__all__ = ["PASSWORD_VARIABLE", "create_password_file", "read_password"]

PASSWORD_VARIABLE = "OCR_PEER_KEYSTORE_PASSWORD"  # noqa: S105 - a name
_FIELD = "keystore.password_file"


def read_password(password_file: Path | None, environment: Mapping[str, str] | None = None) -> str:
    """The password: the variable `OCR_PEER_KEYSTORE_PASSWORD`, or else the first line of the file.

    Args:
        password_file: may be `None` if the variable is set.
        environment: variables to look in; `None` takes those of this process.

    Raises:
        InputError: there is none, or the file is missing, empty, no text or readable by others.
    """
    from_variable = (os.environ if environment is None else environment).get(PASSWORD_VARIABLE)
    if from_variable:
        return from_variable
    if password_file is None:
        fix = f"set password_file under [keystore], or the variable {PASSWORD_VARIABLE}"
        raise InputError(_FIELD, None, "no password for the keys", fix)
    content = read_private(password_file, _FIELD, f"create it, or set the variable {PASSWORD_VARIABLE}")
    try:
        password = content.decode().split("\n", 1)[0].removesuffix("\r")
    except UnicodeDecodeError:
        raise InputError(_FIELD, str(password_file), "not UTF-8 text", "write the password as text") from None
    if not password:
        raise InputError(_FIELD, str(password_file), "its first line is empty", "write the password there")
    return password


def create_password_file(path: Path) -> str:
    """Write a new random password of 256 bits to a private file and return it.

    Raises:
        InputError: the file exists.
        OperatingError: it cannot be written.
    """
    if path.exists():
        fix = "keep it, or move it away if no key needs it any more"
        raise InputError(_FIELD, str(path), "exists already", fix)
    create_private_directory(path.parent, _FIELD)
    password = secrets.token_urlsafe(32)
    write_private(path, f"{password}\n".encode())
    return password
