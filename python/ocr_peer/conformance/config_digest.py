"""`ocr2_evm_config_digest`: the digest that names a configuration of a contract on an EVM chain."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_peer import crypto
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import UINT8_MAX, UINT64_MAX, UINT256_MAX
from ocr_peer.conformance.record import Record

__all__ = ["digest_of", "expect_config_digest", "run_config_digest"]

_DIGEST_BYTES = 32


def run_config_digest(case: Record, keys: KnownKeys) -> None:
    """One case: arguments of `setConfig` and where they were sent, and the digest."""
    expect_config_digest(case, case.addresses("signers"), case.addresses("transmitters"))


def expect_config_digest(case: Record, signers: Sequence[bytes], transmitters: Sequence[bytes]) -> None:
    """Compare the digest of a case that states `setConfig`'s other arguments under their usual names."""
    case.expect_octets("config_digest", digest_of(case, signers, transmitters), length=_DIGEST_BYTES)


def digest_of(case: Record, signers: Sequence[bytes], transmitters: Sequence[bytes]) -> bytes:
    """What this implementation calls the configuration."""
    return crypto.evm_config_digest(
        case.wide("chain_id", high=UINT256_MAX),
        case.address("contract_address"),
        case.wide("config_count", high=UINT64_MAX),
        signers,
        transmitters,
        case.small("f", high=UINT8_MAX),
        case.octets("onchain_config"),
        case.wide("offchain_config_version", high=UINT64_MAX),
        case.octets("offchain_config"),
    )
