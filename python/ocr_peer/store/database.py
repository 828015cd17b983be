"""One SQLite file whose every change is on disk before it is reported done. Blocks; see `sqlite` for trio."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ocr_peer.errors import InputError, InvariantError, OperatingError
from ocr_peer.store.directory import hold_directory, sync_directory
from ocr_peer.store.migrations import MIGRATIONS

__all__ = ["FILE_NAME", "Database"]

FILE_NAME = "node.sqlite"
_BUSY_TIMEOUT_S = 5.0
"""How long a tool that an operator points at the file may hold a write up."""

T = TypeVar("T")


class Database:
    """The open file, held against other processes. To be used by one thread at a time."""

    def __init__(self, directory: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
        """Open `directory`/node.sqlite; create or upgrade it.

        Raises:
            InputError: another process holds the folder, it cannot be written, the file is no database or
                has a newer schema.
            OperatingError: the disk failed.
        """
        self._path = directory / FILE_NAME
        self._failure: str | None = None
        with contextlib.ExitStack() as stack:
            stack.enter_context(hold_directory(directory))
            try:
                self._connection = _connect(self._path)
                stack.callback(self._connection.close)
                _upgrade(self._connection, self._path, migrations)
                sync_directory(directory)
            except (sqlite3.Error, OSError) as error:
                raise _opening_error(self._path, error) from error
            self._resources = stack.pop_all()

    def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction and return once it is on disk.

        Any database error makes the store fail for good: it is unknown what of the file still holds.

        Raises:
            OperatingError: this or an earlier change failed; nothing of `work` was kept.
        """
        if self._failure is not None:
            raise OperatingError(
                f"store {self._path} failed before and takes no more writes: {self._failure}"
            )
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        except OverflowError as error:
            raise InvariantError(f"a number for the store does not fit 64 bits: {error}") from error
        except sqlite3.Error as error:
            self._failure = str(error)
            raise OperatingError(f"store {self._path}: {error}; free or mend the disk and restart") from error
        return result

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads.

        Raises:
            OperatingError: the file cannot be read, or holds what does not decode.
        """
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            raise OperatingError(f"store {self._path}: {error}; mend the disk and restart") from error
        except (ValueError, TypeError) as error:
            raise OperatingError(
                f"store {self._path} is damaged: {error}; restore or remove the file"
            ) from error

    def close(self) -> None:
        """Close the file and let other processes at the folder."""
        self._resources.close()

    def _roll_back(self) -> None:
        # SQLite itself has rolled back after some errors; a failing ROLLBACK must not hide the cause.
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,  # BEGIN and COMMIT are written out
        check_same_thread=False,  # worker threads take turns, never two at once
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: past the drive's cache, too
        connection.execute("PRAGMA trusted_schema = OFF")
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    except BaseException:
        connection.close()
        raise
    if mode != "wal":
        connection.close()
        raise OperatingError(f"store {path}: the file system supports no write-ahead log; use a local disk")
    return connection


def _upgrade(connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise InputError(
            "data_dir",
            str(path),
            f"its schema has version {version}, newer than {len(migrations)}, the newest that this program knows",
            "run the newer ocr-peer again, or set another data_dir",
        )
    for step, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN EXCLUSIVE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _opening_error(path: Path, error: Exception) -> OperatingError:
    code = getattr(error, "sqlite_errorcode", None)
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        fix = "restore it, or move it away: the node then starts without memory of its votes"
        return InputError("data_dir", str(path), f"not an intact database ({error})", fix)
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        owner = f"make it writable for user id {os.getuid()}"
        return InputError("data_dir", str(path), str(error), owner)
    return OperatingError(f"store {path}: {error}; free or mend the disk and restart")
