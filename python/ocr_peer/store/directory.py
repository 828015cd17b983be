"""The folder of a node's state: made private, and held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ocr_peer.errors import InputError

__all__ = ["LOCK_NAME", "hold_directory", "sync_directory"]

LOCK_NAME = "lock"


@contextlib.contextmanager
def hold_directory(directory: Path) -> Iterator[None]:
    """Create the folder if need be and keep every other process out of it.

    Two processes with the same keys and one folder would sign against each other. The lock is the operating
    system's: it ends with the process, however that ends, and a left-over file means nothing.

    Raises:
        InputError: the folder cannot be used, or another process holds it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        problem = error.strerror or "not usable"
        raise InputError("data_dir", str(directory), problem, "name a folder that can be written") from error
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Make the names of files in the folder durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        raise InputError(
            "data_dir",
            str(directory),
            f"process {holder} uses this folder, as its file {LOCK_NAME} says",
            "stop that process, or set another data_dir and other keys",
        ) from None
    except OSError as error:
        problem = f"the file system cannot lock files: {error.strerror}"
        raise InputError("data_dir", str(directory), problem, "use a local disk") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
