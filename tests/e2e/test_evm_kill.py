"""A transmitting process killed with SIGKILL again and again, over a served chain and a real store."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from ocr_peer import crypto
from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.evm.quantity import to_hex
from tests.e2e.test_evm_devnet import served_feed
from tests.unit.test_evm_feed import CHAIN_ID

ROUNDS, KILLS = 12, 4

CHILD = """
import sys, trio
from pathlib import Path
from ocr_peer.errors import OperatingError
from ocr_peer.evm.confirmation import ConfirmationSettings
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transmitter import Transmitter, TransmitterSettings
from ocr_peer.store import open_store

async def main():
    url, chain_id, key, contract, directory, *reports = sys.argv[1:]
    settings = TransmitterSettings(confirmation=ConfirmationSettings(poll_interval_s=0.05), max_in_flight=4)
    async with RpcClient(url) as rpc, open_store(Path(directory)) as store, trio.open_nursery() as nursery:
        transmitter = Transmitter(
            rpc, LocalSigner(bytes.fromhex(key)), store, chain_id=int(chain_id), settings=settings
        )
        nursery.start_soon(transmitter.run)
        print("alive", file=sys.stderr, flush=True)
        for reference, data in enumerate(reports):
            while True:
                try:
                    await transmitter.submit(
                        bytes.fromhex(contract), bytes.fromhex(data), reference=str(reference)
                    )
                    break
                except OperatingError:
                    await trio.sleep(0.05)  # four are in flight
        while transmitter.in_flight:
            await trio.sleep(0.05)
        nursery.cancel_scope.cancel()

trio.run(main)
"""


@pytest.mark.parametrize("seed", [1, 2])
async def test_kill_9_loses_no_report_and_sends_none_twice(seed: int, tmp_path: Path) -> None:
    moment = random.Random(seed)
    with trio.fail_after(240):
        async with served_feed(0.1) as network:
            feed = network.feed
            key = feed.transmitter_key(1)
            reports = [encode_transmit(feed.report(1, round_)) for round_ in range(1, ROUNDS + 1)]
            arguments = [network.url, str(CHAIN_ID), key.hex(), feed.contract.hex(), str(tmp_path)]
            command = [sys.executable, "-W", "ignore", "-c", CHILD, *arguments]
            for life in range(KILLS + 1):
                child = await trio.lowlevel.open_process(
                    [*command, *(report.hex() for report in reports)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                assert child.stderr is not None
                if life < KILLS:
                    assert (await child.stderr.receive_some(5)) == b"alive"
                    await trio.sleep(moment.uniform(0, 0.4))
                    child.send_signal(signal.SIGKILL)
                else:
                    async for _ in child.stderr:
                        pass
                await child.wait()
                await child.stderr.aclose()
            assert child.returncode == 0

            sender = to_hex(crypto.secp256k1_address(key))
            head = int(str(await feed.rpc.call("eth_blockNumber")), 16)
            sent = []
            for number in range(head + 1):
                block = await feed.rpc.call("eth_getBlockByNumber", (hex(number), True))
                assert isinstance(block, dict)
                sent += [item for item in block["transactions"] if item["from"] == sender]
            assert [int(item["nonce"], 16) for item in sent] == list(range(ROUNDS))
            assert Counter(item["input"] for item in sent) == Counter(map(to_hex, reports))
            for item in sent:
                receipt = await feed.rpc.call("eth_getTransactionReceipt", (item["hash"],))
                assert isinstance(receipt, dict)
                assert receipt["status"] == "0x1"
