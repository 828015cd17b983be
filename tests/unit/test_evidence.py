"""Proofs on disk and on paper: kept within bounds, shown while the node runs, checked without it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ocr_peer import crypto
from ocr_peer.cli import main
from ocr_peer.cli.evidence import evidence_object, read_evidence_line
from ocr_peer.errors import InputError
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.evidence import Evidence, EvidenceKind, SignedPayload
from ocr_peer.protocol.report import RoundTag
from ocr_peer.store import kept_evidence, open_store
from ocr_peer.store.evidence import MAX_EVIDENCE

DIGEST = ConfigDigest(b"\x00\x01" + bytes(range(30)))


def proof(epoch: int = 3, oracle: int = 1) -> Evidence:
    seed = bytes([oracle + 1]) * 32
    signer = crypto.OffchainSigner(seed)
    payloads = [
        SignedPayload(body, signer.sign_observation(DIGEST, epoch, 2, b"", body)) for body in (b"one", b"two")
    ]
    return Evidence(
        DIGEST,
        OracleId(oracle),
        crypto.ed25519_public_key(seed),
        EvidenceKind.OBSERVATION,
        RoundTag(epoch, 2),
        payloads[0],
        payloads[1],
    )


def node_toml(directory: Path) -> Path:
    path = directory / "node.toml"
    path.write_text(f'data_dir = "{directory / "data"}"\n')
    return path


async def test_proofs_are_kept_within_a_bound_and_read_beside_the_running_node(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    async with open_store(directory) as store:
        for epoch in range(1, MAX_EVIDENCE + 5):
            await store.write(DIGEST, [proof(epoch)])
        await store.write(DIGEST, [replace(proof(1), second=SignedPayload(b"other", bytes(64)))])
        await store.write(DIGEST, [proof(7, oracle=2)])
        kept = kept_evidence(directory)
    assert kept == [*(proof(epoch) for epoch in range(1, MAX_EVIDENCE + 1)), proof(7, oracle=2)]
    assert kept_evidence(directory) == kept, "and after it has ended"


async def test_show_prints_what_verify_reads(tmp_path: Path) -> None:
    config = node_toml(tmp_path)
    async with open_store(tmp_path / "data") as store:
        await store.write(DIGEST, [proof()])
        shown = CliRunner().invoke(main, ["evidence", "show", "--config", str(config), "--json"])
        words = CliRunner().invoke(main, ["evidence", "show", "--config", str(config)])
    assert shown.exit_code == 0
    assert "oracle 1" in words.stdout
    assert "signed two different observations for one round: 3/2" in words.stdout
    verified = CliRunner().invoke(main, ["evidence", "verify", "-"], input=shown.stdout)
    assert verified.exit_code == 0
    assert verified.stdout.startswith("holds: oracle 1 of configuration 0x0001")


async def test_a_proof_about_packed_reports_says_so_wherever_it_goes(tmp_path: Path) -> None:
    secret = b"\7" * 32
    signer = crypto.OnchainSigner(secret)
    signed = [
        SignedPayload(report, signer.sign_packed_report(DIGEST, 3, 2, report)) for report in (b"one", b"two")
    ]
    packed = Evidence(
        DIGEST, OracleId(1), signer.address, EvidenceKind.PACKED_REPORT, RoundTag(3, 2), *signed
    )
    async with open_store(tmp_path / "data") as store:
        await store.write(DIGEST, [packed])
    assert kept_evidence(tmp_path / "data") == [packed]
    shown = CliRunner().invoke(main, ["evidence", "show", "--config", str(node_toml(tmp_path)), "--json"])
    assert json.loads(shown.stdout)["kind"] == "packed_report"
    verified = CliRunner().invoke(main, ["evidence", "verify", "-"], input=shown.stdout)
    assert verified.exit_code == 0
    assert "signed two different packed reports for one round: 3/2" in verified.stdout
    # The same signatures are no proof about reports of the other format.
    renamed = shown.stdout.replace("packed_report", "report")
    assert CliRunner().invoke(main, ["evidence", "verify", "-"], input=renamed).exit_code == 1


def test_verify_tells_a_proof_that_does_not_hold(tmp_path: Path) -> None:
    good = evidence_object(proof())
    bad = {**good, "round": 3}
    file = tmp_path / "proofs.jsonl"
    file.write_text(f"{json.dumps(good)}\n\n{json.dumps(bad)}\n")
    verified = CliRunner().invoke(main, ["evidence", "verify", str(file)])
    assert verified.exit_code == 1
    assert [line.split(":")[0] for line in verified.stdout.splitlines()] == ["holds", "DOES NOT HOLD"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "opinion"}, "p: kind = opinion"),
        ({"kind": ["report"]}, "p: kind = ['report']"),
        ({"kind": {"report": 1}}, "p: kind = {'report': 1}"),
        ({"kind": "a\x1bc\u202eb"}, r"p: kind = a\x1bc\u202eb"),
        ({"kind": "\x1b" * 5000}, r"p: kind = \x1b\x1b"),
        ({"key": "0x0"}, "p: key = 0x0"),
        ({"key": None}, "p: key"),
        ({"epoch": -1}, "p: epoch = -1"),
        ({"epoch": True}, "p: epoch = True"),
        ({"round": "2"}, "p: round = 2"),
        ({"first": []}, "p: first = []"),
        ({"second": {"payload": "0x"}}, "p: second: signature"),
    ],
)
def test_a_malformed_proof_is_an_error_that_names_the_key(change: dict[str, Any], said: str) -> None:
    line = json.dumps({**evidence_object(proof()), **change}).encode()
    with pytest.raises(InputError) as caught:
        read_evidence_line(line, "p")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "line", [b"nothing", b"[]", b"[[[[[[", b'{"kind": "' + b"x" * 70_000 + b'"}', b"\xff"]
)
def test_what_is_no_proof_at_all_is_an_error(line: bytes) -> None:
    with pytest.raises(InputError, match="write one proof a line"):
        read_evidence_line(line, "p")


def test_proofs_read_back_the_same() -> None:
    assert read_evidence_line(json.dumps(evidence_object(proof())).encode(), "p") == proof()


def test_a_store_that_is_missing_old_or_damaged_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no store"):
        kept_evidence(tmp_path)
    path = tmp_path / "node.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE pacemaker (epoch BIGINT)")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="start the node once"):
        kept_evidence(tmp_path)
