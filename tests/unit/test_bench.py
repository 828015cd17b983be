"""`ocr-peer bench crypto`: what is measured does the same work on both sides, and what it says without its packages."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner

from ocr_peer.bench.committee import EPOCH, ROUND, make_request
from ocr_peer.bench.crypto import crypto_rows
from ocr_peer.bench.pairing import compare
from ocr_peer.bench.python_follower import PythonFollower
from ocr_peer.cli import main
from ocr_peer.errors import OperatingError


def test_every_row_of_the_table_is_there() -> None:
    done = CliRunner().invoke(main, ["bench", "crypto", "--json", "--pairs", "3"], catch_exceptions=False)
    table = json.loads(done.stdout)
    assert set(table.pop("machine")) >= {"cpu", "curve25519_backend"}
    assert {path: list(rows) for path, rows in table.items()} == {
        "follower_step": ["4", "16", "31"],
        "packed_follower_step": ["31"],
        "verify_observations": ["4", "31", "100"],
        "report_signatures": ["11 of 31"],
        "median": ["4", "31", "100"],
        "keccak256": ["64", "1300"],
        "blake3": ["64", "1300"],
    }
    for figures in table["follower_step"].values():
        assert {"us", "us_median", "vs_python", "vs_python_median", "vs_primitives"} <= set(figures)


def test_both_sides_of_a_row_agree() -> None:
    for row in crypto_rows():
        assert row.native() == row.references["vs_python"]()


def test_the_python_peer_verifies_what_it_is_given() -> None:
    request = make_request(4)
    python = PythonFollower(request.digest, request.public_keys, request.secrets[0])
    body, signature, observer = request.items[2]
    request.items[2] = body, signature[:-1] + bytes((signature[-1] ^ 1,)), observer
    with pytest.raises(Exception, match="forged or corrupt"):
        python.step(EPOCH, ROUND, request.items)


def test_both_sides_run_equally_often_in_turns() -> None:
    turns: list[str] = []
    compared = compare(lambda: turns.append("a"), lambda: turns.append("b"), pairs=4)
    assert turns.count("a") > 4
    assert 0 < compared.min_us <= compared.median_us
    assert 0 < compared.reference_min_us <= compared.reference_median_us


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("ocr_peer.bench.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sha3", None)
    with pytest.raises(OperatingError, match=r"sha3.*pip install 'ocr-peer\[bench\]'"):
        CliRunner().invoke(main, ["bench", "crypto"], catch_exceptions=False, standalone_mode=False)
