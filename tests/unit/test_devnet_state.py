"""A chain that is kept in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from ocr_devnet import Devnet

from ocr_peer.devnet import DevnetOptions
from ocr_peer.devnet.endpoint import Endpoint
from ocr_peer.devnet.server import serve_devnet
from ocr_peer.devnet.state_file import StateFile, hold_state, keep_state
from ocr_peer.errors import InputError, OperatingError

OPTIONS = DevnetOptions(accounts={b"\x11" * 20: 7})


class Client:
    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http

    async def ask(self, method: str, *params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return (await self.http.post(self.url, json=request)).json()["result"]


@asynccontextmanager
async def served(state: Path, options: DevnetOptions = OPTIONS, every: int = 100) -> AsyncIterator[Client]:
    async with httpx.AsyncClient() as http, trio.open_nursery() as nursery:
        serve = partial(serve_devnet, options, block_time=None, state=state, state_every=every)
        yield Client(str(await nursery.start(serve)), http)
        nursery.cancel_scope.cancel()


async def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "chain"
    async with served(file) as client:
        await client.ask("anvil_mine", 3)
        await client.ask("evm_increaseTime", 3600)
        await client.ask("anvil_setBalance", "0x" + "22" * 20, "0x9")
        before = await client.ask("eth_getBlockByNumber", "latest", False)
    # Accounts of a later command line are of no use to it.
    async with served(file, DevnetOptions(accounts={b"\x11" * 20: 999})) as client:
        assert await client.ask("eth_getBlockByNumber", "latest", False) == before
        assert await client.ask("eth_getBalance", "0x" + "11" * 20, "latest") == "0x7"
        assert await client.ask("eth_getBalance", "0x" + "22" * 20, "latest") == "0x9"
        await client.ask("evm_mine")
        after = await client.ask("eth_getBlockByNumber", "latest", False)
        assert after["parentHash"] == before["hash"]
        assert int(after["timestamp"], 16) >= int(before["timestamp"], 16) + 3600 - 3


async def test_it_is_written_every_so_often(tmp_path: Path, nursery: trio.Nursery) -> None:
    endpoint = Endpoint(Devnet(1337, {}, genesis_timestamp=0))
    writes: list[int] = []

    class Watched(StateFile):
        def write(self, state: bytes) -> None:
            super().write(state)
            trio.from_thread.run_sync(written.release)
            writes.append(Devnet(1337, {}, state=state).block_number)

    written = trio.Semaphore(0)
    file = Watched(tmp_path / "chain", every=4)
    async with trio.open_nursery() as keeping:
        keeping.start_soon(keep_state, endpoint, file)
        await written.acquire()
        for blocks, writes_more in ((3, False), (1, True), (4, True), (3, False)):
            for _ in range(blocks):
                await endpoint.in_thread(partial(endpoint.devnet.mine, 1))
            if writes_more:
                await written.acquire()
        keeping.cancel_scope.cancel()
    # At the start, then after four each, and at the end.
    assert writes == [0, 4, 8, 11]


async def test_a_disk_that_refuses_is_not_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(Devnet(1337, {}, genesis_timestamp=0))
    (tmp_path / "folder").mkdir()
    file = StateFile(tmp_path / "folder" / "chain")
    (tmp_path / "folder").rmdir()
    with pytest.RaisesGroup(OperatingError, allow_unwrapped=True, flatten_subgroups=True):
        async with trio.open_nursery() as keeping:
            keeping.start_soon(keep_state, endpoint, file)
            while not caplog.records:
                await trio.sleep(0.01)
            assert endpoint.devnet.mine() == 1
            keeping.cancel_scope.cancel()
    assert "cannot write" in caplog.text


def damaged(good: bytes) -> bytes:
    return good[:-1] + bytes([good[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (lambda good: b"something else", OPTIONS, "not the state of a development chain"),
        (lambda good: b"", OPTIONS, "not the state of a development chain"),
        (damaged, OPTIONS, "damaged: the checksum does not match"),
        (lambda good: good[:40], OPTIONS, "damaged"),
        (lambda good: good[:17] + b"\x00\x09" + good[19:], OPTIONS, "version 9"),
        (lambda good: good, DevnetOptions(chain_id=5), "the state of chain 1337, not of chain 5"),
        (lambda good: good, DevnetOptions(legacy=True), "a chain with a base fee"),
        (lambda good: good, DevnetOptions(history=0), "history must be between"),
    ],
)
async def test_a_file_that_cannot_be_used_is_left_alone(
    tmp_path: Path, change: Any, options: DevnetOptions, reason: str
) -> None:
    file = tmp_path / "chain"
    content = change(Devnet(1337, {}).save())
    file.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        await serve_devnet(options, state=file)
    assert str(caught.value).startswith(f"--state = {file}")
    assert file.read_bytes() == content


async def test_a_state_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file"):
        await serve_devnet(OPTIONS, state=tmp_path)
    with pytest.raises(InputError, match="No such file or directory"):
        await serve_devnet(OPTIONS, state=tmp_path / "nowhere" / "chain")
    with pytest.raises(InputError, match="state-every"):
        await serve_devnet(OPTIONS, state=tmp_path / "chain", state_every=0)


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "chain"
    async with served(file):
        with pytest.raises(InputError, match="another process uses it"):
            await serve_devnet(OPTIONS, state=file)
    with hold_state(file):
        pass
