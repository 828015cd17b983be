"""Evidence of equivocation: kept for people, readable while the node runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ocr_peer.errors import InputError, OperatingError
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.evidence import Evidence, EvidenceKind, SignedPayload
from ocr_peer.protocol.report import RoundTag
from ocr_peer.store.columns import Row, digest_text, read_bytes, read_int, read_text
from ocr_peer.store.database import FILE_NAME

__all__ = ["MAX_EVIDENCE", "evidence_of", "evidence_row", "kept_evidence", "save_evidence"]

MAX_EVIDENCE = 16
"""Proofs kept against one oracle of one configuration: the first ones, as more prove nothing more."""

_COLUMNS = (
    "config_digest, oracle, kind, epoch, round, public_key,"
    " first_payload, first_signature, second_payload, second_signature"
)
_INSERT = (
    f"INSERT INTO evidence ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 constants
    " ON CONFLICT (config_digest, oracle, kind, epoch, round) DO NOTHING"
)


def save_evidence(connection: sqlite3.Connection, record: Evidence) -> None:
    """Keep the proof, unless there is one of the same round, or enough against the same oracle."""
    ((kept,),) = connection.execute(
        "SELECT COUNT(*) FROM evidence WHERE config_digest = ? AND oracle = ?",
        (digest_text(record.config_digest), record.oracle),
    )
    if kept < MAX_EVIDENCE:
        connection.execute(_INSERT, evidence_row(record))


def kept_evidence(directory: Path) -> list[Evidence]:
    """All that the store of a node holds, by configuration, oracle and round; the node may be running.

    Args:
        directory: the node's `data_dir`.

    Raises:
        InputError: there is no store, or it is of an earlier version.
        OperatingError: it cannot be read, or is damaged.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        raise InputError(
            "data_dir", str(directory), "holds no store", "name the configuration of a node that ran"
        )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM evidence ORDER BY config_digest, oracle, epoch, round, kind"  # noqa: S608 constants
            )
            return [evidence_of(row) for row in rows]
    except sqlite3.Error as error:
        if "no such table" in str(error):
            raise InputError(
                "data_dir", str(directory), "its store is of an earlier version", "start the node once"
            ) from error
        raise OperatingError(f"store {path}: {error}") from error
    except (ValueError, TypeError) as error:
        raise OperatingError(f"store {path} is damaged: {error}") from error


def evidence_row(record: Evidence) -> Row:
    """Row of `evidence`."""
    return (
        digest_text(record.config_digest),
        record.oracle,
        record.kind.value,
        record.tag.epoch,
        record.tag.round,
        record.key.hex(),
        record.first.payload.hex(),
        record.first.signature.hex(),
        record.second.payload.hex(),
        record.second.signature.hex(),
    )


def evidence_of(row: Row) -> Evidence:
    """Record of a row of `evidence`."""
    digest, oracle, kind, epoch, round_, key, *payloads = row
    first, first_signature, second, second_signature = (read_bytes(payload) for payload in payloads)
    return Evidence(
        ConfigDigest(read_bytes(digest)),
        OracleId(read_int(oracle)),
        read_bytes(key),
        EvidenceKind(read_text(kind)),
        RoundTag(read_int(epoch), read_int(round_)),
        SignedPayload(first, first_signature),
        SignedPayload(second, second_signature),
    )
