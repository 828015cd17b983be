"""Records of the protocol as rows of plain values, and back: one pair of functions for each table.

A row lists the columns in the order of `migrations`. Rows read back are checked like input: what does not
decode raises `ValueError`, which the store reports as damage.
"""

from __future__ import annotations

import json

from ocr_peer.protocol.config import ConfigDigest, Instant, OracleId
from ocr_peer.protocol.effects import FollowerRecord, PacemakerRecord, PendingTransmission
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext
from ocr_peer.store.columns import Row, digest_text, hex_list, read_bytes, read_int, read_list

__all__ = [
    "contract_config",
    "contract_config_row",
    "follower",
    "follower_row",
    "pacemaker",
    "pacemaker_row",
    "pending",
    "pending_row",
]


def pacemaker_row(config_digest: ConfigDigest, record: PacemakerRecord) -> Row:
    """Row of `pacemaker`."""
    wishes = json.dumps(record.wishes)
    return (digest_text(config_digest), record.epoch, record.highest_wished_epoch, wishes)


def pacemaker(row: Row) -> PacemakerRecord:
    """Record of a row of `pacemaker`."""
    _, epoch, highest, wishes = row
    return PacemakerRecord(
        read_int(epoch), read_int(highest), tuple(read_int(wish) for wish in read_list(wishes))
    )


def follower_row(config_digest: ConfigDigest, record: FollowerRecord) -> Row:
    """Row of `follower`."""
    return (digest_text(config_digest), record.epoch, record.observed_round, record.reported_round)


def follower(row: Row) -> FollowerRecord:
    """Record of a row of `follower`."""
    _, epoch, observed, reported = row
    return FollowerRecord(read_int(epoch), read_int(observed), read_int(reported))


def pending_row(record: PendingTransmission) -> Row:
    """Row of `pending_transmission`."""
    context = record.report.context
    signatures = [[each.signer, each.signature.hex()] for each in record.report.signatures]
    return (
        digest_text(context.config_digest),
        context.epoch,
        context.round,
        record.finalized_at,
        record.due,
        record.attempt,
        context.extra_hash.hex(),
        record.report.report.hex(),
        json.dumps(signatures),
    )


def pending(row: Row) -> PendingTransmission:
    """Record of a row of `pending_transmission`."""
    digest, epoch, round_, finalized_at, due, attempt, extra_hash, report, signatures = row
    context = ReportContext(
        ConfigDigest(read_bytes(digest)), read_int(epoch), read_int(round_), read_bytes(extra_hash)
    )
    attributed = []
    for entry in read_list(signatures):
        signer, signature = _pair(entry)
        attributed.append(AttributedSignature(read_bytes(signature), OracleId(read_int(signer))))
    return PendingTransmission(
        AttestedReport(context, read_bytes(report), tuple(attributed)),
        finalized_at=Instant(read_int(finalized_at)),
        due=Instant(read_int(due)),
        attempt=read_int(attempt),
    )


def contract_config_row(contract: str, config: ContractConfig) -> Row:
    """Row of `contract_config`."""
    return (
        contract,
        digest_text(config.config_digest),
        config.config_count,
        hex_list(config.signers),
        hex_list(config.transmitters),
        config.f,
        config.onchain_config.hex(),
        config.offchain_config_version,
        config.offchain_config.hex(),
        config.block_number,
    )


def contract_config(row: Row) -> ContractConfig:
    """Configuration of a row of `contract_config`."""
    _, digest, count, signers, transmitters, f, onchain, version, offchain, block_number = row
    return ContractConfig(
        config_digest=ConfigDigest(read_bytes(digest)),
        config_count=read_int(count),
        signers=tuple(read_bytes(signer) for signer in read_list(signers)),
        transmitters=tuple(read_bytes(transmitter) for transmitter in read_list(transmitters)),
        f=read_int(f),
        onchain_config=read_bytes(onchain),
        offchain_config_version=read_int(version),
        offchain_config=read_bytes(offchain),
        block_number=read_int(block_number),
    )


def _pair(value: object) -> tuple[object, object]:
    entries = read_list(value)
    if len(entries) != 2:
        raise ValueError(f"{value!r} is not a pair")
    return entries[0], entries[1]
