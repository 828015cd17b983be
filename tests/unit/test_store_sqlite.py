"""The store as the node uses it: durable, bounded, one process at a time, silent after a failure."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from ocr_peer.errors import InputError, InvariantError, OperatingError
from ocr_peer.evm.fees import DynamicFees
from ocr_peer.evm.transactions import Inclusion, TransactionRow, TransactionState, TransactionStore
from ocr_peer.protocol.config import ConfigDigest, Instant, OracleId
from ocr_peer.protocol.effects import (
    FollowerRecord,
    PacemakerRecord,
    PendingTransmission,
    SettledTransmission,
)
from ocr_peer.protocol.events import StoredState
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext, RoundTag
from ocr_peer.runtime.ports import Store
from ocr_peer.store import open_store, statements, transactions
from ocr_peer.store.database import FILE_NAME, Database
from ocr_peer.store.migrations import MIGRATIONS

DIGEST = ConfigDigest(bytes(range(32)))
OTHER = ConfigDigest(b"\xff" * 32)


def pending(epoch: int, round_: int, digest: ConfigDigest = DIGEST, attempt: int = 0) -> PendingTransmission:
    context = ReportContext(digest, epoch, round_, b"\x11" * 32)
    report = AttestedReport(context, b"report", (AttributedSignature(b"\x22" * 65, OracleId(3)),))
    return PendingTransmission(report, Instant(10), Instant(20), attempt)


def config(digest: ConfigDigest = DIGEST) -> ContractConfig:
    return ContractConfig(digest, 3, (b"\x01" * 20,), (b"\x02" * 20,), 1, b"on", 2, b"off", 77)


def transaction(nonce: int, state: TransactionState = TransactionState.IN_FLIGHT) -> TransactionRow:
    return TransactionRow(
        chain_id=1337,
        sender=b"\x0a" * 20,
        nonce=nonce,
        to=b"\x0b" * 20,
        data=b"data",
        gas_limit=500_000,
        fees=DynamicFees(2**200, 1),
        raw=b"raw",
        hashes=(b"\x0c" * 32,),
        sent_at_block=9,
        reference="report",
        state=state,
        inclusion=Inclusion(b"\x0c" * 32, 10, 94_000, 10**9) if state is TransactionState.MINED else None,
        final=state is not TransactionState.IN_FLIGHT,
    )


async def test_it_is_what_the_runtime_and_the_chain_adapter_want(tmp_path: Path) -> None:
    async with open_store(tmp_path) as opened:
        store: Store = opened
        chain_store: TransactionStore = opened
        assert await chain_store.unsettled(1, b"") == []
        assert await store.load_state(DIGEST) == StoredState()
        assert await store.load_config("1337:0xabc") is None


async def test_records_outlive_the_process_that_wrote_them(tmp_path: Path) -> None:
    pacemaker, follower = PacemakerRecord(5, 6, (1, 2**64 - 1, 3)), FollowerRecord(5, 2, 1)
    async with open_store(tmp_path / "a" / "data") as store:
        await store.write(
            DIGEST, [PacemakerRecord(1, 1, ()), pacemaker, follower, pending(5, 2), pending(5, 1)]
        )
        await store.write(
            DIGEST, [pending(5, 3), pending(5, 1, attempt=1), SettledTransmission(RoundTag(5, 3))]
        )
        await store.write(OTHER, [FollowerRecord(9, 9, 9)])
        await store.save_config("1337:0xabc", config())
    async with open_store(tmp_path / "a" / "data") as store:
        expected = StoredState(pacemaker, follower, (pending(5, 1, attempt=1), pending(5, 2)))
        assert await store.load_state(DIGEST) == expected
        assert await store.load_state(OTHER) == StoredState(follower=FollowerRecord(9, 9, 9))
        assert await store.load_config("1337:0xabc") == config()
    assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700


async def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        with pytest.raises(InvariantError, match="another configuration"):
            await store.write(DIGEST, [FollowerRecord(1, 1, 1), pending(1, 1, digest=OTHER)])
        assert await store.load_state(DIGEST) == StoredState()
        with pytest.raises(InvariantError, match="64 bits"):
            await store.write(DIGEST, [FollowerRecord(1, 1, 1), PacemakerRecord(2**64, 0, ())])
        await store.write(DIGEST, [FollowerRecord(1, 1, 1)])
        assert (await store.load_state(DIGEST)).follower == FollowerRecord(1, 1, 1)


async def test_pending_transmissions_are_bounded(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        tags = [RoundTag(epoch, round_) for epoch in range(1, 4) for round_ in range(1, 101)]
        await store.write(DIGEST, [pending(tag.epoch, tag.round) for tag in tags])
        await store.write(OTHER, [pending(1, 1, OTHER)])
        kept = (await store.load_state(DIGEST)).pending
        assert [each.report.context.tag for each in kept] == tags[-statements.MAX_PENDING :]
        assert len((await store.load_state(OTHER)).pending) == 1


async def test_a_new_configuration_drops_what_was_pending_under_the_old(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.save_config("c", config(DIGEST))
        await store.write(DIGEST, [pending(1, 1), FollowerRecord(1, 1, 1)])
        await store.save_config("c", config(DIGEST))
        assert (await store.load_state(DIGEST)).pending
        await store.save_config("c", config(OTHER))
        assert await store.load_state(DIGEST) == StoredState(follower=FollowerRecord(1, 1, 1))
        assert await store.load_config("c") == config(OTHER)


async def test_sequence_numbers_only_rise(tmp_path: Path) -> None:
    before = time.time_ns()
    async with open_store(tmp_path) as store:
        first = await store.next_sequence_block(10)
        second = await store.next_sequence_block()
    async with open_store(tmp_path) as store:
        third = await store.next_sequence_block(10**18)
        fourth = await store.next_sequence_block()
    assert before <= first.start
    assert first.stop <= second.start
    assert second.stop <= third.start
    assert third.stop == fourth.start
    assert fourth.stop < 2**63
    assert (len(first), len(second)) == (10, 2**32)


async def test_peer_records_are_remembered_within_bounds(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.save_peer_record("a", b"\x00old", Instant(1))
        await store.save_peer_record("b", b"b", Instant(2))
        assert list((await store.load_peer_records()).items()) == [("b", b"b"), ("a", b"\x00old")]
        await store.save_peer_record("a", b"new", Instant(3))
        assert list((await store.load_peer_records()).items()) == [("a", b"new"), ("b", b"b")]
        for index in range(statements.MAX_PEERS - 1):
            await store.save_peer_record(f"p{index}", b"p", Instant(10 + index))
        found = await store.load_peer_records()
        assert len(found) == statements.MAX_PEERS
        assert "a" in found
        assert "b" not in found


async def test_transactions_in_flight_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_store(tmp_path) as store:
        await store.save(transaction(2))
        await store.save(transaction(1))
        await store.save(transaction(3, TransactionState.MINED))
    async with open_store(tmp_path) as store:
        assert await store.unsettled(1337, b"\x0a" * 20) == [transaction(1), transaction(2)]
        assert await store.unsettled(1, b"\x0a" * 20) == []
        await store.save(transaction(1, TransactionState.DROPPED))
        assert await store.unsettled(1337, b"\x0a" * 20) == [transaction(2)]
        monkeypatch.setattr(transactions, "MAX_SETTLED", 2)
        await store.save(transaction(5, TransactionState.MINED))
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        kept = connection.execute("SELECT nonce FROM evm_transaction ORDER BY nonce").fetchall()
    connection.close()
    assert [nonce for (nonce,) in kept] == [2, 5]


def mined(nonce: int, seen_at: int, price: int = 10) -> TransactionRow:
    inclusion = Inclusion(b"\x0c" * 32, 10, 1_000, price, b"\x0d" * 32, seen_at)
    return replace(transaction(nonce, TransactionState.MINED), inclusion=inclusion, final=False)


async def test_a_mined_transaction_is_kept_until_it_is_final(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.save(mined(1, 6_000))
    async with open_store(tmp_path) as store:
        assert await store.unsettled(1337, b"\x0a" * 20) == [mined(1, 6_000)]
        await store.save(replace(mined(1, 6_000), final=True))
        assert await store.unsettled(1337, b"\x0a" * 20) == []


async def test_spending_is_booked_once_and_taken_back(tmp_path: Path) -> None:
    sender = b"\x0a" * 20
    async with open_store(tmp_path) as store:
        await store.save(mined(1, 6_000))
        await store.save(mined(1, 6_000))
        await store.save(replace(mined(1, 6_000), final=True))
        await store.save(mined(2, 6_059))
        await store.save(mined(3, 6_060))
        await store.save(mined(4, 6_061, 2**200))
        assert await store.spending(1337, sender, 0) == {100: 20_000, 101: 10_000 + 1_000 * 2**200}
        assert await store.spending(1337, sender, 101) == {101: 10_000 + 1_000 * 2**200}
        assert await store.spending(1, sender, 0) == {}
        await store.save(mined(4, 6_061, 2**200).back_in_flight())
    async with open_store(tmp_path) as store:
        assert await store.spending(1337, sender, 0) == {100: 20_000, 101: 10_000}
        await store.save(mined(4, 6_120))
        assert await store.spending(1337, sender, 0) == {100: 20_000, 101: 10_000, 102: 10_000}
        later = 60 * (101 + transactions.SPENDING_MINUTES)
        await store.save(mined(5, later))
        assert list(await store.spending(1337, sender, 0)) == [102, later // 60]


async def test_transactions_of_the_first_schemas_are_taken_over(tmp_path: Path) -> None:
    old = (
        "chain_id, sender, nonce, recipient, data, gas_limit, max_fee_per_gas, max_priority_fee_per_gas,"
        " raw, hashes, sent_at_block, reference, state, inclusion"
    )
    database = Database(tmp_path, MIGRATIONS[:2])
    with database._connection as connection:
        for nonce, state, inclusion in (
            (1, "mined", f'["{"0c" * 32}", 10, 94000, 1000000000]'),
            (2, "dropped", None),
            (3, "in_flight", None),
        ):
            values = (1337, "0a" * 20, nonce, "0b" * 20, "00", 5, "70", "1", "01", f'["{"0c" * 32}"]', 9, "r")
            connection.execute(
                f"INSERT INTO evm_transaction ({old}) VALUES ({', '.join('?' * 14)})",
                (*values, state, inclusion),
            )
    database.close()
    async with open_store(tmp_path) as store:
        (row,) = await store.unsettled(1337, b"\x0a" * 20)
        assert (row.nonce, row.fees, row.begun_at_block, row.worst_cost) == (3, DynamicFees(70, 1), 9, 350)
        assert await store.spending(1337, b"\x0a" * 20, 0) == {}
        final = store._database._connection.execute(
            f"SELECT {transactions._COLUMNS} FROM evm_transaction WHERE nonce = 1"
        ).fetchone()
        read = transactions.transaction(final)
        assert read.final
        assert read.inclusion == Inclusion(b"\x0c" * 32, 10, 94_000, 10**9)


async def test_every_write_is_flushed(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        connection = store._database._connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_calls_of_many_tasks_take_turns(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store, trio.open_nursery() as nursery:
        for index in range(50):
            digest = ConfigDigest(bytes([index]) * 32)
            nursery.start_soon(store.write, digest, [FollowerRecord(index, 0, 0)])
            nursery.start_soon(store.load_state, digest)
    async with open_store(tmp_path) as store:
        for index in range(50):
            state = await store.load_state(ConfigDigest(bytes([index]) * 32))
            assert state.follower == FollowerRecord(index, 0, 0)


async def test_a_cancelled_write_has_happened_or_not_begun(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.write(DIGEST, [FollowerRecord(1, 1, 1)])
        assert scope.cancelled_caught
        assert await store.load_state(DIGEST) == StoredState()
    async with open_store(tmp_path) as store:  # closing was not prevented
        await store.write(DIGEST, [FollowerRecord(1, 1, 1)])


KILLED = """
import os, signal, sys, trio
from pathlib import Path
from ocr_peer.protocol.config import ConfigDigest
from ocr_peer.protocol.effects import FollowerRecord
from ocr_peer.store import open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        for epoch in range(1, 20):
            await store.write(ConfigDigest(bytes(range(32))), [FollowerRecord(epoch, 1, 1)])
        os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


