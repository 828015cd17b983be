"""`ocr-peer devnet`: a development EVM chain with a JSON-RPC endpoint on this machine."""

from ocr_peer.devnet.command import run_devnet
from ocr_peer.devnet.options import DevnetOptions, parse_fund

__all__ = ["DevnetOptions", "parse_fund", "run_devnet"]
