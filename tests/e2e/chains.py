"""Chains as processes that the tests of the owner's commands run against.

Another chain is another function in `CHAINS`: it yields an endpoint on which `OWNER_KEY`'s account is rich.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import httpx
from eth_account import Account

from ocr_peer import crypto
from ocr_peer.evm.address import checksum_address
from tests.e2e.demo_process import COMMAND
from tests.e2e.node_packages import foundry

OWNER_KEY = crypto.keccak256(b"owner of a feed")
OWNER = checksum_address(crypto.secp256k1_address(OWNER_KEY))


@dataclass(frozen=True)
class RunningChain:
    """An endpoint, and what it serves."""

    rpc_url: str
    chain_id: int

    def call(self, method: str, *params: object) -> object:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.rpc_url, json=request, timeout=10).json()
        assert "error" not in answer, answer
        result: object = answer["result"]
        return result

    def pay(self, address: str, ether: int) -> None:
        """Send ether from the owner's account, as on any chain; does not wait for the block."""
        nonce = self.call("eth_getTransactionCount", OWNER, "pending")
        transaction = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": int(str(nonce), 16),
            "to": address,
            "value": ether * 10**18,
            "gas": 21_000,
            "maxFeePerGas": 50 * 10**9,
            "maxPriorityFeePerGas": 10**9,
        }
        signed = Account.sign_transaction(transaction, OWNER_KEY)
        self.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())


@contextmanager
def devnet() -> Iterator[RunningChain]:
    """`ocr-peer devnet`, a block a second: with faster ones its clock would run ahead, and reports be too old."""
    command = [COMMAND, "devnet", "--port", "0", "--block-time", "1", "--fund", f"{OWNER}=1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        assert url is not None
        try:
            yield RunningChain(url[0], 1337)
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def anvil() -> Iterator[RunningChain]:
    """Foundry's chain, a block a second."""
    command = [foundry("anvil"), "--port", "0", "--block-time", "1", "--chain-id", "1337", "--accounts", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and "Listening on" not in line:
            pass
        chain = RunningChain("http://" + line.rpartition("Listening on ")[2].strip(), 1337)
        # Nobody reads on: it may say little more before the pipe is full.
        chain.call("anvil_setLoggingEnabled", False)
        chain.call("anvil_setBalance", OWNER, hex(1000 * 10**18))
        try:
            yield chain
        finally:
            process.kill()
            process.communicate()


CHAINS: dict[str, Callable[[], AbstractContextManager[RunningChain]]] = {"devnet": devnet, "anvil": anvil}
