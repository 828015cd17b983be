"""A feed on three real endpoints, while the preferred one is killed and another one lies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.config_tracker import ConfigTracker
from ocr_peer.evm.connection import check_contract, check_endpoints
from ocr_peer.evm.endpoint import EndpointState
from ocr_peer.evm.endpoint_settings import EndpointAddress, PoolSettings
from ocr_peer.evm.pool import EndpointPool, endpoint_pool
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import InMemoryTransactionStore
from ocr_peer.evm.transmitter import Transmitter
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import RoundTag
from tests.e2e.test_evm_devnet import FAST, served_feed
from tests.unit.test_evm_feed import CHAIN_ID, set_config_calldata


@asynccontextmanager
async def proxy(upstream: str, mode: str) -> AsyncIterator[tuple[str, trio.Process]]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.e2e.rpc_proxy", upstream, mode], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.receive_some(100)).decode().strip(), process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


def states(pool: EndpointPool) -> dict[str, EndpointState]:
    return {item.name: item.state for item in pool.snapshot()}


async def test_a_feed_goes_on_while_one_endpoint_is_killed_and_another_lies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = PoolSettings(poll_interval_s=0.2, poll_failure_threshold=3)
    with trio.fail_after(120):
        async with (
            served_feed(0.2) as network,
            proxy(network.url, "honest") as (first_url, first),
            proxy(network.url, "lying") as (liar_url, _),
            trio.open_nursery() as nursery,
        ):
            feed = network.feed
            addresses = [
                EndpointAddress("first", first_url),
                EndpointAddress("liar", liar_url),
                EndpointAddress("direct", network.url),
            ]
            pool = endpoint_pool(addresses, chain_id=CHAIN_ID, settings=settings)
            await check_endpoints(pool, CHAIN_ID)
            await check_contract(pool, CHAIN_ID, feed.contract)
            nursery.start_soon(pool.run)

            send, receive = trio.open_memory_channel[ContractConfig](1)
            tracker = ConfigTracker(
                pool, chain_id=CHAIN_ID, contract=feed.contract, confirmations=2, poll_interval_s=0.5
            )
            nursery.start_soon(tracker.run, send)
            assert await receive.receive() == feed.config
            assert states(pool)["liar"] is EndpointState.OUTVOTED

            transmitter = Transmitter(
                pool,
                LocalSigner(feed.transmitter_key(1)),
                InMemoryTransactionStore(),
                chain_id=CHAIN_ID,
                settings=FAST,
            )
            nursery.start_soon(transmitter.run)
            chain = AggregatorChain(pool, transmitter, contract=feed.contract)
            watch = chain.watch(from_block=0, poll_interval_s=0.5)
            for round_ in range(1, 7):
                if round_ == 3:
                    first.send_signal(signal.SIGKILL)
                    await first.wait()
                await chain.transmit(Transmit(feed.report(1, round_, answer=1_000 * round_), 0, 0))
                seen = await anext(watch)
                assert (seen.transmission.round, seen.removed) == (round_, False)
                assert (await chain.view()).tag == RoundTag(1, round_)

            second = await feed.owner.set_config(feed.contract, set_config_calldata(shared_secret=b"2" * 16))
            assert await receive.receive() == second
            assert states(pool) == {
                "first": EndpointState.UNREACHABLE,
                "liar": EndpointState.OUTVOTED,
                "direct": EndpointState.ALIVE,
            }
            nursery.cancel_scope.cancel()
        await pool.aclose()
    log = capsys.readouterr().out
    assert "endpoint.outvoted" in log
    assert "deadbeef" in log
