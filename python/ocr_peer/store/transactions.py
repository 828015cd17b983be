"""The chain adapter's transactions, in the same file and under the same promise as the votes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from ocr_peer.evm.fees import DynamicFees, Fees, LegacyFees
from ocr_peer.evm.transactions import Inclusion, TransactionRow, TransactionState
from ocr_peer.store.columns import Row, hex_list, read_bytes, read_int, read_list, read_text

__all__ = [
    "MAX_SETTLED",
    "SPENDING_MINUTES",
    "read_spending",
    "read_unsettled",
    "save_transaction",
    "transaction",
    "transaction_row",
]

MAX_SETTLED = 1_000
"""Final transactions are kept for this many nonces back, for each account on each chain."""

SPENDING_MINUTES = 2 * 24 * 60
"""What was spent is remembered this long, one sum for each minute: twice what a daily budget looks back."""

_DYNAMIC, _LEGACY = 2, 0
"""Types of transactions (EIP-2718). The one price of a legacy one stands in both columns, as geth has it."""

_NAMES = (
    "chain_id", "sender", "nonce", "recipient", "data", "gas_limit", "transaction_type", "max_fee_per_gas",
    "max_priority_fee_per_gas", "raw", "hashes", "sent_at_block", "reference", "state", "inclusion", "final",
    "begun_at", "begun_at_block", "cancelled_from", "reserved",
)  # fmt: skip
_KEY = ("chain_id", "sender", "nonce")
_COLUMNS = ", ".join(_NAMES)
_SAVE = f"""
INSERT INTO evm_transaction ({_COLUMNS}) VALUES ({", ".join("?" * len(_NAMES))})
ON CONFLICT (chain_id, sender, nonce) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in _KEY)}
"""  # noqa: S608 - fixed text
_UNSETTLED = f"""
SELECT {_COLUMNS} FROM evm_transaction WHERE chain_id = ? AND sender = ? AND final = 0 ORDER BY nonce
"""  # noqa: S608
_INCLUSION = "SELECT inclusion FROM evm_transaction WHERE chain_id = ? AND sender = ? AND nonce = ?"
_FORGET = "DELETE FROM evm_transaction WHERE chain_id = ? AND sender = ? AND final = 1 AND nonce <= ?"
_SPENT = "SELECT wei FROM evm_spending WHERE chain_id = ? AND sender = ? AND minute = ?"
_SPEND = """
INSERT INTO evm_spending (chain_id, sender, minute, wei) VALUES (?, ?, ?, ?)
ON CONFLICT (chain_id, sender, minute) DO UPDATE SET wei = excluded.wei
"""
_FORGET_SPENDING = "DELETE FROM evm_spending WHERE chain_id = ? AND sender = ? AND minute <= ?"
_SPENDING = "SELECT minute, wei FROM evm_spending WHERE chain_id = ? AND sender = ? AND minute >= ?"


def save_transaction(connection: sqlite3.Connection, row: TransactionRow) -> None:
    """Insert the row, or replace the one of the same key, and book what its inclusion costs; forget old ones."""
    account = (row.chain_id, row.sender.hex())
    before = connection.execute(_INCLUSION, (*account, row.nonce)).fetchone()
    was = None if before is None else _inclusion(before[0])
    if was != row.inclusion:
        _book(connection, account, was, -1)
        _book(connection, account, row.inclusion, 1)
    connection.execute(_SAVE, transaction_row(row))
    if row.final:
        connection.execute(_FORGET, (*account, row.nonce - MAX_SETTLED))


def read_unsettled(connection: sqlite3.Connection, chain_id: int, sender: bytes) -> list[TransactionRow]:
    """The account's transactions that are not final, by rising nonce."""
    return [transaction(row) for row in connection.execute(_UNSETTLED, (chain_id, sender.hex()))]


def read_spending(connection: sqlite3.Connection, chain_id: int, sender: bytes, since: int) -> dict[int, int]:
    """Wei that the account's included transactions cost, by Unix minute, from minute `since` on."""
    rows = connection.execute(_SPENDING, (chain_id, sender.hex(), since))
    return {read_int(minute): int(read_text(wei)) for minute, wei in rows}


