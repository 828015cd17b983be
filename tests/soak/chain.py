"""A development chain in a process of its own, as the soak disturbs it: `ocr-peer devnet` or anvil."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from ocr_peer.demo.preparation import CHAIN_ID, ETHER
from ocr_peer.evm.quantity import to_hex
from tests.e2e.node_packages import foundry

START_LIMIT_S = 30.0
BLOCK_TIME_S = 1
"""Whole seconds, as blocks are dated: with more blocks the chain's clock would run ahead of the oracles'."""


class ChainError(Exception):
    """The chain refused a request or did not answer."""


@dataclass
class ChainProcess:
    """A running chain with a block every second.

    Attributes:
        process: the program.
        url: where it answers.
        client: for this process's own questions.
    """

    process: trio.Process
    url: str
    client: httpx.AsyncClient

    async def call(self, method: str, *params: object) -> Any:
        """One request; raises `ChainError`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = (await self.client.post(self.url, json=body)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise ChainError(f"{method}: {error!r}") from error
        if "error" in answer:
            raise ChainError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def end(self) -> None:
        """End the program."""
        self.process.kill()
        await self.process.wait()


async def start_chain(
    kind: str, accounts: Sequence[bytes], port: int, client: httpx.AsyncClient
) -> ChainProcess:
    """Start a chain on which each account owns a thousand ether; returns as soon as it answers.

    Args:
        kind: `devnet` or `anvil`.
        accounts: 20 bytes each.
        port: a free TCP port.
        client: for this process's own questions.
    """
    process = await trio.lowlevel.open_process(
        _command(kind, accounts, port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    chain = ChainProcess(process, f"http://127.0.0.1:{port}", client)
    with trio.fail_after(START_LIMIT_S):
        while True:
            with suppress(ChainError):
                await chain.call("eth_chainId")
                break
            await trio.sleep(0.05)
    if kind == "anvil":
        for account in accounts:
            await chain.call("anvil_setBalance", to_hex(account), hex(1000 * ETHER))
    return chain


def _command(kind: str, accounts: Sequence[bytes], port: int) -> list[str]:
    if kind == "anvil":
        options = {"port": port, "chain-id": CHAIN_ID, "block-time": BLOCK_TIME_S, "accounts": 1}
        return [foundry("anvil"), "--silent", *(f"--{name}={value}" for name, value in options.items())]
    funds = [f"--fund={to_hex(account)}=1000" for account in accounts]
    command = str(Path(sys.executable).with_name("ocr-peer"))
    return [
        command,
        "devnet",
        f"--port={port}",
        f"--chain-id={CHAIN_ID}",
        f"--block-time={BLOCK_TIME_S}",
        *funds,
    ]
