"""Durable state of a node: votes, pending transmissions, configurations, transactions. SQLite, one file.

Why it is durable: a vote that leaves the node before it is on disk could be contradicted after a crash. So
every write is one transaction that is flushed to disk (WAL, `synchronous=FULL`) before the call returns, and
after the first failure all further writes fail.
"""

from __future__ import annotations

from ocr_peer.store.evidence import kept_evidence
from ocr_peer.store.sqlite import SqliteStore, open_store

__all__ = ["SqliteStore", "kept_evidence", "open_store"]
