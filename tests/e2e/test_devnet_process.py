"""`ocr-peer devnet --state` as a process that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

COMMAND = [str(Path(sys.executable).with_name("ocr-peer")), "devnet", "--port", "0", "--block-time", "0"]


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[tuple[trio.Process, str]]:
    """The process, and where it answers; it is dead afterwards."""
    process = await trio.lowlevel.open_process(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        output = ""
        while "Ctrl+C ends it" not in output:
            some = await process.stdout.receive_some()
            assert some, output
            output += some.decode()
        yield process, output.partition(" at ")[2].partition(" (")[0]
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def ask(client: httpx.AsyncClient, url: str, method: str, *params: object) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return (await client.post(url, json=request)).json()["result"]


async def test_kill_9_leaves_a_chain_to_go_on_with(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "chain"), "--state-every", "5")
    seen: dict[str, str] = {}

    async def latest(client: httpx.AsyncClient, url: str) -> int:
        block = await ask(client, url, "eth_getBlockByNumber", "latest", False)
        # Of the same number there is only ever the same block, as long as it was not lost.
        assert seen.setdefault(block["number"], block["hash"]) == block["hash"]
        return int(block["number"], 16)

    with trio.fail_after(200):
        reached = 0
        for at in range(1, 6):
            async with running(*options) as (process, url), httpx.AsyncClient() as client:
                reached = await latest(client, url)
                # What was lost may be mined anew.
                for number in [number for number in seen if int(number, 16) > reached]:
                    del seen[number]
                goal = reached + 20 + 7 * at
                while reached < goal:
                    await ask(client, url, "evm_mine")
                    reached = await latest(client, url)
                process.send_signal(signal.SIGKILL)
                await process.wait()
        async with running(*options) as (process, url), httpx.AsyncClient() as client:
            assert 0 < await latest(client, url) <= reached
            await ask(client, url, "anvil_mine", 3)
            reached = await latest(client, url)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        # In good order nothing is lost.
        async with running(*options) as (_, url), httpx.AsyncClient() as client:
            assert await latest(client, url) == reached


async def test_a_damaged_file_ends_it_with_a_line(tmp_path: Path) -> None:
    file = tmp_path / "chain"
    file.write_bytes(b"precious")
    process = await trio.run_process(
        [*COMMAND, "--state", str(file)], capture_stdout=True, capture_stderr=True, check=False
    )
    assert process.returncode != 0
    assert b"--state" in process.stderr
    assert b"not the state of a development chain" in process.stderr
    assert b"Traceback" not in process.stderr
    assert file.read_bytes() == b"precious"
