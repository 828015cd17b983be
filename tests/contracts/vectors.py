"""The golden vectors these tests use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .signing import Oracle, address_of

VECTORS = Path(__file__).parents[1] / "vectors"


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]


def secret_keys() -> dict[str, bytes]:
    """The vectors' secp256k1 keys by address."""
    keys = set()
    for case in cases("ocr2_set_config"):
        for oracle in case["oracles"]:
            keys |= {oracle["onchain_sk"], oracle["transmitter_sk"]}
    by_address = {}
    for key in keys:
        secret = bytes.fromhex(key[2:])
        by_address[address_of(secret)] = secret
    return by_address


def oracles(case: dict[str, Any], keys: dict[str, bytes]) -> list[Oracle]:
    """The committee of a case of ocr2_onchain_e2e."""
    return [
        Oracle(keys[signer.lower()], keys[transmitter.lower()])
        for signer, transmitter in zip(case["signers"], case["transmitters"], strict=True)
    ]
