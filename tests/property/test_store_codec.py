"""What the store reads back is what it was given, whatever that was."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_peer.evm.fees import DynamicFees, LegacyFees
from ocr_peer.evm.transactions import Inclusion, TransactionRow, TransactionState
from ocr_peer.protocol.config import ConfigDigest, Instant, OracleId
from ocr_peer.protocol.effects import (
    FollowerRecord,
    PacemakerRecord,
    PendingTransmission,
    Record,
    SettledTransmission,
)
from ocr_peer.protocol.events import StoredState
from ocr_peer.protocol.evidence import Evidence, EvidenceKind, SignedPayload
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext, RoundTag
from ocr_peer.store import codec, statements, transactions
from ocr_peer.store.database import Database
from ocr_peer.store.evidence import evidence_of, evidence_row

digests = st.binary(min_size=32, max_size=32).map(ConfigDigest)
epochs = st.integers(0, 2**32 - 1)
rounds = st.integers(0, 255)
instants = st.integers(0, 2**63 - 1).map(Instant)
signatures = st.builds(AttributedSignature, st.binary(max_size=65), st.integers(0, 30).map(OracleId))
contexts = st.builds(ReportContext, digests, epochs, rounds, st.binary(min_size=32, max_size=32))
reports = st.builds(
    AttestedReport, contexts, st.binary(max_size=1200), st.lists(signatures, max_size=11).map(tuple)
)
pendings = st.builds(PendingTransmission, reports, instants, instants, st.integers(0, 2))
pacemakers = st.builds(
    PacemakerRecord, epochs, epochs, st.lists(st.integers(0, 2**64 - 1), max_size=31).map(tuple)
)
followers = st.builds(FollowerRecord, epochs, rounds, rounds)
addresses = st.lists(st.binary(min_size=20, max_size=20), max_size=31).map(tuple)
configs = st.builds(
    ContractConfig,
    config_digest=digests,
    config_count=st.integers(0, 2**32),
    signers=addresses,
    transmitters=addresses,
    f=st.integers(0, 10),
    onchain_config=st.binary(max_size=100),
    offchain_config_version=st.integers(0, 2**63 - 1),
    offchain_config=st.binary(max_size=4000),
    block_number=st.integers(0, 2**63 - 1),
)
wei = st.integers(0, 2**256 - 1)
hashes = st.binary(min_size=32, max_size=32)
quantities = st.integers(0, 2**63 - 1)
transaction_rows = st.builds(
    TransactionRow,
    chain_id=quantities,
    sender=st.binary(min_size=20, max_size=20),
    nonce=quantities,
    to=st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=2000),
    gas_limit=quantities,
    fees=st.builds(DynamicFees, wei, wei) | st.builds(LegacyFees, wei),
    raw=st.binary(max_size=2200),
    hashes=st.lists(hashes, max_size=5).map(tuple),
    sent_at_block=quantities,
    reference=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    state=st.sampled_from(TransactionState),
    inclusion=st.none() | st.builds(Inclusion, hashes, quantities, quantities, wei, hashes, quantities, wei),
    final=st.booleans(),
    begun_at=quantities,
    begun_at_block=quantities,
    cancelled_from=st.none() | quantities,
    reserved=wei,
)


@given(pendings)
def test_pending_transmissions_round_trip(record: PendingTransmission) -> None:
    assert codec.pending(codec.pending_row(record)) == record


@given(digests, pacemakers)
def test_pacemaker_records_round_trip(digest: ConfigDigest, record: PacemakerRecord) -> None:
    assert codec.pacemaker(codec.pacemaker_row(digest, record)) == record


@given(digests, followers)
def test_follower_records_round_trip(digest: ConfigDigest, record: FollowerRecord) -> None:
    assert codec.follower(codec.follower_row(digest, record)) == record


@given(
    st.builds(
        Evidence,
        digests,
        st.integers(0, 30),
        st.binary(min_size=20, max_size=32),
        st.sampled_from(EvidenceKind),
        st.builds(RoundTag, st.integers(0, 2**32 - 1), st.integers(0, 255)),
        st.builds(SignedPayload, st.binary(max_size=2000), st.binary(max_size=65)),
        st.builds(SignedPayload, st.binary(max_size=2000), st.binary(max_size=65)),
    )
)
def test_evidence_round_trips(record: Evidence) -> None:
    assert evidence_of(evidence_row(record)) == record


@given(st.text(), configs)
def test_configurations_round_trip(contract: str, config: ContractConfig) -> None:
    assert codec.contract_config(codec.contract_config_row(contract, config)) == config


@given(transaction_rows)
def test_transactions_round_trip(row: TransactionRow) -> None:
    assert transactions.transaction(transactions.transaction_row(row)) == row


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        opened = Database(Path(folder) / "data")
        yield opened
        opened.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        pacemakers
        | followers
        | pendings
        | st.builds(SettledTransmission, st.builds(RoundTag, st.integers(0, 1), st.integers(0, 2))),
        max_size=12,
    ),
    digests,
    st.data(),
)
def test_the_database_behaves_like_a_dictionary(
    database: Database, records: list[Record], digest: ConfigDigest, data: st.DataObject
) -> None:
    """Model: the last of each kind; pending ones by round, until settled."""
    batches: list[list[Record]] = [[]]
    pacemaker = follower = None
    pending: dict[RoundTag, PendingTransmission] = {}
    for drawn in records:
        record = drawn
        match drawn:
            case PacemakerRecord():
                pacemaker = drawn
            case FollowerRecord():
                follower = drawn
            case PendingTransmission(report, finalized_at, due, attempt):
                tag = RoundTag(data.draw(st.integers(0, 1)), data.draw(st.integers(0, 2)))
                context = ReportContext(digest, tag.epoch, tag.round, report.context.extra_hash)
                moved = AttestedReport(context, report.report, report.signatures)
                record = pending[tag] = PendingTransmission(moved, finalized_at, due, attempt)
            case SettledTransmission(tag):
                pending.pop(tag, None)
        batches[-1].append(record)
        if data.draw(st.booleans()):
            batches.append([])
    database.change(partial(_forget, digest=digest))
    for batch in batches:
        database.change(partial(statements.write_records, config_digest=digest, records=batch))
    expected = StoredState(pacemaker, follower, tuple(pending[tag] for tag in sorted(pending)))
    assert database.read(lambda connection: statements.read_state(connection, digest)) == expected


def _forget(connection: sqlite3.Connection, digest: ConfigDigest) -> None:
    for table in ("pacemaker", "follower", "pending_transmission"):
        connection.execute(f"DELETE FROM {table} WHERE config_digest = ?", (digest.hex(),))
