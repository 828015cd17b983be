"""The follower step composed of the fastest Python packages: the named peer of the native one."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import sha3
from coincurve import PrivateKey
from nacl.bindings import crypto_sign_open

Item = tuple[bytes, bytes, int]


class PythonFollower:
    """PyNaCl verifies, pysha3 hashes, coincurve signs; the body's fixed layout is cut by slicing."""

    def __init__(self, digest: bytes, public_keys: Sequence[bytes], onchain_secret: bytes) -> None:
        self._digest = digest
        self._public_keys = public_keys
        self._key = PrivateKey(onchain_secret)

    def step(self, epoch: int, round_: int, items: Sequence[Item]) -> tuple[bytes, bytes]:
        """Check, sort, encode, hash and sign; returns report and signature."""
        prefix = self._digest + struct.pack(">IBQ", epoch, round_, 0)
        rows = []
        inputs = hashlib.sha256(struct.pack(">QQ", 0, len(items)))
        for body, signature, observer in items:
            message = hashlib.sha256(prefix + struct.pack(">Q", len(body)) + body).digest()
            crypto_sign_open(signature + message, self._public_keys[observer])
            timestamp = 0
            shift = 0
            position = 1
            while True:
                byte = body[position]
                timestamp |= (byte & 0x7F) << shift
                shift += 7
                position += 1
                if byte < 0x80:
                    break
            value = body[position + 2 : position + 26]
            juels = body[position + 28 : position + 52]
            rows.append((timestamp, value, juels, observer))
            inputs.update(struct.pack(">Q", len(body)) + body + bytes((observer,)))
        middle = len(rows) // 2
        rows.sort(key=lambda row: row[1])
        rows.sort(key=lambda row: row[0])
        median_timestamp = rows[middle][0]
        rows.sort(key=lambda row: row[2])
        median_juels = rows[middle][2]
        rows.sort(key=lambda row: row[1])
        report = b"".join(
            (
                median_timestamp.to_bytes(32, "big"),
                bytes(row[3] for row in rows).ljust(32, b"\0"),
                (128).to_bytes(32, "big"),
                bytes(8) + median_juels,
                len(rows).to_bytes(32, "big"),
                *(bytes(8) + row[1] for row in rows),
            )
        )
        context = self._digest + bytes(27) + struct.pack(">IB", epoch, round_) + inputs.digest()
        signing_hash = sha3.keccak_256(sha3.keccak_256(report).digest() + context).digest()
        return report, self._key.sign_recoverable(signing_hash, hasher=None)