def _book(
    connection: sqlite3.Connection, account: tuple[int, str], inclusion: Inclusion | None, sign: int
) -> None:
    # Costs of rows that earlier versions wrote have no time; those versions had no budget either.
    if inclusion is None or inclusion.seen_at == 0:
        return
    minute = inclusion.seen_at // 60
    known = connection.execute(_SPENT, (*account, minute)).fetchone()
    total = (0 if known is None else int(read_text(known[0]))) + sign * inclusion.cost
    connection.execute(_SPEND, (*account, minute, str(max(0, total))))
    if sign > 0:
        connection.execute(_FORGET_SPENDING, (*account, minute - SPENDING_MINUTES))


def transaction_row(row: TransactionRow) -> Row:
    """Columns of `evm_transaction`."""
    fees = row.fees
    if isinstance(fees, LegacyFees):
        kind, max_fee, max_tip = _LEGACY, fees.gas_price, fees.gas_price
    else:
        kind, max_fee, max_tip = _DYNAMIC, fees.max_fee_per_gas, fees.max_priority_fee_per_gas
    return (
        row.chain_id,
        row.sender.hex(),
        row.nonce,
        row.to.hex(),
        row.data.hex(),
        row.gas_limit,
        kind,
        str(max_fee),
        str(max_tip),
        row.raw.hex(),
        hex_list(row.hashes),
        row.sent_at_block,
        row.reference,
        row.state.value,
        _inclusion_text(row.inclusion),
        int(row.final),
        row.begun_at,
        row.begun_at_block,
        row.cancelled_from,
        str(row.reserved),
    )


def transaction(columns: Row) -> TransactionRow:
    """Row of columns of `evm_transaction`; `ValueError` if they are damaged."""
    value = dict(zip(_NAMES, columns, strict=True))
    cancelled_from = value["cancelled_from"]
    return TransactionRow(
        chain_id=read_int(value["chain_id"]),
        sender=read_bytes(value["sender"]),
        nonce=read_int(value["nonce"]),
        to=read_bytes(value["recipient"]),
        data=read_bytes(value["data"]),
        gas_limit=read_int(value["gas_limit"]),
        fees=_fees(value["transaction_type"], value["max_fee_per_gas"], value["max_priority_fee_per_gas"]),
        raw=read_bytes(value["raw"]),
        hashes=tuple(read_bytes(each) for each in read_list(value["hashes"])),
        sent_at_block=read_int(value["sent_at_block"]),
        reference=read_text(value["reference"]),
        state=TransactionState(read_text(value["state"])),
        inclusion=_inclusion(value["inclusion"]),
        final=bool(read_int(value["final"])),
        begun_at=read_int(value["begun_at"]),
        begun_at_block=read_int(value["begun_at_block"]),
        cancelled_from=None if cancelled_from is None else read_int(cancelled_from),
        reserved=int(read_text(value["reserved"])),
    )


def _fees(kind: object, max_fee: object, max_tip: object) -> Fees:
    match read_int(kind):
        case 2:
            return DynamicFees(int(read_text(max_fee)), int(read_text(max_tip)))
        case 0:
            return LegacyFees(int(read_text(max_fee)))
        case other:
            raise ValueError(f"{other} is no known type of transaction")


def _inclusion_text(included: Inclusion | None) -> str | None:
    if included is None:
        return None
    numbers = (included.block_number, included.gas_used, included.effective_gas_price)
    later = (included.block_hash.hex(), included.seen_at, included.l1_fee)
    return json.dumps([included.transaction_hash.hex(), *numbers, *later])


def _inclusion(column: object) -> Inclusion | None:
    if column is None:
        return None
    # The first two versions of the schema knew the first four only.
    known: Sequence[object] = read_list(column)
    transaction_hash, block_number, gas_used, price, block_hash, seen_at, l1_fee = (
        [*known, "", 0, 0] if len(known) == 4 else known
    )
    return Inclusion(
        read_bytes(transaction_hash),
        read_int(block_number),
        read_int(gas_used),
        read_int(price),
        read_bytes(block_hash),
        read_int(seen_at),
        read_int(l1_fee),
    )
