"""A private relay: what goes to it, what does not, and when the public endpoints are asked after all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio
from trio.testing import MockClock

from ocr_peer.errors import OperatingError
from ocr_peer.evm.fees import GWEI, FeeSettings
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.transactions import TransactionState
from tests.unit.chain_account import Account
from tests.unit.test_evm_feed import Endpoint, Feed, deployed_feed


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


@pytest.fixture
async def relay(feed: Feed) -> AsyncIterator[tuple[RpcClient, Endpoint]]:
    """Takes transactions and keeps them to itself."""
    endpoint = Endpoint(feed.endpoint.devnet, swallowed={"eth_sendRawTransaction"})
    async with httpx.AsyncClient(transport=endpoint) as client:
        yield RpcClient("http://relay.test", client=client), endpoint


Relay = tuple[RpcClient, Endpoint]


async def test_transactions_go_to_the_relay_alone(
    autojump_clock: MockClock, feed: Feed, relay: Relay
) -> None:
    rpc, endpoint = relay
    account = Account(feed, feed.transmitter_key(1), relay=rpc)
    endpoint.swallowed = set()  # it mines privately: straight into the chain's next block
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(1)
    assert account.states() == [(0, TransactionState.MINED)]
    assert endpoint.calls == {"eth_sendRawTransaction": 1}
    assert feed.endpoint.calls["eth_sendRawTransaction"] == 0


async def test_what_the_relay_holds_is_not_sent_it_with_every_look(
    autojump_clock: MockClock, feed: Feed, relay: Relay
) -> None:
    rpc, endpoint = relay
    account = Account(feed, feed.transmitter_key(1), relay=rpc)
    await account.submit(1, 1)
    async with account.running():
        await trio.sleep(600)
        assert endpoint.calls["eth_sendRawTransaction"] == 1
        await account.blocks(9)
    assert len(account.rows()[0].hashes) == 4, "dearer after every three blocks"
    assert endpoint.calls["eth_sendRawTransaction"] == 4
    assert feed.endpoint.calls["eth_sendRawTransaction"] == 0, "never"


async def test_a_relay_that_forgets_is_handed_it_again(
    autojump_clock: MockClock, feed: Feed, relay: Relay
) -> None:
    rpc, endpoint = relay
    account = Account(
        feed, feed.transmitter_key(1), relay=rpc, fees=FeeSettings(max_fee_cap=3 * GWEI, bump_percent=1000)
    )
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(13)
    assert len(account.rows()[0].hashes) == 1, "the cap allows no more"
    assert endpoint.calls["eth_sendRawTransaction"] == 3, "after every six blocks"


async def test_after_enough_blocks_the_public_endpoints_get_it(
    autojump_clock: MockClock, feed: Feed, relay: Relay
) -> None:
    rpc, _ = relay
    account = Account(feed, feed.transmitter_key(1), relay=rpc, public_after_blocks=5)
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(4)
        assert feed.endpoint.calls["eth_sendRawTransaction"] == 0
        await account.blocks(2)
    assert feed.endpoint.calls["eth_sendRawTransaction"] >= 1
    assert account.states() == [(0, TransactionState.MINED)]


async def test_a_restart_hands_the_relay_what_it_may_not_have(
    autojump_clock: MockClock, feed: Feed, relay: Relay
) -> None:
    rpc, endpoint = relay
    account = Account(feed, feed.transmitter_key(1), relay=rpc)
    endpoint.down = True
    await account.submit(1, 1)
    endpoint.down = False
    account.restarted()
    async with account.running():
        await trio.sleep(10)
    assert endpoint.calls["eth_sendRawTransaction"] == 1


@pytest.mark.parametrize("public_after_blocks", [0, 3])
async def test_a_relay_that_refuses_everything_is_got_round_if_that_is_allowed(
    public_after_blocks: int, autojump_clock: MockClock, feed: Feed, relay: Relay
) -> None:
    rpc, endpoint = relay
    endpoint.refused = {"eth_sendRawTransaction": "bundle not accepted"}
    account = Account(feed, feed.transmitter_key(1), relay=rpc, public_after_blocks=public_after_blocks)
    if not public_after_blocks:
        with pytest.raises(OperatingError, match=r"refuses the transaction of 0x.*: bundle not accepted"):
            await account.submit(1, 1)
        return
    await account.submit(1, 1)
    async with account.running():
        await account.blocks(5)
    assert account.states() == [(0, TransactionState.MINED)]
