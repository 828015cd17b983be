"""The follower step: native against the best composition of Python packages, paired in one run."""

from __future__ import annotations

import statistics
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.python_follower import Item, PythonFollower
from ocr_peer import crypto

_PAIRS = 30


def _request(n: int) -> tuple[crypto.Committee, PythonFollower, crypto.OnchainSigner, bytes, list[Item]]:
    digest = b"\x00\x01" + bytes(range(30))
    seeds = [bytes([index + 1]) * 32 for index in range(n)]
    public_keys = [crypto.ed25519_public_key(seed) for seed in seeds]
    addresses = [crypto.secp256k1_address(seed) for seed in seeds]
    committee = crypto.Committee(digest, (n - 1) // 3, public_keys, addresses)
    items = []
    for observer, seed in enumerate(seeds):
        body = crypto.encode_observation(
            1_700_000_000 + observer,
            (10**10 + 7919 * observer).to_bytes(24, "big"),
            (observer + 1).to_bytes(24, "big"),
        )
        signature = crypto.OffchainSigner(seed).sign_observation(digest, 7, 3, b"", body)
        items.append((body, signature, observer))
    return (
        committee,
        PythonFollower(digest, public_keys, seeds[0]),
        crypto.OnchainSigner(seeds[0]),
        digest,
        items,
    )


@pytest.mark.parametrize("n", [4, 16, 31])
def test_follower_step(benchmark: BenchmarkFixture, n: int) -> None:
    committee, python, signer, digest, items = _request(n)

    def native() -> tuple[bytes, bytes]:
        built = committee.verify_and_build_report(7, 3, b"", items)
        return built.report, signer.sign_report(digest, 7, 3, built.extra_hash, built.report)

    def composed() -> tuple[bytes, bytes]:
        return python.step(7, 3, items)

    assert native() == composed()
    ratios, native_us, python_us = [], [], []
    for _ in range(_PAIRS):
        first = time.perf_counter_ns()
        native()
        second = time.perf_counter_ns()
        composed()
        third = time.perf_counter_ns()
        native_us.append((second - first) / 1000)
        python_us.append((third - second) / 1000)
        ratios.append((third - second) / (second - first))
    benchmark.extra_info |= {
        "n": n,
        "min_us": round(min(native_us), 1),
        "python_min_us": round(min(python_us), 1),
        "times_faster_than_python": round(statistics.median(ratios), 2),
    }
    benchmark(native)
