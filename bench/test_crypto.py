"""The crypto table: each hot path against its named peer and, where it has one, its bare primitives."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from ocr_peer.bench.crypto import Row, crypto_rows, measure

_PAIRS = 60


@pytest.mark.parametrize("row", list(crypto_rows()), ids=lambda row: f"{row.path}-{row.size}")
def test_crypto(benchmark: BenchmarkFixture, row: Row) -> None:
    benchmark.extra_info |= measure(row, pairs=_PAIRS)
    benchmark(row.native)
