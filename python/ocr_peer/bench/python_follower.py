"""The protocol's work composed of the fastest Python packages: the named peer of the native module."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import sha3
from coincurve import PrivateKey, PublicKey
from nacl.bindings import crypto_sign_open

from ocr_peer.bench.committee import Item

__all__ = ["PythonFollower", "find_signers", "median_packed", "verify_observations"]


class PythonFollower:
    """PyNaCl verifies, pysha3 hashes, coincurve signs; the body's fixed layout is cut by slicing."""

    def __init__(self, digest: bytes, public_keys: Sequence[bytes], onchain_secret: bytes) -> None:
        self._digest = digest
        self._public_keys = public_keys
        self._key = PrivateKey(onchain_secret)

    def step(self, epoch: int, round_: int, items: Sequence[Item]) -> tuple[bytes, bytes]:
        """Check, sort, encode, hash and sign; returns report and signature."""
        verify_observations(self._digest, self._public_keys, epoch, round_, items)
        rows = []
        inputs = hashlib.sha256(struct.pack(">QQ", 0, len(items)))
        for body, _, observer in items:
            timestamp, after = _varint(body, 1)
            value = body[after + 2 : after + 26]
            juels = body[after + 28 : after + 52]
            rows.append((timestamp, _ordered(value), _ordered(juels), observer))
            inputs.update(struct.pack(">Q", len(body)) + body + bytes((observer,)))
        median_timestamp, median_juels = _sort(rows)
        report = b"".join(
            (
                median_timestamp.to_bytes(32, "big"),
                bytes(row[3] for row in rows).ljust(32, b"\0"),
                (128).to_bytes(32, "big"),
                _word(median_juels),
                len(rows).to_bytes(32, "big"),
                *(_word(row[1]) for row in rows),
            )
        )
        context = self._digest + bytes(27) + struct.pack(">IB", epoch, round_) + inputs.digest()
        signing_hash = sha3.keccak_256(sha3.keccak_256(report).digest() + context).digest()
        return report, self._key.sign_recoverable(signing_hash, hasher=None)

    def packed_step(self, epoch: int, round_: int, items: Sequence[Item]) -> tuple[bytes, bytes]:
        """The same for aggregator B."""
        verify_observations(self._digest, self._public_keys, epoch, round_, items)
        rows = []
        for body, _, observer in items:
            timestamp, after = _varint(body, 1)
            value = body[after + 2 : after + 26]
            juels = body[after + 28 : after + 52]
            rows.append((timestamp, _ordered(value), _ordered(juels), observer))
        median_timestamp, _ = _sort(rows)
        values = [int.from_bytes(row[1], "big") - (1 << 191) for row in rows]
        smallest = values[0]
        value_width = ((smallest if smallest >= 0 else ~smallest).bit_length() + 8) // 8
        width = ((values[-1] - smallest).bit_length() + 7) // 8
        report = b"".join(
            (
                median_timestamp.to_bytes(4, "big"),
                bytes((len(rows), value_width, width)),
                bytes(row[3] for row in rows),
                smallest.to_bytes(value_width, "big", signed=True),
                *((value - smallest).to_bytes(width, "big") for value in values[1:]),
            )
        )
        message = self._digest + struct.pack(">IB", epoch, round_) + report
        signing_hash = sha3.keccak_256(message).digest()
        return report, self._key.sign_recoverable(signing_hash, hasher=None)


def verify_observations(
    digest: bytes, public_keys: Sequence[bytes], epoch: int, round_: int, items: Sequence[Item]
) -> None:
    """Raises if an observation is not signed by its observer."""
    prefix = digest + struct.pack(">IBQ", epoch, round_, 0)
    for body, signature, observer in items:
        message = hashlib.sha256(prefix + struct.pack(">Q", len(body)) + body).digest()
        crypto_sign_open(signature + message, public_keys[observer])


def find_signers(
    signing_hash: bytes, signatures: Sequence[tuple[bytes, int]], addresses: Sequence[bytes], need: int
) -> list[int]:
    """The first `need` oracles that signed: coincurve recovers, pysha3 hashes the key to its address."""
    found: list[int] = []
    for signature, signer in signatures:
        if len(found) >= need:
            break
        key = PublicKey.from_signature_and_message(signature, signing_hash, hasher=None)
        address = sha3.keccak_256(key.format(compressed=False)[1:]).digest()[12:]
        if address == addresses[signer] and signer not in found:
            found.append(signer)
    return found


def median_packed(values: Sequence[bytes]) -> bytes:
    """sorted() on integers, with the conversions from and to int192."""
    numbers = sorted([int.from_bytes(value, "big", signed=True) for value in values])
    return numbers[len(numbers) // 2].to_bytes(24, "big", signed=True)


def _sort(rows: list[tuple[int, bytes, bytes, int]]) -> tuple[int, bytes]:
    """Into the order of a report; returns the median timestamp and the median juels."""
    middle = len(rows) // 2
    rows.sort(key=lambda row: row[1])
    rows.sort(key=lambda row: row[0])
    median_timestamp = rows[middle][0]
    rows.sort(key=lambda row: row[2])
    median_juels = rows[middle][2]
    rows.sort(key=lambda row: row[1])
    return median_timestamp, median_juels


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[position]
        value |= (byte & 0x7F) << shift
        shift += 7
        position += 1
        if byte < 0x80:
            return value, position


def _ordered(value: bytes) -> bytes:
    """With the sign bit flipped, bytes compare as the numbers do."""
    return bytes((value[0] ^ 0x80,)) + value[1:]


def _word(ordered: bytes) -> bytes:
    return (b"\xff" * 8 if ordered[0] < 0x80 else bytes(8)) + bytes((ordered[0] ^ 0x80,)) + ordered[1:]
