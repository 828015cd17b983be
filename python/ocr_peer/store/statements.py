"""The SQL of every operation, run inside a transaction that the caller holds. Portable: see `migrations`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import assert_never

from ocr_peer.errors import InvariantError
from ocr_peer.protocol.config import ConfigDigest, Instant
from ocr_peer.protocol.effects import (
    FollowerRecord,
    PacemakerRecord,
    PendingTransmission,
    Record,
    SettledTransmission,
)
from ocr_peer.protocol.events import StoredState
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.store import codec
from ocr_peer.store.columns import digest_text, read_bytes, read_text
from ocr_peer.store.evidence import save_evidence

__all__ = [
    "MAX_PEERS",
    "MAX_PENDING",
    "raise_counter",
    "read_config",
    "read_peer_records",
    "read_state",
    "replace_config",
    "replace_peer_record",
    "write_records",
]

MAX_PENDING = 256
"""Pending transmissions kept for one configuration; beyond it the oldest rounds go, which newer ones overtake."""

MAX_PEERS = 256
"""Peers whose address records are kept."""

_PACEMAKER = """
INSERT INTO pacemaker (config_digest, epoch, highest_wished_epoch, wishes) VALUES (?, ?, ?, ?)
ON CONFLICT (config_digest) DO UPDATE SET
    epoch = excluded.epoch, highest_wished_epoch = excluded.highest_wished_epoch, wishes = excluded.wishes
"""
_FOLLOWER = """
INSERT INTO follower (config_digest, epoch, observed_round, reported_round) VALUES (?, ?, ?, ?)
ON CONFLICT (config_digest) DO UPDATE SET
    epoch = excluded.epoch, observed_round = excluded.observed_round, reported_round = excluded.reported_round
"""
_PENDING = """
INSERT INTO pending_transmission
    (config_digest, epoch, round, finalized_at, due, attempt, extra_hash, report, signatures)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (config_digest, epoch, round) DO UPDATE SET
    finalized_at = excluded.finalized_at, due = excluded.due, attempt = excluded.attempt,
    extra_hash = excluded.extra_hash, report = excluded.report, signatures = excluded.signatures
"""
_CONFIG = """
INSERT INTO contract_config
    (contract, config_digest, config_count, signers, transmitters, f, onchain_config,
     offchain_config_version, offchain_config, block_number)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (contract) DO UPDATE SET
    config_digest = excluded.config_digest, config_count = excluded.config_count,
    signers = excluded.signers, transmitters = excluded.transmitters, f = excluded.f,
    onchain_config = excluded.onchain_config, offchain_config_version = excluded.offchain_config_version,
    offchain_config = excluded.offchain_config, block_number = excluded.block_number
"""
_PEER_RECORD = """
INSERT INTO peer_record (peer_id, record, seen_at) VALUES (?, ?, ?)
ON CONFLICT (peer_id) DO UPDATE SET record = excluded.record, seen_at = excluded.seen_at
"""


def write_records(
    connection: sqlite3.Connection, config_digest: ConfigDigest, records: Sequence[Record]
) -> None:
    """Write an oracle's records in order."""
    key = digest_text(config_digest)
    for record in records:
        match record:
            case PacemakerRecord():
                connection.execute(_PACEMAKER, codec.pacemaker_row(config_digest, record))
            case FollowerRecord():
                connection.execute(_FOLLOWER, codec.follower_row(config_digest, record))
            case PendingTransmission():
                if record.report.context.config_digest != config_digest:
                    raise InvariantError("a pending transmission belongs to another configuration")
                connection.execute(_PENDING, codec.pending_row(record))
                _drop_oldest_pending(connection, key)
            case SettledTransmission(tag):
                connection.execute(
                    "DELETE FROM pending_transmission WHERE config_digest = ? AND epoch = ? AND round = ?",
                    (key, tag.epoch, tag.round),
                )
            case Evidence():
                save_evidence(connection, record)
            case _:
                assert_never(record)


