"""The chain's HTTP endpoint and its clock."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from ocr_devnet import Devnet
from trio.testing import MockClock

from ocr_peer.devnet import DevnetOptions, parse_fund, run_devnet
from ocr_peer.devnet.endpoint import MAX_BODY, Endpoint
from ocr_peer.devnet.server import mine_on_interval, serve_devnet
from ocr_peer.errors import InputError, OperatingError

ADDRESS = "0x" + "11" * 20


def request(method: str, *params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.fixture
async def url(nursery: trio.Nursery) -> str:
    options = DevnetOptions(accounts={bytes.fromhex(ADDRESS[2:]): 7})
    return str(await nursery.start(partial(serve_devnet, options, block_time=None)))


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_requests_are_answered(client: httpx.AsyncClient) -> None:
    answer = await client.post("/", json=request("eth_getBalance", ADDRESS, "latest"))
    assert answer.json()["result"] == "0x7"
    assert answer.headers["content-type"] == "application/json"
    await client.post("/", json=request("evm_mine"))
    batch = await client.post("/", json=[request("eth_blockNumber"), request("eth_chainId")])
    assert [one["result"] for one in batch.json()] == ["0x1", hex(1337)]


async def test_many_clients_at_once(client: httpx.AsyncClient, nursery: trio.Nursery) -> None:
    answers: list[str] = []

    async def ask(body: dict[str, Any]) -> None:
        answers.append((await client.post("/", json=body)).json()["result"])

    async with trio.open_nursery() as asking:
        for _ in range(10):
            asking.start_soon(ask, request("eth_estimateGas", {"to": ADDRESS}))
            asking.start_soon(ask, request("eth_blockNumber"))
    assert sorted(answers) == ["0x0"] * 10 + [hex(21_000)] * 10


async def test_malformed_requests(client: httpx.AsyncClient) -> None:
    answer = await client.post("/", content=b"{not json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32700)
    assert (await client.post("/", content=b" " * (MAX_BODY + 1))).status_code == 413
    assert (await client.get("/")).status_code == 405
    assert (await client.post("/elsewhere", json=request("eth_chainId"))).status_code == 404
    notification = {"jsonrpc": "2.0", "method": "eth_chainId"}
    assert (await client.post("/", json=notification)).status_code == 204


async def test_it_stops_and_leaves_nothing() -> None:
    threads = trio.to_thread.current_default_thread_limiter().borrowed_tokens
    async with httpx.AsyncClient() as client, trio.open_nursery() as nursery:
        url = str(await nursery.start(partial(serve_devnet, DevnetOptions(), block_time=0.01)))
        blocks = 0
        while blocks < 2:
            blocks = int((await client.post(url, json=request("eth_blockNumber"))).json()["result"], 16)
        nursery.cancel_scope.cancel()
    assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == threads
    # The port is free again, with the client's connection gone too.
    port = int(url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_a_taken_port_is_refused(url: str) -> None:
    port = int(url.rpartition(":")[2])
    with pytest.raises(OperatingError, match=f"cannot listen on 127.0.0.1 port {port}"):
        await serve_devnet(DevnetOptions(), port=port)


async def test_ipv6_loopback(nursery: trio.Nursery) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        url = await nursery.start(partial(serve_devnet, DevnetOptions(), host="::1"))
    except OperatingError:
        pytest.skip("no IPv6 loopback here")
    async with httpx.AsyncClient() as client:
        assert (await client.post(url, json=request("net_version"))).json()["result"] == "1337"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
async def test_only_this_machine(host: str) -> None:
    with pytest.raises(InputError, match="this machine only"):
        await serve_devnet(DevnetOptions(), host=host)


@pytest.mark.parametrize(
    ("options", "block_time", "named"),
    [
        (DevnetOptions(chain_id=0), 1.0, "chain_id"),
        (DevnetOptions(chain_id=-1), 1.0, "chain_id"),
        (DevnetOptions(accounts={b"": 1}), 1.0, "accounts"),
        (DevnetOptions(), 0.0, "block_time"),
        (DevnetOptions(), float("nan"), "block_time"),
    ],
)
async def test_options_out_of_bounds(options: DevnetOptions, block_time: float, named: str) -> None:
    with pytest.raises(InputError, match=named):
        await serve_devnet(options, block_time=block_time)


@pytest.fixture
def endpoint() -> Endpoint:
    devnet = Devnet(1337, {}, genesis_timestamp=0)
    devnet.block_time = 2.0
    return Endpoint(devnet)


async def test_the_clock_mines_on_time(
    endpoint: Endpoint, nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    mined: list[float] = []

    def clock() -> float:
        mined.append(trio.current_time())
        blocks.release()
        return 1_700_000_000.9

    async def pass_time(seconds: float) -> None:
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(seconds)

    blocks = trio.Semaphore(0)
    start = trio.current_time()
    nursery.start_soon(mine_on_interval, endpoint, clock)
    for _ in range(2):
        await pass_time(2)
        await blocks.acquire()
    # A new interval counts from when it was set.
    await endpoint.answer(json.dumps(request("evm_setIntervalMining", 10)).encode())
    await pass_time(10)
    await blocks.acquire()
    # Without one, nothing happens by itself.
    await endpoint.answer(json.dumps(request("evm_setIntervalMining", 0)).encode())
    await pass_time(10_000)
    await trio.testing.wait_all_tasks_blocked()
    assert [round(at - start) for at in mined] == [2, 4, 14]


@pytest.mark.parametrize(
    ("amount", "wei"), [("1", 10**18), ("0.5", 5 * 10**17), ("0", 0), ("0.000000000000000001", 1)]
)
def test_funds_are_read(amount: str, wei: int) -> None:
    assert parse_fund(f"{ADDRESS}={amount}") == (bytes.fromhex(ADDRESS[2:]), wei)


@pytest.mark.parametrize(
    "text",
    ["", ADDRESS, f"{ADDRESS}=", f"{ADDRESS}=x", f"{ADDRESS}=-1", f"{ADDRESS}=1e13", f"{ADDRESS}=nan",
     f"{ADDRESS}=1e-19", "0x12=1", f"{ADDRESS}=Infinity"],
)  # fmt: skip
def test_wrong_funds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--fund"):
        parse_fund(text)


def test_the_command_announces_the_endpoint() -> None:
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            signal.raise_signal(signal.SIGINT)

    run_devnet(DevnetOptions(chain_id=4242), port=0, announce=announce)
    assert lines[0].startswith("Development chain 4242 at http://127.0.0.1:")
    assert lines[1].startswith("Blocks every 1 s; 0 funded")
    assert len(lines) == 3


def test_the_command_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ocr_devnet", None)
    monkeypatch.delitem(sys.modules, "ocr_peer.devnet.server")
    with pytest.raises(OperatingError, match=r"pip install 'ocr-peer\[demo\]'"):
        run_devnet(DevnetOptions())