async def test_what_was_written_survives_sigkill(tmp_path: Path) -> None:
    ended = await trio.run_process([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    async with open_store(tmp_path) as store:
        assert (await store.load_state(DIGEST)).follower == FollowerRecord(19, 1, 1)


DISK_FULL = """
import resource, signal, sys, trio
from pathlib import Path
from ocr_peer.errors import OperatingError
from ocr_peer.protocol.config import ConfigDigest
from ocr_peer.protocol.effects import FollowerRecord
from ocr_peer.store import open_store

async def main():
    digest = ConfigDigest(bytes(range(32)))
    async with open_store(Path(sys.argv[1])) as store:
        await store.write(digest, [FollowerRecord(1, 0, 0)])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        for epoch in (2, 3):
            try:
                await store.write(digest, [FollowerRecord(epoch, 0, 0)])
            except OperatingError as error:
                print(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print((await store.load_state(digest)).follower.epoch)

trio.run(main)
"""


async def test_after_a_full_disk_the_store_takes_no_more_writes(tmp_path: Path) -> None:
    ended = await trio.run_process([sys.executable, "-c", DISK_FULL, str(tmp_path)], capture_stdout=True)
    first, second, epoch = ended.stdout.decode().splitlines()
    assert "free or mend the disk and restart" in first
    assert "failed before and takes no more writes" in second
    assert epoch == "1"
    async with open_store(tmp_path) as store:
        assert (await store.load_state(DIGEST)).follower == FollowerRecord(1, 0, 0)
        await store.write(DIGEST, [FollowerRecord(2, 0, 0)])


async def test_a_second_user_of_the_folder_is_refused(tmp_path: Path) -> None:
    async with open_store(tmp_path):
        with pytest.raises(
            InputError, match=rf"process {os.getpid()} uses this folder, as its file lock says"
        ):
            async with open_store(tmp_path):
                pass
        ended = await trio.run_process(
            [sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_stderr=True
        )
        assert f"process {os.getpid()} uses this folder".encode() in ended.stderr
    async with open_store(tmp_path):
        pass


async def test_a_left_over_lock_file_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("12345 a longer text than a process id\n")
    async with open_store(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Database(tmp_path, [*MIGRATIONS, ("CREATE TABLE later (x BIGINT)",)]).close()
    newer = len(MIGRATIONS) + 1
    with pytest.raises(InputError, match=f"schema has version {newer}, newer than {len(MIGRATIONS)}"):
        async with open_store(tmp_path):
            pass


def test_an_older_schema_is_upgraded_step_by_step(tmp_path: Path) -> None:
    Database(tmp_path, []).close()
    Database(tmp_path, [("CREATE TABLE a (x BIGINT)",)]).close()
    later = Database(
        tmp_path, [("not run again",), ("CREATE TABLE b (x BIGINT)", "INSERT INTO b VALUES (7)")]
    )
    assert later.read(lambda connection: connection.execute("SELECT x FROM b").fetchall()) == [(7,)]
    later.close()


def test_a_failing_upgrade_leaves_the_old_schema(tmp_path: Path) -> None:
    with pytest.raises(OperatingError, match="syntax error"):
        Database(tmp_path, [("CREATE TABLE a (x BIGINT)",), ("CREATE TABLE b (x BIGINT)", "nonsense")])
    opened = Database(tmp_path, [("CREATE TABLE a (x BIGINT)",)])
    tables = opened.read(lambda connection: connection.execute("SELECT name FROM sqlite_schema").fetchall())
    assert tables == [("a",)]
    opened.close()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("no database, but some text that is long enough to be read\n" * 100)
    with pytest.raises(InputError, match=r"node\.sqlite: not an intact database .*; restore it, or move it"):
        async with open_store(tmp_path):
            pass


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Not a directory; name a folder that can be written"):
        async with open_store(tmp_path / "file" / "data"):
            pass
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(InputError, match="unable to open database file; make it writable for user id"):
        async with open_store(tmp_path):
            pass


@pytest.mark.parametrize(
    ("column", "value"),
    [("wishes", "[1, 2"), ("wishes", '"1"'), ("wishes", '["1"]'), ("epoch", "x"), ("epoch", None)],
)
async def test_a_damaged_row_is_an_operating_error(tmp_path: Path, column: str, value: str | None) -> None:
    async with open_store(tmp_path) as store:
        await store.write(DIGEST, [PacemakerRecord(1, 1, (1,))])
    damage = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    damage.execute("PRAGMA ignore_check_constraints = ON")
    damage.execute(f"UPDATE OR IGNORE pacemaker SET {column} = ?", (value if value is not None else 1.5,))
    damage.close()
    async with open_store(tmp_path) as store:
        with pytest.raises(OperatingError, match="is damaged"):
            await store.load_state(DIGEST)


def test_the_schema_is_as_portable_as_it_says() -> None:
    text = " ".join(statement for step in MIGRATIONS for statement in step).upper()
    for word in ("AUTOINCREMENT", "BLOB", " INTEGER", "WITHOUT ROWID", "DATETIME", "REPLACE"):
        assert word not in text