def read_state(connection: sqlite3.Connection, config_digest: ConfigDigest) -> StoredState:
    """All records of one configuration; pending ones by rising (epoch, round)."""
    key = (digest_text(config_digest),)
    pacemaker = connection.execute(
        "SELECT config_digest, epoch, highest_wished_epoch, wishes FROM pacemaker WHERE config_digest = ?",
        key,
    ).fetchone()
    follower = connection.execute(
        "SELECT config_digest, epoch, observed_round, reported_round FROM follower WHERE config_digest = ?",
        key,
    ).fetchone()
    pending = connection.execute(
        "SELECT config_digest, epoch, round, finalized_at, due, attempt, extra_hash, report, signatures"
        " FROM pending_transmission WHERE config_digest = ? ORDER BY epoch, round",
        key,
    ).fetchall()
    return StoredState(
        pacemaker=None if pacemaker is None else codec.pacemaker(pacemaker),
        follower=None if follower is None else codec.follower(follower),
        pending=tuple(codec.pending(row) for row in pending),
    )


def replace_config(connection: sqlite3.Connection, contract: str, config: ContractConfig) -> None:
    """Remember the configuration; what was pending under the contract's previous one can no longer land."""
    previous = connection.execute(
        "SELECT config_digest FROM contract_config WHERE contract = ?", (contract,)
    ).fetchone()
    if previous is not None and previous[0] != digest_text(config.config_digest):
        connection.execute("DELETE FROM pending_transmission WHERE config_digest = ?", previous)
    connection.execute(_CONFIG, codec.contract_config_row(contract, config))


def read_config(connection: sqlite3.Connection, contract: str) -> ContractConfig | None:
    """The configuration remembered last."""
    row = connection.execute(
        "SELECT contract, config_digest, config_count, signers, transmitters, f, onchain_config,"
        " offchain_config_version, offchain_config, block_number FROM contract_config WHERE contract = ?",
        (contract,),
    ).fetchone()
    return None if row is None else codec.contract_config(row)


def replace_peer_record(
    connection: sqlite3.Connection, peer_id: str, record: bytes, seen_at: Instant
) -> None:
    """Remember a peer's latest record; the peers heard of longest ago make room."""
    connection.execute(_PEER_RECORD, (peer_id, record.hex(), seen_at))
    surplus = connection.execute(
        "SELECT peer_id FROM peer_record ORDER BY seen_at DESC, peer_id LIMIT ? OFFSET ?",
        (MAX_PEERS, MAX_PEERS),
    ).fetchall()
    connection.executemany("DELETE FROM peer_record WHERE peer_id = ?", surplus)


def read_peer_records(connection: sqlite3.Connection) -> dict[str, bytes]:
    """Records by peer id, the peer heard of last first."""
    rows = connection.execute("SELECT peer_id, record FROM peer_record ORDER BY seen_at DESC, peer_id")
    return {read_text(peer_id): read_bytes(record) for peer_id, record in rows}


def raise_counter(connection: sqlite3.Connection, name: str, size: int, at_least: int) -> range:
    """Reserve the next `size` values of a counter, none below `at_least`."""
    row = connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
    start = at_least if row is None else max(at_least, row[0])
    connection.execute(
        "INSERT INTO counter (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, start + size),
    )
    return range(start, start + size)


def _drop_oldest_pending(connection: sqlite3.Connection, key: str) -> None:
    oldest_surplus = connection.execute(
        "SELECT epoch, round FROM pending_transmission WHERE config_digest = ?"
        " ORDER BY epoch DESC, round DESC LIMIT 1 OFFSET ?",
        (key, MAX_PENDING),
    ).fetchone()
    if oldest_surplus is not None:
        epoch, round_ = oldest_surplus
        connection.execute(
            "DELETE FROM pending_transmission"
            " WHERE config_digest = ? AND (epoch < ? OR (epoch = ? AND round <= ?))",
            (key, epoch, epoch, round_),
        )
