"""Following an aggregator's configuration, on an in-process chain."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio
from trio.testing import MockClock

from ocr_peer.evm.config_tracker import ConfigTracker, TrackerState
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.protocol.config import ConfigDigest
from ocr_peer.protocol.reconfiguration import ContractConfig
from tests.unit.test_evm_feed import (
    CHAIN_ID,
    LIMITS,
    URL,
    Feed,
    deployed_feed,
    new_endpoint,
    seed,
    set_config_calldata,
)


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


def tracker(feed: Feed, *, confirmations: int = 1, known: ConfigDigest | None = None) -> ConfigTracker:
    return ConfigTracker(
        feed.rpc,
        chain_id=CHAIN_ID,
        contract=feed.contract,
        confirmations=confirmations,
        poll_interval_s=60,
        known=known,
    )


async def reconfigured(feed: Feed, secret: bytes) -> ContractConfig:
    feed.endpoint.devnet.automine = True
    config = await feed.owner.set_config(feed.contract, set_config_calldata(shared_secret=secret))
    feed.endpoint.devnet.automine = False
    return config


async def test_the_configuration_in_force_is_found_once(feed: Feed) -> None:
    tracking = tracker(feed)
    assert await tracking.poll() == feed.config
    assert tracking.status.state == TrackerState.CURRENT
    known = tracker(feed, known=feed.config.config_digest)
    assert await known.poll() is None
    assert known.status.state == TrackerState.CURRENT


async def test_confirmations_are_waited_for_as_libocr_counts_them(feed: Feed) -> None:
    tracking = tracker(feed, confirmations=3)
    for _ in range(2):
        assert await tracking.poll() is None
        assert tracking.status.state == TrackerState.CONFIRMING
        feed.endpoint.mine()
    assert await tracking.poll() == feed.config
    assert feed.endpoint.devnet.block_number == feed.config.block_number + 2


async def test_every_new_configuration_is_reported(autojump_clock: MockClock, feed: Feed) -> None:
    send, receive = trio.open_memory_channel[ContractConfig](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tracker(feed).run, send)
        first = await receive.receive()
        await trio.sleep(3600)
        second_set = await reconfigured(feed, b"2" * 16)
        with trio.fail_after(61):
            second = await receive.receive()
        nursery.cancel_scope.cancel()
    assert first == feed.config
    assert second == second_set
    assert second.config_count == 2


async def test_the_pace_slows_down_once_nothing_is_awaited(autojump_clock: MockClock, feed: Feed) -> None:
    send, receive = trio.open_memory_channel[ContractConfig](1)
    with trio.move_on_after(3600):
        await tracker(feed).run(send)
    assert receive.receive_nowait() == feed.config
    assert 60 <= feed.endpoint.calls["eth_blockNumber"] <= 70
    assert feed.endpoint.calls["eth_getLogs"] == 1


async def test_it_ends_with_its_listener(autojump_clock: MockClock, feed: Feed) -> None:
    send, receive = trio.open_memory_channel[ContractConfig](0)
    receive.close()
    await tracker(feed).run(send)


async def test_a_contract_without_configuration(autojump_clock: MockClock) -> None:
    endpoint = new_endpoint()
    async with httpx.AsyncClient(transport=endpoint) as client:
        rpc = RpcClient(URL, client=client)
        owner = OwnerAccount(rpc, LocalSigner(seed("owner", 0)), chain_id=CHAIN_ID)
        contract = await owner.deploy(AggregatorArguments(*LIMITS, 8, "ETH / USD"))
        tracking = ConfigTracker(rpc, chain_id=CHAIN_ID, contract=contract, confirmations=1)
        assert await tracking.poll() is None
        assert tracking.status.state == TrackerState.UNCONFIGURED
        assert tracking.status.detail == "the contract has no configuration yet"
        send, receive = trio.open_memory_channel[ContractConfig](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tracking.run, send)
            await trio.sleep(600)
            config = await owner.set_config(contract, set_config_calldata())
            with trio.fail_after(16):
                assert await receive.receive() == config
            nursery.cancel_scope.cancel()


async def test_an_outage_is_logged_once_and_waited_out(
    autojump_clock: MockClock, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    feed.endpoint.down = True
    tracking = tracker(feed)
    send, receive = trio.open_memory_channel[ContractConfig](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tracking.run, send)
        await trio.sleep(600)
        assert tracking.status.state == TrackerState.UNREACHABLE
        assert "connection refused" in tracking.status.detail
        feed.endpoint.down = False
        with trio.fail_after(16):
            assert await receive.receive() == feed.config
        nursery.cancel_scope.cancel()
    log = capsys.readouterr().out
    assert log.count("config_tracker.unreachable") == 1
    assert log.count("config_tracker.current") == 1


class Liar(httpx.AsyncBaseTransport):
    """Passes everything on but changes what the logs say."""

    def __init__(self, inner: httpx.AsyncBaseTransport, old: str, new: str) -> None:
        self.inner, self.old, self.new = inner, old, new

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        if b"eth_getLogs" in request.content:
            return httpx.Response(200, text=response.text.replace(self.old, self.new))
        return response


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("absent", "", None),
        (b"12D3KooW2".hex(), b"12D3KooW3".hex(), "but its contents have 0x0001"),
        ('"topics"', '"removed":true,"topics"', "holds no ConfigSet event with the digest"),
    ],
)
async def test_what_contradicts_itself_is_refused(feed: Feed, old: str, new: str, reason: str | None) -> None:
    async with httpx.AsyncClient(transport=Liar(feed.endpoint, old, new)) as client:
        tracking = ConfigTracker(
            RpcClient(URL, client=client), chain_id=CHAIN_ID, contract=feed.contract, confirmations=1
        )
        config = await tracking.poll()
    if reason is None:
        assert config == feed.config
    else:
        assert config is None
        assert tracking.status.state == TrackerState.REFUSED
        assert reason in tracking.status.detail


async def test_another_chains_digest_is_refused(feed: Feed) -> None:
    tracking = ConfigTracker(feed.rpc, chain_id=CHAIN_ID + 1, contract=feed.contract, confirmations=1)
    assert await tracking.poll() is None
    assert tracking.status.state == TrackerState.REFUSED


async def test_of_two_configurations_in_one_block_the_last_counts(
    autojump_clock: MockClock, feed: Feed
) -> None:
    async with trio.open_nursery() as nursery:
        first, second = [], []

        async def configure(secret: bytes, into: list[ContractConfig]) -> None:
            into.append(await feed.owner.set_config(feed.contract, set_config_calldata(shared_secret=secret)))

        nursery.start_soon(configure, b"1" * 16, first)
        while feed.endpoint.devnet.pending_count < 1:
            await trio.sleep(0.01)
        nursery.start_soon(configure, b"2" * 16, second)
        while feed.endpoint.devnet.pending_count < 2:
            await trio.sleep(0.01)
        feed.endpoint.mine()
    assert first[0].block_number == second[0].block_number
    found = await tracker(feed).poll()
    assert found == second[0]
