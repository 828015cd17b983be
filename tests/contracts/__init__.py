"""Tests of the contracts, on a real EVM, through JSON-RPC."""
