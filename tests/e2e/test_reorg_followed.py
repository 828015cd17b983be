"""A report that a reorganisation takes off the chain again comes back, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from ocr_peer.devnet import DevnetOptions
from ocr_peer.devnet.server import serve_devnet
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.report import RoundTag
from tests.e2e.test_anvil import ACCOUNTS, Network, network
from tests.unit.test_evm_feed import CHAIN_ID, LIMITS, ConfiguredFeed, seed, set_config_calldata


@asynccontextmanager
async def devnet() -> AsyncIterator[Network]:
    """The same on this project's chain, which mines at once until told otherwise."""
    options = DevnetOptions(chain_id=CHAIN_ID, accounts=dict.fromkeys(ACCOUNTS, 10**20), automine=True)
    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            url = str(await nursery.start(partial(serve_devnet, options, block_time=None)))
            async with RpcClient(url) as rpc:
                owner = OwnerAccount(
                    rpc, LocalSigner(seed("owner", 0)), chain_id=CHAIN_ID, poll_interval_s=0.05
                )
                contract = await owner.deploy(AggregatorArguments(*LIMITS, 8, "ETH / USD"))
                config = await owner.set_config(contract, set_config_calldata())
                yield Network(url, ConfiguredFeed(rpc, contract, config, owner))
            nursery.cancel_scope.cancel()


async def lands_again(net: Network, *reorganisation: object) -> None:
    """Mine a report, look at it, take its block back, and mine on until it is there again."""
    async with trio.open_nursery() as nursery:
        await net.rpc.call("evm_setAutomine", (False,))
        transmitter = net.transmitter()
        nursery.start_soon(transmitter.run)
        await net.chain(transmitter).transmit(Transmit(net.feed.report(1, 1), 0, 0))
        await net.mine()
        assert len(await net.transmissions()) == 1
        # Time for some looks at it: it has been seen in its block.
        await trio.sleep(0.5)
        await net.rpc.call("anvil_reorg", reorganisation)
        assert await net.transmissions() == []
        assert await net.nonce() == 0
        while not await net.transmissions():
            await net.mine()
            await trio.sleep(0.1)
        assert await net.nonce() == 1
        assert len(await net.transmissions()) == 1
        view = await net.chain(transmitter).view()
        assert (view.tag, view.answer) == (RoundTag(1, 1), 5_001)
        nursery.cancel_scope.cancel()


async def test_on_anvil_which_loses_the_transaction() -> None:
    async with network() as net:
        await lands_again(net, 1, [])


@pytest.mark.parametrize("keep", [True, False])
async def test_on_the_development_chain(keep: bool) -> None:
    async with devnet() as net:
        await lands_again(net, 1, [], keep)
