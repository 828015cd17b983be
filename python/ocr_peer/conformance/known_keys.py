"""Off-chain public keys by on-chain address, for signatures in files that do not state the keys themselves.

`ocr2_median_report` names its oracles by their on-chain keys only; their ed25519 keys are those of
`ocr2_set_config`. The keys of the published vectors come with this package, so that each published file can be
checked alone; those of other oracles are taken from the `ocr2_set_config` files of the same run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ocr_peer.conformance.reading import VectorFormatError, octets_of

__all__ = ["KnownKeys", "known_keys", "published_keys"]

KnownKeys = Mapping[bytes, bytes]
"""ed25519 public key, 32 bytes, by on-chain signing address, 20 bytes."""

_KEY, _ADDRESS = "offchain_public_key", "onchain_address"


@cache
def published_keys() -> KnownKeys:
    """The oracles of the published vectors."""
    document = json.loads(files(__package__).joinpath("published_keys.json").read_bytes())
    return MappingProxyType(
        {bytes.fromhex(address): bytes.fromhex(key) for address, key in document["keys"].items()}
    )


def known_keys(set_config_cases: Iterable[Any]) -> KnownKeys:
    """The published keys and those that the cases of `ocr2_set_config` files state.

    What is malformed is passed over: it is told when its own file is run.
    """
    keys = dict(published_keys())
    for case in set_config_cases:
        oracles = case.get("oracles") if isinstance(case, dict) else None
        for oracle in oracles if isinstance(oracles, list) else []:
            if not isinstance(oracle, dict):
                continue
            try:
                address = octets_of(oracle.get(_ADDRESS), _ADDRESS, length=20)
                keys[address] = octets_of(oracle.get(_KEY), _KEY, length=32)
            except VectorFormatError:
                continue
    return MappingProxyType(keys)
