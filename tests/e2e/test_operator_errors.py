"""What an operator sees when an input is wrong: one line that names field, value and fix; exit status 2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from ocr_peer.demo.options import DemoTiming
from ocr_peer.demo.preparation import (
    CHAIN_ID,
    DeployedFeed,
    Member,
    deploy_feed,
    feed_job,
    member,
    node_settings,
    owner_key,
    write_folder,
)
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.deploy import OwnerAccount
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.protocol.config import SECOND, Duration
from tests.e2e.demo_process import COMMAND

NOWHERE = "http://127.0.0.1:9"


@dataclass
class Surroundings:
    """A running chain with a configured aggregator, and one node's folder that fits them."""

    rpc_url: str
    feed: DeployedFeed
    directory: Path

    def run(self, *arguments: str, **replaced: str) -> subprocess.CompletedProcess[str]:
        """Run the node with text of its files replaced: `node__old=new` is spelled as pairs in the tests."""
        return subprocess.run(
            [COMMAND, *arguments], cwd=self.directory, capture_output=True, text=True, timeout=60, check=False
        )

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one text in one of the node's files."""
        path = self.directory / name
        text = path.read_text()
        assert old in text, text
        path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, DeployedFeed, list[Member]]]:
    """`ocr-peer devnet` as a process, with a committee of four configured."""
    members = [member(5, f"oracle {index}", tmp_path_factory.mktemp("node") / "folder") for index in range(4)]
    owner = LocalSigner(owner_key(5))
    funds = [f"{checksum_address(owner.address)}=100"]
    command = [
        COMMAND,
        "devnet",
        "--port",
        "0",
        "--block-time",
        "0.05",
        *(f"--fund={fund}" for fund in funds),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        assert url is not None

        async def deploy() -> DeployedFeed:
            async with RpcClient(url[0]) as rpc:
                account = OwnerAccount(rpc, owner, chain_id=CHAIN_ID, poll_interval_s=0.05)
                return await deploy_feed(account, members, DemoTiming.for_committee(4), 5)

        yield url[0], trio.run(deploy), members
        process.terminate()
        process.communicate()
        assert process.returncode == 0


@pytest.fixture
def node(chain: tuple[str, DeployedFeed, list[Member]], tmp_path: Path) -> Surroundings:
    """A fresh folder of a member of the committee."""
    url, feed, members = chain
    one = Member(members[0].keyring, members[0].identity, tmp_path / "node")
    job = feed_job(0, feed.contract, NOWHERE, Duration(SECOND))
    trio.run(write_folder, one, node_settings(one, url), job)
    return Surroundings(url, feed, one.directory)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not _is_log(line)]
    assert len(lines) == 1, done.stderr
    return lines[0]


def _is_log(line: str) -> bool:
    try:
        parsed: Any = json.loads(line)
    except ValueError:
        return False
    return isinstance(parsed, dict) and "level" in parsed


def test_missing_node_toml_names_init(tmp_path: Path) -> None:
    address = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGKhStcrvCr5RBYKaSRNX4ojrxHcmpJuFmHWenT6aAQAY"
    for arguments in (["run"], [], ["--bootstrap", address]):
        done = subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "ocr-peer init" in refused(done)


def test_a_report_format_that_the_contract_does_not_take(node: Surroundings) -> None:
    node.edit("feed.toml", "[pluginConfig]", '[pluginConfig]\nreportFormat = "packed"')
    line = refused(node.run())
    assert "pluginConfig.reportFormat = packed" in line
    assert '"Aggregator 1.0.0"' in line
    assert 'write reportFormat = "ocr2"' in line


def test_unknown_option_in_node_toml(node: Surroundings) -> None:
    node.edit("node.toml", "ListenAddresses", "ListenAdresses")
    line = refused(node.run())
    assert "ListenAdresses" in line
    assert "ListenAddresses" in line


def test_wrong_type_in_node_toml(node: Surroundings) -> None:
    node.edit("node.toml", "jobs = [", "jobs = 3 # [")
    assert "jobs" in refused(node.run())


