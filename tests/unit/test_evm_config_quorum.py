"""A configuration through several endpoints: none that lies or lags installs another one, or holds the real one up."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from ocr_peer.evm.aggregator import LATEST_CONFIG_DETAILS
from ocr_peer.evm.config_tracker import ConfigTracker, TrackerState
from ocr_peer.evm.endpoint_settings import EndpointAddress
from ocr_peer.evm.pool import EndpointPool, endpoint_pool
from ocr_peer.evm.quantity import to_hex
from ocr_peer.protocol.reconfiguration import ContractConfig
from tests.unit.test_evm_config_tracker import reconfigured
from tests.unit.test_evm_feed import CHAIN_ID, Feed, deployed_feed

Change = Callable[[Mapping[str, Any], Any], Any]


@dataclass
class Liar(httpx.AsyncBaseTransport):
    """Changes the results of an honest endpoint."""

    inner: httpx.AsyncBaseTransport
    change: Change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        answers = (await self.inner.handle_async_request(request)).json()
        pairs = zip(body, answers, strict=True) if isinstance(body, list) else [(body, answers)]
        for item, answer in pairs:
            if "result" in answer:
                answer["result"] = self.change(item, answer["result"])
        return httpx.Response(200, json=answers)


class Router(httpx.AsyncBaseTransport):
    def __init__(self, transports: Mapping[str, httpx.AsyncBaseTransport]) -> None:
        self.transports = transports

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.transports[request.url.host].handle_async_request(request)


@asynccontextmanager
async def pool_over(*transports: httpx.AsyncBaseTransport) -> AsyncIterator[EndpointPool]:
    named = dict(zip("abcde", transports, strict=False))
    addresses = [EndpointAddress(name, f"http://{name}") for name in named]
    async with httpx.AsyncClient(transport=Router(named)) as client:
        yield endpoint_pool(addresses, chain_id=CHAIN_ID, client=client)


def is_details(item: Mapping[str, Any]) -> bool:
    return bool(item["method"] == "eth_call" and item["params"][0]["data"] == DETAILS)


DETAILS = to_hex(LATEST_CONFIG_DETAILS.encode_call())


def forged_digest(item: Mapping[str, Any], result: Any) -> Any:
    return result[:-8] + "deadbeef" if is_details(item) else result


def no_configuration(item: Mapping[str, Any], result: Any) -> Any:
    return "0x" + "00" * 96 if is_details(item) else result


def no_contract(item: Mapping[str, Any], result: Any) -> Any:
    return "0x" if is_details(item) else result


def forged_event(item: Mapping[str, Any], result: Any) -> Any:
    if item["method"] != "eth_getLogs":
        return result
    return json.loads(json.dumps(result).replace(b"12D3KooW2".hex(), b"12D3KooW3".hex()))


def no_event(item: Mapping[str, Any], result: Any) -> Any:
    return [] if item["method"] == "eth_getLogs" else result


def head_of(number: int) -> Change:
    return lambda item, result: hex(number) if item["method"] == "eth_blockNumber" else result


def nothing(item: Mapping[str, Any], result: Any) -> Any:
    return None if item["method"] in {"eth_call", "eth_getLogs"} else result


def rubbish(item: Mapping[str, Any], result: Any) -> Any:
    return {"a": [1, "x"]}


LIES = [
    forged_digest,
    no_configuration,
    no_contract,
    forged_event,
    no_event,
    nothing,
    rubbish,
    head_of(0),
    head_of(2**60),
]


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        deployed.endpoint.mine(5)
        yield deployed


def tracker(feed: Feed, pool: EndpointPool, **options: Any) -> ConfigTracker:
    return ConfigTracker(pool, chain_id=CHAIN_ID, contract=feed.contract, poll_interval_s=60, **options)


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("position", range(3))
async def test_with_an_honest_majority_the_real_one_comes_at_the_first_look(
    autojump_clock: MockClock, feed: Feed, lie: Change, position: int
) -> None:
    transports: list[httpx.AsyncBaseTransport] = [feed.endpoint, feed.endpoint]
    transports.insert(position, Liar(feed.endpoint, lie))
    async with pool_over(*transports) as pool:
        tracking = tracker(feed, pool)
        start = trio.current_time()
        assert await tracking.poll() == feed.config
        assert trio.current_time() - start < 5
        honest = [item for index, item in enumerate(pool.snapshot()) if index != position]
        assert all(item.contradictions == 0 for item in honest)


@pytest.mark.parametrize("lie", LIES)
async def test_one_of_two_that_lies_installs_nothing_else(
    autojump_clock: MockClock, feed: Feed, lie: Change
) -> None:
    async with pool_over(Liar(feed.endpoint, lie), feed.endpoint) as pool:
        tracking = tracker(feed, pool)
        for _ in range(3):
            assert await tracking.poll() in (None, feed.config)
        assert all(item.contradictions == 0 for item in pool.snapshot())


async def test_an_endpoint_that_stopped_in_the_past_neither_brings_back_the_old_one_nor_holds_up_the_new(
    autojump_clock: MockClock, feed: Feed
) -> None:
    async with deployed_feed() as stale:
        stale.endpoint.mine(5)
        second = await reconfigured(feed, b"2" * 16)
        feed.endpoint.mine(20)
        async with pool_over(stale.endpoint, feed.endpoint, feed.endpoint) as pool:
            send, receive = trio.open_memory_channel[ContractConfig](4)
            with trio.move_on_after(1800):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pool.run)
                    await tracker(feed, pool, known=feed.config.config_digest).run(send)
            assert receive.receive_nowait() == second
            with pytest.raises(trio.WouldBlock):
                receive.receive_nowait()
            assert pool.snapshot()[0].contradictions == 0, "who lags is no liar"


async def test_a_slow_one_holds_nothing_up(autojump_clock: MockClock, feed: Feed) -> None:
    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await trio.sleep(9)
            return await feed.endpoint.handle_async_request(request)

    async with pool_over(Slow(), feed.endpoint, feed.endpoint) as pool:
        tracking = tracker(feed, pool, confirmations=1)
        start = trio.current_time()
        assert await tracking.poll() == feed.config
        assert trio.current_time() - start <= 4


async def test_without_a_majority_the_tracker_says_who_said_what_and_recovers(
    autojump_clock: MockClock, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    liar = Liar(feed.endpoint, forged_digest)
    async with pool_over(liar, feed.endpoint) as pool:
        tracking = tracker(feed, pool)
        assert await tracking.poll() is None
        assert tracking.status.state == TrackerState.UNREACHABLE
        for part in ("2 of 2 endpoints must agree", "a says …", "deadbeef, b says …"):
            assert part in tracking.status.detail
        liar.change = lambda item, result: result
        assert await tracking.poll() == feed.config
    assert "config_tracker.unreachable" in capsys.readouterr().out


async def test_rate_limits_on_honest_ones_make_no_liar_believed(
    autojump_clock: MockClock, feed: Feed
) -> None:
    limited = {"on": True}

    class Limiting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if limited["on"]:
                return httpx.Response(429, headers={"retry-after": "20"})
            return await feed.endpoint.handle_async_request(request)

    async with pool_over(Liar(feed.endpoint, forged_digest), Limiting(), Limiting()) as pool:
        tracking = tracker(feed, pool)
        for _ in range(10):
            assert await tracking.poll() is None
            await trio.sleep(5)
        limited["on"] = False
        await trio.sleep(60)
        assert await tracking.poll() == feed.config
        assert pool.snapshot()[0].state == "Outvoted"


async def test_of_two_one_that_lags_brings_no_old_one_back(autojump_clock: MockClock, feed: Feed) -> None:
    async with deployed_feed() as stale:
        stale.endpoint.mine(5)
        second = await reconfigured(feed, b"2" * 16)
        feed.endpoint.mine(20)
        async with pool_over(stale.endpoint, feed.endpoint) as pool:
            tracking = tracker(feed, pool)
            assert await tracking.poll() is None
            assert tracking.status.state == TrackerState.UNREACHABLE
            assert "a is at block" in tracking.status.detail
        for newest in (None, second):
            async with pool_over(stale.endpoint) as pool:
                tracking = tracker(feed, pool, newest=newest)
                assert await tracking.poll() == (feed.config if newest is None else None)
        assert tracking.status.state == TrackerState.REFUSED
        assert "the endpoints are behind" in tracking.status.detail


async def test_an_endpoint_that_starts_its_chain_anew_brings_no_old_one_back(
    autojump_clock: MockClock, feed: Feed
) -> None:
    async with deployed_feed() as syncing:
        syncing.endpoint.mine(5)
        second = await reconfigured(feed, b"2" * 16)
        feed.endpoint.mine(20)
        async with pool_over(feed.endpoint) as pool:
            tracking = tracker(feed, pool)
            assert await tracking.poll() == second
            devnet, feed.endpoint.devnet = feed.endpoint.devnet, syncing.endpoint.devnet
            assert await tracking.poll() is None
            assert tracking.status.state == TrackerState.REFUSED
            feed.endpoint.devnet = devnet
            assert await tracking.poll() == second
