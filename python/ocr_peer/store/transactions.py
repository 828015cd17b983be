"""The chain adapter's transactions, in the same file and under the same promise as the votes."""

from __future__ import annotations

import json
import sqlite3

from ocr_peer.evm.fees import Fees
from ocr_peer.evm.transactions import Inclusion, TransactionRow, TransactionState
from ocr_peer.store.columns import Row, hex_list, read_bytes, read_int, read_list, read_text

__all__ = ["MAX_SETTLED", "read_in_flight", "save_transaction", "transaction", "transaction_row"]

MAX_SETTLED = 1_000
"""Settled transactions are kept for this many nonces back, for each account on each chain."""

_COLUMNS = (
    "chain_id, sender, nonce, recipient, data, gas_limit, max_fee_per_gas, max_priority_fee_per_gas,"
    " raw, hashes, sent_at_block, reference, state, inclusion"
)
_SAVE = f"""
INSERT INTO evm_transaction ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (chain_id, sender, nonce) DO UPDATE SET
    recipient = excluded.recipient, data = excluded.data, gas_limit = excluded.gas_limit,
    max_fee_per_gas = excluded.max_fee_per_gas,
    max_priority_fee_per_gas = excluded.max_priority_fee_per_gas,
    raw = excluded.raw, hashes = excluded.hashes, sent_at_block = excluded.sent_at_block,
    reference = excluded.reference, state = excluded.state, inclusion = excluded.inclusion
"""  # noqa: S608 - fixed text
_IN_FLIGHT = f"""
SELECT {_COLUMNS} FROM evm_transaction WHERE chain_id = ? AND sender = ? AND state = ? ORDER BY nonce
"""  # noqa: S608
_FORGET = "DELETE FROM evm_transaction WHERE chain_id = ? AND sender = ? AND state <> ? AND nonce <= ?"


def save_transaction(connection: sqlite3.Connection, row: TransactionRow) -> None:
    """Insert the row, or replace the one of the same key; of old settled ones, forget some."""
    connection.execute(_SAVE, transaction_row(row))
    if row.state is not TransactionState.IN_FLIGHT:
        forgotten = (
            row.chain_id,
            row.sender.hex(),
            TransactionState.IN_FLIGHT.value,
            row.nonce - MAX_SETTLED,
        )
        connection.execute(_FORGET, forgotten)


def read_in_flight(connection: sqlite3.Connection, chain_id: int, sender: bytes) -> list[TransactionRow]:
    """The account's unsettled transactions by rising nonce."""
    parameters = (chain_id, sender.hex(), TransactionState.IN_FLIGHT.value)
    return [transaction(row) for row in connection.execute(_IN_FLIGHT, parameters)]


def transaction_row(row: TransactionRow) -> Row:
    """Columns of `evm_transaction`."""
    inclusion = None
    if row.inclusion is not None:
        included = row.inclusion
        numbers = (included.block_number, included.gas_used, included.effective_gas_price)
        inclusion = json.dumps([included.transaction_hash.hex(), *numbers])
    return (
        row.chain_id,
        row.sender.hex(),
        row.nonce,
        row.to.hex(),
        row.data.hex(),
        row.gas_limit,
        str(row.fees.max_fee_per_gas),
        str(row.fees.max_priority_fee_per_gas),
        row.raw.hex(),
        hex_list(row.hashes),
        row.sent_at_block,
        row.reference,
        row.state.value,
        inclusion,
    )


def transaction(columns: Row) -> TransactionRow:
    """Row of columns of `evm_transaction`; `ValueError` if they are damaged."""
    chain_id, sender, nonce, to, data, gas_limit, max_fee, max_tip = columns[:8]
    raw, hashes, sent_at_block, reference, state, inclusion = columns[8:]
    included = None
    if inclusion is not None:
        transaction_hash, block_number, gas_used, price = read_list(inclusion)
        included = Inclusion(
            read_bytes(transaction_hash), read_int(block_number), read_int(gas_used), read_int(price)
        )
    return TransactionRow(
        chain_id=read_int(chain_id),
        sender=read_bytes(sender),
        nonce=read_int(nonce),
        to=read_bytes(to),
        data=read_bytes(data),
        gas_limit=read_int(gas_limit),
        fees=Fees(int(read_text(max_fee)), int(read_text(max_tip))),
        raw=read_bytes(raw),
        hashes=tuple(read_bytes(each) for each in read_list(hashes)),
        sent_at_block=read_int(sent_at_block),
        reference=read_text(reference),
        state=TransactionState(read_text(state)),
        inclusion=included,
    )
