"""anvil, the development chain of others, as a process on a free port."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx
import trio

from tests.e2e.node_packages import foundry

ETHER = 10**18


@asynccontextmanager
async def anvil(*options: str, port: int = 0, funded: Iterable[bytes] = ()) -> AsyncIterator[str]:
    """Run it with Osaka's rules and every transaction mined at once, unless `options` say otherwise.

    Args:
        options: more of its command line.
        port: where it listens; 0 takes a free one.
        funded: addresses that get 100 ether.

    Returns:
        Its URL. It is asked to end at the end, so that it can write its state, and killed if it does not.
    """
    command = [foundry("anvil"), "--host", "127.0.0.1", "--port", str(port), "--accounts", "1"]
    process = await trio.lowlevel.open_process(
        [*command, "--hardfork", "osaka", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        output = ""
        with trio.fail_after(60):
            while "Listening on " not in output or not output.endswith("\n"):
                some = await process.stdout.receive_some()
                assert some, output
                output += some.decode()
        url = "http://" + output.rpartition("Listening on ")[2].split()[0]
        async with httpx.AsyncClient() as client, trio.open_nursery() as nursery:
            # It must not wait for a reader of what it says.
            nursery.start_soon(discard, process.stdout)
            for address in funded:
                body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance"}
                answer = await client.post(
                    url, json=body | {"params": ["0x" + address.hex(), hex(100 * ETHER)]}
                )
                assert "error" not in answer.json()
            yield url
            with trio.move_on_after(10):
                process.send_signal(signal.SIGINT)
                await process.wait()
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def discard(stream: trio.abc.ReceiveStream) -> None:
    """Read to the end."""
    async for _ in stream:
        pass


class Transport:
    """Requests to a node one at a time, for the tests of contracts; it keeps its own time."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url
        self.client = client

    def rpc(self, request: bytes, timestamp: int | None = None) -> bytes:
        """The answer's body."""
        return self.client.post(
            self.url, content=request, headers={"Content-Type": "application/json"}
        ).content

    def fund(self, addresses: Iterable[bytes], wei: int) -> None:
        """Give each so much."""
        for address in addresses:
            request = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance"}
            self.rpc(json.dumps(request | {"params": ["0x" + address.hex(), hex(wei)]}).encode())
