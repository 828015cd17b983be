"""The rows of the crypto table: each hot path against its named peer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import blake3
import sha3

from ocr_peer import crypto
from ocr_peer.bench.committee import EPOCH, ROUND, Item, make_request, packed_prices
from ocr_peer.bench.pairing import Work, compare
from ocr_peer.bench.python_follower import PythonFollower, find_signers, median_packed, verify_observations
from ocr_peer.errors import InvariantError

__all__ = ["AGAINST_PRIMITIVES", "AGAINST_PYTHON", "Row", "crypto_rows", "measure"]

AGAINST_PYTHON = "vs_python"
AGAINST_PRIMITIVES = "vs_primitives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One hot path at one size."""

    path: str
    size: str
    native: Work
    references: dict[str, Work]
    """By the name of their ratio. The Python reference gave the same result."""
    peer: str
    """What the Python reference consists of."""


def measure(row: Row, *, pairs: int) -> dict[str, float]:
    """Microseconds and ratios of a row, each as minimum and median of the pairs.

    A ratio tells how many times longer the reference takes; that of the minima is `vs_…`.
    """
    found: dict[str, float] = {}
    for ratio, reference in row.references.items():
        side = ratio.removeprefix("vs_")
        compared = compare(row.native, reference, pairs=pairs)
        found |= {
            # The native side is timed once for each reference; each ratio is of its own pairs.
            "us": round(min(compared.min_us, found.get("us", compared.min_us)), 2),
            "us_median": found.get("us_median", round(compared.median_us, 2)),
            f"{side}_us": round(compared.reference_min_us, 2),
            f"{side}_us_median": round(compared.reference_median_us, 2),
            ratio: round(compared.ratio, 2),
            f"{ratio}_median": round(compared.median_ratio, 2),
        }
    return found


def crypto_rows() -> Iterator[Row]:
    """Every row, in the table's order."""
    yield from (_follower_step(n) for n in (4, 16, 31))
    yield _packed_follower_step(31)
    yield from (_observations(count) for count in (4, 31, 100))
    yield _report_signatures(31)
    yield from (_median(count) for count in (4, 31, 100))
    yield from _hashes()


def _row(path: str, size: object, native: Work, reference: Work, peer: str, **more: Work) -> Row:
    if native() != reference():
        raise InvariantError(f"{path} of {size}: the native module and {peer} disagree")
    return Row(
        path=path,
        size=str(size),
        native=native,
        references={AGAINST_PYTHON: reference, **more},
        peer=peer,
    )


def _follower_step(n: int) -> Row:
    request = make_request(n)
    python = PythonFollower(request.digest, request.public_keys, request.secrets[0])
    committee, signer, items = request.committee, request.signer, request.items

    def native() -> tuple[bytes, bytes]:
        built = committee.verify_and_build_report(EPOCH, ROUND, b"", items)
        return built.report, signer.sign_report(request.digest, EPOCH, ROUND, built.extra_hash, built.report)

    report, _ = native()
    signed = zip(request.public_keys, request.preimages(), items, strict=True)
    primitives = crypto.BarePrimitives(
        [(key, preimage, signature) for key, preimage, (_, signature, _) in signed],
        report,
        request.secrets[0],
    )
    if not primitives.run():
        raise InvariantError("the bare primitives refuse the request")
    peer = "PyNaCl, hashlib, safe-pysha3, coincurve"
    python_step = partial(python.step, EPOCH, ROUND, items)
    return _row("follower_step", n, native, python_step, peer, **{AGAINST_PRIMITIVES: primitives.run})


def _packed_follower_step(n: int) -> Row:
    request = make_request(n)
    python = PythonFollower(request.digest, request.public_keys, request.secrets[0])
    addresses = [crypto.secp256k1_address(secret) for secret in request.secrets]
    committee = crypto.Committee(
        request.digest, request.f, request.public_keys, addresses, report_format="packed"
    )
    signer, items = request.signer, request.items

    def native() -> tuple[bytes, bytes]:
        built = committee.verify_and_build_report(EPOCH, ROUND, b"", items)
        return built.report, signer.sign_packed_report(request.digest, EPOCH, ROUND, built.report)

    peer = "PyNaCl, hashlib, safe-pysha3, coincurve"
    return _row("packed_follower_step", n, native, partial(python.packed_step, EPOCH, ROUND, items), peer)


def _observations(count: int) -> Row:
    request = make_request(min(count, 31))
    items: list[Item] = [request.items[index % len(request.items)] for index in range(count)]
    native = partial(request.committee.verify_observations, EPOCH, ROUND, b"", items)

    def reference() -> list[bool]:
        verify_observations(request.digest, request.public_keys, EPOCH, ROUND, items)
        return [True] * count

    return _row("verify_observations", count, native, reference, "PyNaCl, hashlib")


def _report_signatures(n: int) -> Row:
    request = make_request(n)
    need = request.f + 1
    digest = crypto.keccak256(b"a report in its context")
    signatures = [
        (crypto.secp256k1_sign(secret, digest), index) for index, secret in enumerate(request.secrets)
    ]
    addresses = [crypto.secp256k1_address(secret) for secret in request.secrets]
    verify = request.committee.verify_report_signatures
    return _row(
        "report_signatures",
        f"{need} of {n}",
        lambda: verify(digest, signatures, need)[0],
        lambda: find_signers(digest, signatures, addresses, need),
        "coincurve, safe-pysha3",
    )


def _median(count: int) -> Row:
    values = packed_prices(count)
    native, reference = partial(crypto.median_packed, values), partial(median_packed, values)
    return _row("median", count, native, reference, "sorted() on int, with both conversions")


def _hashes() -> Iterator[Row]:
    for size in (64, 1300):
        data = random.Random(size).randbytes(size)  # noqa: S311  any bytes will do
        yield _keccak256(size, data)
        native = partial(crypto.blake3, data)
        yield _row("blake3", size, native, partial(_blake3, data), "blake3")


def _keccak256(size: int, data: bytes) -> Row:
    return _row("keccak256", size, partial(crypto.keccak256, data), partial(_sha3, data), "safe-pysha3")


def _sha3(data: bytes) -> bytes:
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def _blake3(data: bytes) -> bytes:
    return blake3.blake3(data).digest()
