"""Clients that were not written for it talk to the development chain: web3.py and Foundry's cast."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from eth_account import Account

from ocr_peer.devnet import DevnetOptions
from ocr_peer.devnet.server import serve_devnet
from tests.e2e.node_packages import foundry
from tests.e2e.web3_client import ANSWERS, committee

KEY = "0x" + "42" * 32
OWNER = Account.from_key(KEY).address
CHAIN_ID = 4242
ARTIFACT = Path(__file__).parents[2] / "python/ocr_peer/evm/artifacts/Aggregator.json"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    options = DevnetOptions(chain_id=CHAIN_ID, accounts={bytes.fromhex(OWNER[2:]): 10**21})
    async with trio.open_nursery() as nursery:
        yield str(await nursery.start(partial(serve_devnet, options, block_time=0.1)))
        nursery.cancel_scope.cancel()


async def output(*command: str) -> str:
    with trio.fail_after(120):
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


async def web3(kind: str, url: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(
        await output(sys.executable, "-m", "tests.e2e.web3_client", kind, url, KEY, str(ARTIFACT))
    )
    return result


async def test_web3_over_http(url: str) -> None:
    seen = await web3("http", url)
    assert seen["client"].startswith("ocr-devnet/v")
    assert seen["chain_id"] == CHAIN_ID
    assert seen["description"] == "ETH / USD"
    assert seen["transmitters"] == committee("transmitter")
    assert int(seen["digest"], 16) >> 240 == 1
    assert seen["details"] > 0
    assert seen["refused"] == "ContractCustomError"
    assert seen["blocks"] > 0
    assert seen["fees"] == 5
    assert (seen["accounts"], seen["peers"]) == ([], 0)


async def test_web3_over_websocket(url: str) -> None:
    seen = await web3("ws", url)
    assert int(seen["digest"], 16) >> 240 == 1
    assert seen["details"] == 0
    assert seen["removed"] is True
    assert seen["unsubscribed"] is True


async def test_cast(url: str) -> None:
    cast = partial(output, foundry("cast"))
    to = ("--rpc-url", url)
    code = json.loads(ARTIFACT.read_bytes())["bytecode"]
    constructor = "constructor(int192,int192,uint8,string,uint24,uint32)"
    arguments = (str(ANSWERS[0]), str(ANSWERS[1]), "8", "ETH / USD", "0", "3600")
    sign = (*to, "--private-key", KEY, "--json")
    encoded = await cast("abi-encode", constructor, "--", *arguments)
    deployed = json.loads(await cast("send", *sign, "--create", code + encoded[2:]))
    contract = deployed["contractAddress"]
    assert await cast("call", *to, contract, "description()(string)") == '"ETH / USD"'
    assert await cast("chain-id", *to) == str(CHAIN_ID)
    assert await cast("code", *to, contract) != "0x"
    # Legacy and EIP-1559, an estimate, and a storage slot.
    other = committee("other", 1)[0]
    for kind in (["--legacy"], ["--gas-price=9gwei", "--priority-gas-price=2gwei"]):
        receipt = json.loads(await cast("send", *sign, *kind, other, "--value", "1ether"))
        assert (receipt["status"], receipt["gasUsed"]) == ("0x1", hex(21_000))
    assert await cast("balance", *to, "--ether", other) == "2.000000000000000000"
    assert int(await cast("estimate", *to, other, "--value", "1")) == 21_000
    # The names that it has for a test's purposes.
    await cast("rpc", *to, "anvil_setBalance", other, "0x7")
    assert await cast("balance", *to, other) == "7"
    snapshot = json.loads(await cast("rpc", *to, "evm_snapshot"))
    await cast("rpc", *to, "anvil_mine", "0x10")
    assert await cast("rpc", *to, "evm_revert", snapshot) == "true"
    block = json.loads(await cast("block", *to, "--json", "latest"))
    assert json.loads(await cast("block", *to, "--json", block["hash"]))["number"] == block["number"]
