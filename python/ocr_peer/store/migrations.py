"""The schema, as the list of steps that led to it. Append a step; never change one that was released.

Portable SQL, so that PostgreSQL can run the same steps: no autoincrement, no blobs. Bytes are lower-case hex
in TEXT, lists are JSON in TEXT, integers are signed 64-bit (BIGINT), instants nanoseconds since 1970, amounts
of wei decimal in TEXT because they need not fit 64 bits.
"""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

_FIRST = (
    """
    CREATE TABLE pacemaker (
        config_digest TEXT NOT NULL PRIMARY KEY,
        epoch BIGINT NOT NULL,
        highest_wished_epoch BIGINT NOT NULL,
        wishes TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE follower (
        config_digest TEXT NOT NULL PRIMARY KEY,
        epoch BIGINT NOT NULL,
        observed_round BIGINT NOT NULL,
        reported_round BIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE pending_transmission (
        config_digest TEXT NOT NULL,
        epoch BIGINT NOT NULL,
        round BIGINT NOT NULL,
        finalized_at BIGINT NOT NULL,
        due BIGINT NOT NULL,
        attempt BIGINT NOT NULL,
        extra_hash TEXT NOT NULL,
        report TEXT NOT NULL,
        signatures TEXT NOT NULL,
        PRIMARY KEY (config_digest, epoch, round)
    )
    """,
    """
    CREATE TABLE contract_config (
        contract TEXT NOT NULL PRIMARY KEY,
        config_digest TEXT NOT NULL,
        config_count BIGINT NOT NULL,
        signers TEXT NOT NULL,
        transmitters TEXT NOT NULL,
        f BIGINT NOT NULL,
        onchain_config TEXT NOT NULL,
        offchain_config_version BIGINT NOT NULL,
        offchain_config TEXT NOT NULL,
        block_number BIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE peer_record (
        peer_id TEXT NOT NULL PRIMARY KEY,
        record TEXT NOT NULL,
        seen_at BIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE evm_transaction (
        chain_id BIGINT NOT NULL,
        sender TEXT NOT NULL,
        nonce BIGINT NOT NULL,
        recipient TEXT NOT NULL,
        data TEXT NOT NULL,
        gas_limit BIGINT NOT NULL,
        max_fee_per_gas TEXT NOT NULL,
        max_priority_fee_per_gas TEXT NOT NULL,
        raw TEXT NOT NULL,
        hashes TEXT NOT NULL,
        sent_at_block BIGINT NOT NULL,
        reference TEXT NOT NULL,
        state TEXT NOT NULL,
        inclusion TEXT,
        PRIMARY KEY (chain_id, sender, nonce)
    )
    """,
    "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",
)

_EVIDENCE = (
    """
    CREATE TABLE evidence (
        config_digest TEXT NOT NULL,
        oracle BIGINT NOT NULL,
        kind TEXT NOT NULL,
        epoch BIGINT NOT NULL,
        round BIGINT NOT NULL,
        public_key TEXT NOT NULL,
        first_payload TEXT NOT NULL,
        first_signature TEXT NOT NULL,
        second_payload TEXT NOT NULL,
        second_signature TEXT NOT NULL,
        PRIMARY KEY (config_digest, oracle, kind, epoch, round)
    )
    """,
)

_FINALITY_AND_SPENDING = (
    "ALTER TABLE evm_transaction ADD COLUMN transaction_type BIGINT NOT NULL DEFAULT 2",
    "ALTER TABLE evm_transaction ADD COLUMN final BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE evm_transaction ADD COLUMN begun_at BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE evm_transaction ADD COLUMN begun_at_block BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE evm_transaction ADD COLUMN cancelled_from BIGINT",
    "ALTER TABLE evm_transaction ADD COLUMN reserved TEXT NOT NULL DEFAULT '0'",
    # Until now a transaction was forgotten as soon as a block held it.
    "UPDATE evm_transaction SET final = 1 WHERE state <> 'in_flight'",
    "UPDATE evm_transaction SET begun_at_block = sent_at_block",
    """
    CREATE TABLE evm_spending (
        chain_id BIGINT NOT NULL,
        sender TEXT NOT NULL,
        minute BIGINT NOT NULL,
        wei TEXT NOT NULL,
        PRIMARY KEY (chain_id, sender, minute)
    )
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _EVIDENCE, _FINALITY_AND_SPENDING)
"""Step i takes a database from schema version i to i + 1."""
