"""The chain side against a development chain over real HTTP, in real time."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from ocr_peer import crypto
from ocr_peer.devnet import DevnetOptions
from ocr_peer.devnet.server import serve_devnet
from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.config_tracker import ConfigTracker
from ocr_peer.evm.confirmation import ConfirmationSettings
from ocr_peer.evm.connection import connect
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import InMemoryTransactionStore, TransactionRow, TransactionState
from ocr_peer.evm.transmission_watch import OnchainTransmission
from ocr_peer.evm.transmitter import Transmitter, TransmitterSettings
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import RoundTag
from ocr_peer.store import open_store
from tests.unit.test_evm_feed import (
    CHAIN_ID,
    LIMITS,
    ConfiguredFeed,
    N,
    seed,
    set_config_calldata,
    transmitters,
)

FAST = TransmitterSettings(confirmation=ConfirmationSettings(poll_interval_s=0.1))


@dataclass
class Network:
    """A served chain with a configured feed."""

    url: str
    feed: ConfiguredFeed


@asynccontextmanager
async def served_feed(block_time: float) -> AsyncIterator[Network]:
    funded = [crypto.secp256k1_address(seed("owner", 0)), *transmitters()]
    options = DevnetOptions(chain_id=CHAIN_ID, accounts=dict.fromkeys(funded, 10**20))
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_devnet, options, block_time=block_time))
        async with RpcClient(url) as rpc:
            owner = OwnerAccount(rpc, LocalSigner(seed("owner", 0)), chain_id=CHAIN_ID, poll_interval_s=0.05)
            contract = await owner.deploy(AggregatorArguments(*LIMITS, 8, "ETH / USD"))
            config = await owner.set_config(contract, set_config_calldata())
            yield Network(url, ConfiguredFeed(rpc, contract, config, owner))
        nursery.cancel_scope.cancel()


async def test_a_committee_transmits_and_everybody_sees_it() -> None:
    with trio.fail_after(60):
        async with served_feed(0.2) as network, trio.open_nursery() as nursery:
            feed = network.feed
            rpc = await connect(network.url, CHAIN_ID, feed.contract)
            send, receive = trio.open_memory_channel[ContractConfig](1)
            tracker = ConfigTracker(
                rpc, chain_id=CHAIN_ID, contract=feed.contract, confirmations=3, poll_interval_s=1
            )
            nursery.start_soon(tracker.run, send)
            assert await receive.receive() == feed.config

            settled: list[TransactionRow] = []
            chains = []
            for oracle in range(N):
                transmitter = Transmitter(
                    rpc,
                    LocalSigner(feed.transmitter_key(oracle)),
                    InMemoryTransactionStore(),
                    chain_id=CHAIN_ID,
                    settings=FAST,
                    on_settled=settled.append,
                )
                nursery.start_soon(transmitter.run)
                chains.append(AggregatorChain(rpc, transmitter, contract=feed.contract))
            watch = chains[0].watch(from_block=0, poll_interval_s=0.1)
            seen: list[OnchainTransmission] = []
            for round_ in range(1, 6):
                report = feed.report(1, round_, answer=1_000 * round_)
                async with trio.open_nursery() as racing:
                    for chain in chains:
                        racing.start_soon(chain.transmit, Transmit(report, 0, 0))
                seen.append(await anext(watch))
                view = await chains[-1].view()
                assert (view.tag, view.answer) == (RoundTag(1, round_), 1_000 * round_ + 1)
            assert [item.transmission.round for item in seen] == [1, 2, 3, 4, 5]
            winners = {item.transaction_hash for item in seen}
            while sum(row.state == TransactionState.MINED for row in settled) < 5:
                await trio.sleep(0.1)
            assert {
                row.inclusion.transaction_hash
                for row in settled
                if row.inclusion and row.state == TransactionState.MINED
            } == winners
            assert {row.state for row in settled} <= {TransactionState.MINED, TransactionState.REVERTED}

            await feed.owner.request_new_round(feed.contract)
            view = await chains[1].view()
            assert (view.requested_digest, view.requested_round) == (feed.config.config_digest, 5)

            second = await feed.owner.set_config(feed.contract, set_config_calldata(shared_secret=b"2" * 16))
            assert await receive.receive() == second
            view = await chains[1].view()
            assert (view.config_digest, view.tag) == (second.config_digest, RoundTag(0, 0))
            nursery.cancel_scope.cancel()
        await rpc.aclose()


CHILD = """
import sys, trio
from pathlib import Path
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transmitter import Transmitter
from ocr_peer.store import open_store

async def main():
    url, chain_id, key, contract, data, directory = sys.argv[1:]
    async with RpcClient(url) as rpc, open_store(Path(directory)) as store:
        transmitter = Transmitter(rpc, LocalSigner(bytes.fromhex(key)), store, chain_id=int(chain_id))
        submission = await transmitter.submit(bytes.fromhex(contract), bytes.fromhex(data), reference="1/1")
        print(submission.transaction_hash.hex(), file=sys.stderr, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_a_transaction_outlives_kill_9(tmp_path: Path) -> None:
    with trio.fail_after(90):
        async with served_feed(0.2) as network:
            feed = network.feed
            await feed.rpc.call("evm_setIntervalMining", (0,))
            key = feed.transmitter_key(1)
            data = encode_transmit(feed.report(1, 1))
            arguments = [
                network.url,
                str(CHAIN_ID),
                key.hex(),
                feed.contract.hex(),
                data.hex(),
                str(tmp_path),
            ]
            child = await trio.lowlevel.open_process(
                [sys.executable, "-W", "ignore", "-c", CHILD, *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            assert child.stderr is not None
            sent = bytes.fromhex((await child.stderr.receive_some(65)).decode().strip())
            child.send_signal(signal.SIGKILL)
            await child.wait()

            settled: list[TransactionRow] = []
            async with open_store(tmp_path) as store, trio.open_nursery() as nursery:
                transmitter = Transmitter(
                    feed.rpc,
                    LocalSigner(key),
                    store,
                    chain_id=CHAIN_ID,
                    settings=FAST,
                    on_settled=settled.append,
                )
                nursery.start_soon(transmitter.run)
                await AggregatorChain(feed.rpc, transmitter, contract=feed.contract).transmit(
                    Transmit(feed.report(1, 2), 0, 0)
                )
                assert transmitter.in_flight == 2
                await feed.rpc.call("evm_mine")
                while len(settled) < 2:
                    await trio.sleep(0.05)
                nursery.cancel_scope.cancel()
            assert [(row.nonce, row.state) for row in settled] == [
                (0, TransactionState.MINED),
                (1, TransactionState.MINED),
            ]
            assert settled[0].hashes == (sent,)