def test_unreachable_rpc(node: Surroundings) -> None:
    node.edit("node.toml", node.rpc_url, NOWHERE)
    line = refused(node.run())
    assert NOWHERE in line
    assert "HTTPURL" in line


def test_one_endpoint_of_another_chain(node: Surroundings) -> None:
    command = [sys.executable, "-m", "tests.e2e.rpc_proxy", node.rpc_url, "stranger"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        url = stranger.stdout.readline().strip()
        table = f'[[EVM.Nodes]]\nName = "backup"\nHTTPURL = "{url}"\n\n[EVM.NodePool]'
        node.edit("node.toml", "[EVM.NodePool]", table)
        line = refused(node.run())
        stranger.terminate()
    assert f'endpoint "backup" ({url}) serves chain 5' in line


def test_wrong_chain_id(node: Surroundings) -> None:
    node.edit("node.toml", f'ChainID = "{CHAIN_ID}"', 'ChainID = "5"')
    node.edit("feed.toml", f"chainID = {CHAIN_ID}", "chainID = 5")
    line = refused(node.run())
    assert "chainID = 5" in line
    assert str(CHAIN_ID) in line


def test_chain_that_node_toml_does_not_know(node: Surroundings) -> None:
    node.edit("feed.toml", f"chainID = {CHAIN_ID}", "chainID = 6")
    line = refused(node.run())
    assert "relayConfig.chainID = 6" in line
    assert "[[EVM]]" in line


def test_contract_without_code(node: Surroundings) -> None:
    empty = checksum_address(b"\x11" * 20)
    node.edit("feed.toml", node.feed.contract, empty)
    line = refused(node.run())
    assert f"contractID = {empty}" in line


def test_key_that_is_not_in_the_configuration(node: Surroundings, tmp_path: Path) -> None:
    stranger = member(6, "stranger", tmp_path / "stranger")
    trio.run(write_folder, stranger, node_settings(stranger, node.rpc_url), None)
    node.edit("node.toml", 'directory = "keys"', f'directory = "{stranger.directory / "keys"}"')
    node.edit(
        "node.toml", 'password_file = "password"', f'password_file = "{stranger.directory / "password"}"'
    )
    line = refused(node.run())
    assert line.startswith("ocr-peer: error: signers = 0x" + stranger.identity.onchain_signing_address.hex())
    assert "setConfig" in line


def test_transmitter_of_another_node(node: Surroundings) -> None:
    node.edit(
        "feed.toml", 'relay = "evm"', f'relay = "evm"\ntransmitterID = "{checksum_address(bytes(19) + b"1")}"'
    )
    assert "transmitterID" in refused(node.run())


def test_wrong_password(node: Surroundings) -> None:
    (node.directory / "password").write_text("wrong\n")
    assert "password" in refused(node.run())


def test_job_of_the_other_type(node: Surroundings) -> None:
    done = node.run("bootstrap")
    line = refused(done)
    assert "type = offchainreporting2" in line
    assert "ocr-peer run" in line


def test_unknown_task_in_a_job(node: Surroundings) -> None:
    node.edit("feed.toml", 'type="jsonparse"', 'type="jsonprase"')
    line = refused(node.run())
    assert "jsonprase" in line
    assert "jsonparse" in line


def test_bootstrap_address_without_a_peer_id(node: Surroundings) -> None:
    line = refused(node.run("--bootstrap", "/ip4/127.0.0.1/tcp/1"))
    assert line.startswith("ocr-peer: error: --bootstrap = /ip4/127.0.0.1/tcp/1")


def test_a_second_process_on_the_same_data(node: Surroundings) -> None:
    command = [COMMAND, "run"]
    with subprocess.Popen(command, cwd=node.directory, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if '"network open"' in line:
                break
        assert "data_dir" in refused(node.run("run"))
        first.terminate()
        first.communicate(timeout=20)
