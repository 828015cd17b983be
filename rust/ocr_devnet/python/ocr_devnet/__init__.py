"""A development EVM chain in this process, for local committees and tests; never for funds."""

from ocr_devnet._native import Devnet

__all__ = ["Devnet"]
