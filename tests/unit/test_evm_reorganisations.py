"""Following logs while the chain changes under them, and past endpoints that refuse long ranges.

Two chains that got the same requests have the same blocks: a reorganisation is one of them in place of the other.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from ocr_peer.evm import transmission_watch
from ocr_peer.evm.config_tracker import ConfigTracker, TrackerState
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer
from ocr_peer.evm.transmission_watch import OnchainTransmission, TransmissionWatch
from tests.unit.test_evm_chain import Lagging, next_of, transmitted
from tests.unit.test_evm_config_tracker import reconfigured
from tests.unit.test_evm_feed import CHAIN_ID, URL, Feed, deployed_feed, transmitters


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


@pytest.fixture
async def fork() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


def reorganise(feed: Feed, fork: Feed) -> None:
    feed.endpoint.devnet, feed.endpoint.now = fork.endpoint.devnet, fork.endpoint.now


def told(item: OnchainTransmission) -> tuple[int, bool, int]:
    return (item.transmission.round, item.removed, item.block_number)


async def drained(watch: TransmissionWatch) -> list[tuple[int, bool, int]]:
    while await watch.poll():
        pass
    found = [told(item) for item in watch._ready]
    watch._ready.clear()
    return found


def watching(feed: Feed, **options: Any) -> TransmissionWatch:
    return TransmissionWatch(feed.rpc, feed.contract, **{"from_block": 0, **options})


async def test_a_report_in_another_block_is_taken_back_and_told_again(feed: Feed, fork: Feed) -> None:
    watch = watching(feed)
    base = feed.endpoint.devnet.block_number
    await transmitted(feed, 1, 1, 1)
    assert await drained(watch) == [(1, False, base + 1)]
    fork.endpoint.mine()
    await transmitted(fork, 1, 1, 1)
    reorganise(feed, fork)
    assert await drained(watch) == [(1, True, base + 1), (1, False, base + 2)]
    assert await drained(watch) == []


async def test_a_report_of_another_transmitter_in_the_same_place(
    autojump_clock: MockClock, feed: Feed, fork: Feed
) -> None:
    watch = watching(feed)
    await transmitted(feed, 1, 1, 1)
    first = await next_of(watch)
    await transmitted(fork, 2, 1, 1)
    reorganise(feed, fork)
    gone, second = await next_of(watch), await next_of(watch)
    assert gone.removed
    assert (gone.transaction_hash, gone.block_hash) == (first.transaction_hash, first.block_hash)
    assert not second.removed
    assert [item.transmission.transmitter for item in (gone, second)] == list(transmitters()[1:3])


async def test_a_report_that_is_gone_is_told_once(feed: Feed, fork: Feed) -> None:
    watch = watching(feed)
    for round_ in (1, 2):
        await transmitted(feed, 1, 1, round_)
    base = feed.endpoint.devnet.block_number
    assert len(await drained(watch)) == 2
    await transmitted(fork, 1, 1, 1)
    fork.endpoint.now += 5
    fork.endpoint.mine(3)
    reorganise(feed, fork)
    assert await drained(watch) == [(2, True, base)]
    feed.endpoint.mine(3)
    assert await drained(watch) == []


async def test_a_chain_that_got_shorter_is_waited_for(feed: Feed, fork: Feed) -> None:
    watch = watching(feed)
    await transmitted(feed, 1, 1, 1)
    block = feed.endpoint.devnet.block_number
    assert await drained(watch) == [(1, False, block)]
    fork.endpoint.now += 7
    reorganise(feed, fork)
    assert await drained(watch) == [], "nothing stands in its place yet"
    feed.endpoint.mine()
    assert await drained(watch) == [(1, True, block)]


@pytest.mark.parametrize("looks", [1, 5, 80])
async def test_a_deep_reorganisation_is_noticed(
    feed: Feed, fork: Feed, looks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = watching(feed)
    base = feed.endpoint.devnet.block_number
    await transmitted(feed, 1, 1, 1)
    assert await drained(watch) == [(1, False, base + 1)]
    for _ in range(looks):
        feed.endpoint.mine(80 // looks)
        await drained(watch)
    fork.endpoint.now += 3
    fork.endpoint.mine(90)
    reorganise(feed, fork)
    noticed = await drained(watch)
    assert len(watch._marks) <= 64
    # With 80 looks of one block each, the fork is older than the 64 that are remembered.
    assert noticed == ([] if looks == 80 else [(1, True, base + 1)])
    assert "transmission_watch.reorganisation" in capsys.readouterr().out
    await transmitted(feed, 1, 1, 5)
    assert [item[0] for item in await drained(watch)] == [5]


async def test_logs_that_lag_are_no_reorganisation(feed: Feed) -> None:
    await transmitted(feed, 1, 1, 1)
    transport = Lagging(feed.endpoint)
    transport.behind = False
    async with httpx.AsyncClient(transport=transport) as client:
        watch = TransmissionWatch(RpcClient(URL, client=client), feed.contract, from_block=0)
        assert len(await drained(watch)) == 1
        transport.behind = True
        assert await drained(watch) == []
        transport.behind = False
        assert await drained(watch) == []


async def test_what_is_remembered_is_bounded(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transmission_watch, "_MAX_SEEN", 3)
    watch = watching(feed)
    for round_ in range(1, 25):
        await transmitted(feed, 1, 1, round_)
        feed.endpoint.mine(16)
        assert [item[0] for item in await drained(watch)] == [round_]
    assert len(watch._seen) == 3


class Stingy(httpx.AsyncBaseTransport):
    """Refuses log queries of more than some blocks."""

    def __init__(self, inner: httpx.AsyncBaseTransport, blocks: int, error: RpcError) -> None:
        self.inner, self.blocks, self.error = inner, blocks, error
        self.spans: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        response = await self.inner.handle_async_request(request)
        answers = response.json()
        for item, answer in zip(body, answers, strict=False) if isinstance(body, list) else []:
            if item["method"] == "eth_getLogs":
                span = int(item["params"][0]["toBlock"], 16) - int(item["params"][0]["fromBlock"], 16) + 1
                self.spans.append(span)
                if span > self.blocks:
                    del answer["result"]
                    answer["error"] = {"code": self.error.code, "message": self.error.message}
        return httpx.Response(200, json=answers)


@pytest.mark.parametrize(
    "error",
    [
        RpcError(-32005, "query returned more than 10000 results"),
        RpcError(-32005, "limit exceeded"),
        RpcError(-32602, "block range is too wide"),
        RpcError(-32614, "eth_getLogs is limited to a 10,000 range"),
        RpcError(35, "ranges over 10000 blocks are not supported on freetier"),
        RpcError(-32000, "query timeout exceeded"),
    ],
)
@pytest.mark.parametrize("blocks", [1, 7, 100])
async def test_a_refused_range_is_halved_and_nothing_is_missed(
    feed: Feed, error: RpcError, blocks: int
) -> None:
    for round_ in range(1, 6):
        await transmitted(feed, 1, 1, round_)
        feed.endpoint.mine(30)
    transport = Stingy(feed.endpoint, blocks, error)
    async with httpx.AsyncClient(transport=transport) as client:
        watch = TransmissionWatch(RpcClient(URL, client=client), feed.contract, from_block=0)
        assert [item[0] for item in await drained(watch)] == [1, 2, 3, 4, 5]
        refused = sum(span > blocks for span in transport.spans)
        assert refused <= 10 + len(transport.spans) / 4
        transport.blocks = 10**6
        transport.spans.clear()
        feed.endpoint.mine(900)
        await drained(watch)
    assert max(transport.spans) > 100, "it grows again"


async def test_a_single_block_that_is_refused_is_told(feed: Feed) -> None:
    transport = Stingy(feed.endpoint, 0, RpcError(-32005, "limit exceeded"))
    async with httpx.AsyncClient(transport=transport) as client:
        watch = TransmissionWatch(RpcClient(URL, client=client), feed.contract, from_block=0)
        with pytest.raises(RpcError, match="limit exceeded"):
            await watch.poll()
        assert len(transport.spans) <= 11
        transport.blocks = 10
        await transmitted(feed, 1, 1, 1)
        assert [item[0] for item in await drained(watch)] == [1]


async def test_an_answer_too_long_is_a_range_too_long(feed: Feed) -> None:
    for round_ in range(1, 30):
        await transmitted(feed, 1, 1, round_)
    async with httpx.AsyncClient(transport=feed.endpoint) as client:
        rpc = RpcClient(URL, client=client, max_response_bytes=12_000)
        watch = TransmissionWatch(rpc, feed.contract, from_block=0, max_blocks=64)
        assert [item[0] for item in await drained(watch)] == list(range(1, 30))


async def test_a_range_with_many_transmissions_is_looked_at_in_parts(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transmission_watch, "_MAX_LOGS", 4)
    for round_ in range(1, 20):
        await transmitted(feed, 1, 1, round_)
    watch = watching(feed)
    assert [item[0] for item in await drained(watch)] == list(range(1, 20))
    monkeypatch.setattr(transmission_watch, "_MAX_LOGS", 0)
    await transmitted(feed, 1, 1, 30)
    with pytest.raises(UnexpectedAnswer, match="at most 0 transmissions in one block"):
        await drained(watch)


async def test_catching_up_tells_how_far_it_is(
    autojump_clock: MockClock, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    feed.endpoint.mine(500)
    watch = watching(feed, max_blocks=50)
    await drained(watch)
    assert capsys.readouterr().out.count("transmission_watch.catching_up") == 1


def tracker(feed: Feed, confirmations: int = 3) -> ConfigTracker:
    return ConfigTracker(
        feed.rpc, chain_id=CHAIN_ID, contract=feed.contract, confirmations=confirmations, poll_interval_s=60
    )


async def test_a_configuration_that_vanishes_while_it_is_confirmed_is_never_told(
    feed: Feed, fork: Feed
) -> None:
    feed.endpoint.mine(3)
    fork.endpoint.mine(3)
    tracking = tracker(feed)
    first = await tracking.poll()
    assert first == feed.config
    tracking._reported = first.config_digest
    await reconfigured(feed, b"2" * 16)
    assert await tracking.poll() is None
    assert tracking.status.state == TrackerState.CONFIRMING
    fork.endpoint.now += 2
    fork.endpoint.mine(5)
    reorganise(feed, fork)
    assert await tracking.poll() is None
    assert tracking.status.state == TrackerState.CURRENT


async def test_a_configuration_that_replaces_another_while_it_is_confirmed(feed: Feed, fork: Feed) -> None:
    feed.endpoint.mine(3)
    fork.endpoint.mine(3)
    tracking = tracker(feed)
    tracking._reported = feed.config.config_digest
    lost = await reconfigured(feed, b"2" * 16)
    feed.endpoint.mine()
    assert await tracking.poll() is None
    kept = await reconfigured(fork, b"3" * 16)
    assert kept.block_number == lost.block_number
    fork.endpoint.mine(1)
    reorganise(feed, fork)
    assert await tracking.poll() is None
    assert "waits for block" in tracking.status.detail
    feed.endpoint.mine(1)
    assert await tracking.poll() == kept


async def test_a_confirmed_configuration_that_vanishes_gives_way_to_what_the_contract_has(
    feed: Feed, fork: Feed
) -> None:
    feed.endpoint.mine(3)
    fork.endpoint.mine(3)
    tracking = tracker(feed)
    second = await reconfigured(feed, b"2" * 16)
    feed.endpoint.mine(3)
    assert await tracking.poll() == second
    tracking._reported = second.config_digest
    fork.endpoint.mine(9)
    reorganise(feed, fork)
    assert await tracking.poll() == feed.config
    tracking._reported = feed.config.config_digest
    again = await reconfigured(feed, b"2" * 16)
    feed.endpoint.mine(3)
    assert await tracking.poll() == again
    assert again.config_digest == second.config_digest
    assert again.block_number > second.block_number
