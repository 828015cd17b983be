"""A development EVM chain in this process, for local committees and tests; never for funds."""

from ocr_devnet._native import Connection, Devnet

__all__ = ["Connection", "Devnet"]
