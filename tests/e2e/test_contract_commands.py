"""The owner's way from nothing to a living feed, with the commands that people type."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocr_peer import crypto
from ocr_peer.evm.address import checksum_address
from tests.e2e.chains import CHAINS, OWNER, OWNER_KEY, RunningChain
from tests.e2e.demo_process import COMMAND

TIMING = ["--delta-round=3s", "--delta-grace=500ms", "--delta-stage=10s", "--alpha-report=0%"]


@dataclass(frozen=True)
class Ground:
    """A chain, and a folder with an owner's key and four nodes with their identity files."""

    chain: RunningChain
    folder: Path

    def run(self, *arguments: str, answer: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
            input=answer, env=os.environ | {"OCR_PEER_RPC": self.chain.rpc_url},
        )  # fmt: skip

    def contract(
        self, command: str, *arguments: str, answer: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command that sends, with the chain and the owner's key filled in."""
        options = ["--chain-id", str(self.chain.chain_id), "--key-file", "owner.key"]
        return self.run("contract", command, *options, *arguments, answer=answer)

    def deploy(self, description: str, *arguments: str) -> str:
        limits = ["--min", "0.01", "--max", "1000000"]
        done = self.contract("deploy", *limits, "--description", description, "--yes", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["address"])

    def show(self, address: str) -> dict[str, Any]:
        done = self.run("contract", "show", address, "--json")
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    def nonce(self) -> object:
        return self.chain.call("eth_getTransactionCount", OWNER, "pending")


@contextmanager
def prepared(chain_name: str, folder: Path) -> Iterator[Ground]:
    """A chain, the owner's key and the identity files of four nodes."""
    key = folder / "owner.key"
    key.write_text(OWNER_KEY.hex())
    key.chmod(0o600)
    with CHAINS[chain_name]() as chain:
        ground = Ground(chain, folder)
        for number in range(4):
            node = f"node{number}"
            made = ground.run(
                *("init", "--directory", node, "--kdf", "light", "--chain-id", str(chain.chain_id)),
                *("--rpc-url", chain.rpc_url, "--listen", "127.0.0.1:0"),
            )
            assert made.returncode == 0, made.stderr
            config = ["--config", f"{node}/node.toml", "--out", f"{node}.json"]
            assert ground.run("keys", "identity", *config, "--name", f"Operator {number}").returncode == 0
        yield ground


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The project's own development chain: enough for what is refused before anything is sent."""
    with prepared("devnet", tmp_path_factory.mktemp("devnet")) as ground:
        yield ground


@pytest.fixture(scope="module", params=[name for name in CHAINS if name != "devnet"])
def foreign_ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """A chain of others."""
    with prepared(request.param, tmp_path_factory.mktemp(request.param)) as ground:
        yield ground


@pytest.fixture(scope="module")
def feed(ground: Ground) -> str:
    """A deployed aggregator without a configuration."""
    return ground.deploy("ETH / USD", "--heartbeat", "1h", "--max-age", "10m")


FILES = ["node0.json", "node1.json", "node2.json", "node3.json"]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a refusal; what was about to be sent may stand before it."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("ocr-peer: error: ")
    return line.removeprefix("ocr-peer: error: ")


@pytest.mark.parametrize("letter", ["A", "B"])
def test_from_nothing_to_a_configured_contract(ground: Ground, letter: str) -> None:
    configure(ground, letter)


@pytest.mark.parametrize("letter", ["A", "B"])
def test_the_same_on_a_chain_of_others(foreign_ground: Ground, letter: str) -> None:
    configure(foreign_ground, letter)


def configure(ground: Ground, letter: str) -> None:
    address = ground.deploy(f"feed {letter}", "--contract", letter, "--heartbeat", "30m", "--decimals", "6")
    shown = ground.show(address)
    assert shown["type_and_version"] == {"A": "Aggregator 1.0.0", "B": "PackedAggregator 1.0.0"}[letter]
    assert shown["report_format"] == {"A": "ocr2", "B": "packed"}[letter]
    assert (shown["min_answer"], shown["max_answer"], shown["decimals"]) == ("10000", "1000000000000", 6)
    assert (shown["owner"], shown["configuration"], shown["latest"]) == (OWNER, None, None)
    assert (shown["heartbeat_s"], shown["max_age_s"]) == (1800, 0)

    arguments = ["--contract-address", address, "--oracle", *FILES, "--contract", letter, *TIMING]
    done = ground.contract("set-config", *arguments, "--json", answer="y\n")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    configuration = ground.show(address)["configuration"]
    assert configuration["config_digest"] == result["config_digest"]
    assert (configuration["config_count"], configuration["f"]) == (1, 1)
    assert configuration["parameters"]["deltaC"] == "30m", "the contract's heartbeat"
    assert configuration["parameters"]["deltaRound"] == "3s"
    for number, entry in enumerate(configuration["oracles"]):
        keys = json.loads((ground.folder / f"node{number}.json").read_text())
        assert entry == {
            "signer": keys["onchain_signing_address"],
            "transmitter": keys["transmitter_address"],
            "peer_id": keys["peer_id"],
            "offchain_public_key": keys["offchain_public_key"],
        }
    table = ground.run("contract", "show", address).stdout
    assert f"feed {letter}" in table
    assert "deltaC                                   30m" in table

    again = ground.contract("set-config", *arguments, answer="n\n")
    assert "not confirmed: nothing was sent" in refused(again)
    assert "Warning: this is the configuration in force" in again.stderr
    moved = ground.contract("set-config", *arguments[:2], *TIMING, "--oracle", *FILES[:2], "node3.json",
                            "--oracle=node2.json", "--s", "2,2", answer="")  # fmt: skip
    assert "--yes" in refused(moved)
    assert "oracle 2: was oracle 3" in moved.stderr
    assert "s: 1,1,1,1 → 2,2" in moved.stderr


@pytest.mark.timeout(900)  # four processes, on a machine that may have other work
def test_four_nodes_answer_under_the_configuration_they_were_given(ground: Ground) -> None:
    """What `set-config` made of the identity files is what the nodes that wrote them run with."""
    address = ground.deploy("a living feed", "--heartbeat", "1m", "--max-age", "10m")
    for number in range(4):
        keys = json.loads((ground.folder / f"node{number}.json").read_text())
        ground.chain.pay(keys["transmitter_address"], 5)
        node, job = ground.folder / f"node{number}/node.toml", ground.folder / f"node{number}/feed.toml"
        node.write_text(node.read_text().replace("JSONConsole = false", "JSONConsole = true"))
        before, _, rest = job.read_text().partition("observationSource = '''")
        after = rest.partition("'''")[2]
        source = f"observationSource = '''answer [type=\"memo\" value=\"{2_000_00000000 + number}\"];'''"
        text = (before + source + after).replace(checksum_address(bytes(20)), address)
        job.write_text(text.replace("Confirmations = 3", "Confirmations = 1").replace('"1m"', '"5s"'))
    choices = [*TIMING, "--delta-c", "90s"]
    done = ground.contract("set-config", "--contract-address", address, "--oracle", *FILES, *choices, "--yes")
    assert done.returncode == 0, done.stderr
    assert "Warning: heartbeat: consumers read a heartbeat of 1m" in done.stderr
    with ExitStack() as stack:
        bootstrap: list[str] = []
        for number in range(4):
            command = [COMMAND, "run", "--config", f"node{number}/node.toml", *bootstrap]
            log = stack.enter_context((ground.folder / f"node{number}.log").open("w+"))
            process = stack.enter_context(subprocess.Popen(command, cwd=ground.folder, stderr=log))
            stack.callback(process.terminate)
            if number == 0:
                address_of_first = first_address(ground.folder / "node0.log", process)
                bootstrap = ["--bootstrap", address_of_first]
        latest = None
        patience = time.monotonic() + 400
        while time.monotonic() < patience:
            latest = ground.show(address)["latest"]
            if latest is not None:
                break
    assert latest is not None, (ground.folder / "node0.log").read_text()[-4000:]
    assert 2_000_00000000 <= int(latest["answer"]) <= 2_000_00000003
    assert latest["price"].startswith("2000")
    transmitters = [entry["transmitter"] for entry in ground.show(address)["configuration"]["oracles"]]
    assert latest["transmitter"] in transmitters
    logs = [(ground.folder / f"node{number}.log").read_text() for number in range(4)]
    warnings = [log.count("heartbeat does not fit the configuration") for log in logs]
    assert max(warnings) == 1, "once for each configuration and value"
    assert not any("maxAge does not fit" in log for log in logs)


def first_address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where a node listens, from its log."""
    while process.poll() is None:
        for line in log.read_text().splitlines():
            if '"network open"' in line:
                return str(json.loads(line)["addresses"][0])
    raise AssertionError(log.read_text())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--oracle", *FILES, "--f", "0"], "--f = 0"),
        (["--oracle", *FILES[:3]], "--oracle = 3 files"),
        (["--oracle", *FILES, "node0.json"], "node0.json has the same"),
        (
            ["--oracle", *FILES, "--delta-round", "30s"],
            "--delta-round = 30000000000 ns: not below deltaProgress",
        ),
        (["--oracle", *FILES, "--contract", "B"], "--contract = B"),
        (["--oracle", *FILES, "--min-answer", "3"], "--min-answer = 3: the contract's is 1000000"),
        (["--oracle", *FILES, "--chain-id", "5"], "--chain-id = 5"),
        (["--oracle", *FILES, "--contract-address", OWNER], "no contract there on chain"),
        (["--oracle", *FILES, "--contract-address", OWNER.swapcase().replace("0X", "0x")], "mistyped"),
        (["--oracle", *FILES, "--key-file", "other.key"], f"{OWNER} owns it, not"),
        (["--oracle", *FILES, "--rpc", "http://127.0.0.1:9"], "--rpc = http://127.0.0.1:9"),
        (["--oracle", *FILES, "--rpc", "ftp://secret"], "--rpc"),
        (["--oracle", *FILES, "--max-fee", "0.000000001"], "above the cap"),
    ],
)
def test_bad_configuration_is_refused_before_anything_is_sent(
    ground: Ground, feed: str, arguments: list[str], words: str
) -> None:
    other = ground.folder / "other.key"
    other.write_text("22" * 32)
    other.chmod(0o600)
    before = ground.nonce()
    line = refused(ground.contract("set-config", "--yes", "--contract-address", feed, *arguments))
    assert words in line
    assert ground.nonce() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "this account has deployed the same feed already, at"),
        (["--min", "2000000"], "--min = 2000000: above --max 1000000"),
        (["--description", "other", "--chain-id", "1"], "--chain-id = 1"),
        (["--description", "other", "--key-file", "poor.key"], "it owns 0.000000 ETH"),
    ],
)
def test_bad_deployment_is_refused_before_anything_is_sent(
    ground: Ground, feed: str, arguments: list[str], words: str
) -> None:
    poor = ground.folder / "poor.key"
    poor.write_text("33" * 32)
    poor.chmod(0o600)
    before = ground.nonce()
    limits = ["--min", "0.01", "--max", "1000000", "--description", "ETH / USD"]
    assert words in refused(ground.contract("deploy", "--yes", *limits, *arguments))
    assert ground.nonce() == before
    assert feed


def test_freshness_is_changed_by_the_owner(ground: Ground) -> None:
    address = ground.deploy("a feed to be changed", "--heartbeat", "1h")
    change = ["set-freshness", "--contract-address", address]
    assert "--heartbeat" in refused(ground.contract(*change))
    assert "already" in refused(ground.contract(*change, "--heartbeat", "3600s", "--yes"))
    assert "whole number of seconds" in refused(ground.contract(*change, "--max-age", "1ms", "--yes"))
    other = ground.folder / "another.key"
    other.write_text("22" * 32)
    other.chmod(0o600)
    assert "owns it, not" in refused(ground.contract(*change, "--max-age", "1s", "--key-file", "another.key"))
    asked = ground.contract(*change, "--max-age", "20m", "--heartbeat", "30m", answer="n\n")
    assert "not confirmed" in refused(asked)
    assert "  heartbeat    3600 s → 1800 s" in asked.stderr.splitlines()
    done = ground.contract(*change, "--max-age", "20m", "--heartbeat", "30m", "--yes", "--json")
    assert json.loads(done.stdout) == {"address": address, "max_age_s": 1200, "heartbeat_s": 1800}
    shown = ground.show(address)
    assert (shown["max_age_s"], shown["heartbeat_s"]) == (1200, 1800)


def test_altered_identity_file_is_refused(ground: Ground, feed: str) -> None:
    stolen = json.loads((ground.folder / "node1.json").read_text())
    own = json.loads((ground.folder / "node0.json").read_text())
    own["onchain_signing_address"] = stolen["onchain_signing_address"]
    (ground.folder / "thief.json").write_text(json.dumps(own))
    line = refused(
        ground.contract("set-config", "--contract-address", feed, "--oracle", "thief.json", *FILES[1:])
    )
    assert line.startswith("thief.json: signatures.peer")


def test_show_refuses_what_is_no_aggregator(ground: Ground, feed: str) -> None:
    for address, words in ((OWNER, "no contract there"), ("0x12", "not an address")):
        assert words in refused(ground.run("contract", "show", address))
    assert "--chain-id = 5" in refused(ground.run("contract", "show", feed, "--chain-id", "5"))
    stranger = checksum_address(crypto.secp256k1_address(b"\x44" * 32))
    assert stranger in refused(ground.run("contract", "show", stranger))
