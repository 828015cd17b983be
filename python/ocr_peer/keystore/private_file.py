"""Files that only their owner may read: written whole or not at all, refused when others can read them."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ocr_peer.errors import InputError, OperatingError

__all__ = ["check_private_directory", "create_private_directory", "read_private", "write_private"]

_MAX_BYTES = 64 * 1024


def create_private_directory(directory: Path, field: str) -> None:
    """Create the folder with mode 0700, its parents with the usual one; an existing one is left as it is.

    Raises:
        InputError: names `field`; it cannot be created.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        problem = error.strerror or "cannot be created"
        raise InputError(field, str(directory), problem, "name a folder that can be written") from error


def check_private_directory(directory: Path, field: str, missing_fix: str) -> None:
    """Refuse a folder that is missing, or in which others could replace files.

    Raises:
        InputError: names `field`.
    """
    try:
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError as error:
        raise InputError(field, str(directory), error.strerror or "not usable", missing_fix) from None
    if not directory.is_dir():
        raise InputError(field, str(directory), "not a folder", missing_fix)
    if mode & 0o022:
        problem = f"others can put files there (mode {mode:04o})"
        raise InputError(field, str(directory), problem, f"chmod 700 {directory}")


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600; after a crash either the old content is there or the new one.

    Raises:
        OperatingError: the disk or the folder refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OperatingError(f"cannot write {path}: {error.strerror}") from error


def read_private(path: Path, field: str, missing_fix: str) -> bytes:
    """The content of a small file, once it is certain that only its owner can read it.

    Args:
        path: the file.
        field: names the file in errors.
        missing_fix: what to do when there is none.

    Raises:
        InputError: missing, unreadable, too large, or readable by others (`chmod 600`).
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                problem = f"others can read it (mode {mode:04o})"
                raise InputError(field, str(path), problem, f"chmod 600 {path}")
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(field, str(path), "no such file", missing_fix) from None
    except OSError as error:
        problem = error.strerror or "not readable"
        raise InputError(field, str(path), problem, "name a file that this user can read") from error
    if len(content) > _MAX_BYTES:
        raise InputError(field, str(path), "larger than 64 KiB", "name the right file")
    return content
