"""The file that a chain is kept in."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import trio

from ocr_peer.devnet.endpoint import Endpoint
from ocr_peer.errors import InputError, OperatingError

__all__ = ["StateFile", "hold_state", "keep_state"]

FIELD = "--state"
EVERY = 100

_log = logging.getLogger(__name__)


class StateFile:
    """A state file that no other process uses meanwhile.

    Args:
        path: the file.
        every: it is written again after so many blocks or transactions that came in.
    """

    def __init__(self, path: Path, every: int = EVERY) -> None:
        self.path = path
        self.every = every

    def read(self) -> bytes | None:
        """What was saved; `None` when there is no file yet.

        Raises:
            InputError: it cannot be read.
        """
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise InputError(
                    FIELD, str(self.path), "not a file", "name a file, or one that is not there yet"
                )
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, error) from None

    def write(self, state: bytes) -> None:
        """Replace the file. After a crash at any moment it is either the old or the new one.

        Raises:
            OperatingError: the disk or the folder refuses; the old file is still there.
        """
        # One process at a time writes it, so that what a crash leaves is overwritten next time.
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            with temporary.open("wb") as file:
                file.write(state)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise OperatingError(f"cannot write {self.path}: {error.strerror}") from error


@contextlib.contextmanager
def hold_state(path: Path | None, every: int = EVERY) -> Iterator[StateFile | None]:
    """Keep other processes off a state file; nothing is written to it yet.

    Raises:
        InputError: its folder cannot be used, or another process holds it.
    """
    if path is None:
        yield None
        return
    if every < 1:
        raise InputError("--state-every", every, "out of bounds", "use 1 or more")
    try:
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another process uses it"
            raise InputError(FIELD, str(path), problem, "stop that process, or name another file") from None
        yield StateFile(path, every)
    finally:
        os.close(descriptor)


async def keep_state(endpoint: Endpoint, file: StateFile) -> None:
    """Write the chain into its file again and again, and once more at the end.

    What a `kill -9` loses is what came since the last time: fewer than `file.every` blocks and transactions.
    While it cannot be written the chain goes on, and says so in the log.

    Raises:
        OperatingError: it could not be written at the end.
    """
    devnet = endpoint.devnet
    try:
        saved = -1
        while True:
            news = endpoint.news
            now = devnet.sequence
            if saved < 0 or now - saved >= file.every:
                try:
                    await _save(endpoint, file)
                except OperatingError as error:
                    _log.error("%s; the chain goes on without", error)
                saved = now
            else:
                await news.wait()
    finally:
        with trio.CancelScope(shield=True):
            await _save(endpoint, file)


async def _save(endpoint: Endpoint, file: StateFile) -> None:
    state = await endpoint.in_thread(endpoint.devnet.save)
    await trio.to_thread.run_sync(partial(file.write, state))


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(FIELD, str(path), error.strerror or "not usable", "name a file that can be written")
