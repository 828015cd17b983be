"""One feed's view of its aggregator, its transmissions, and everybody's, on an in-process chain."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import RpcUnavailable, UnexpectedAnswer
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import InMemoryTransactionStore
from ocr_peer.evm.transmission_watch import OnchainTransmission, TransmissionWatch
from ocr_peer.evm.transmitter import TransactionRefused, Transmitter
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.report import RoundTag
from ocr_peer.runtime.ports import ReportRefused
from tests.unit.test_evm_feed import CHAIN_ID, URL, Endpoint, Feed, deployed_feed, seed, transmitters

NOW_NS = 1_700_000_123_456_789_000


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


def chain(feed: Feed, oracle: int = 1, **options: Any) -> AggregatorChain:
    key = feed.transmitter_key(oracle)
    transmitter = Transmitter(feed.rpc, LocalSigner(key), InMemoryTransactionStore(), chain_id=CHAIN_ID)
    return AggregatorChain(feed.rpc, transmitter, contract=feed.contract, clock_ns=lambda: NOW_NS, **options)


async def transmitted(feed: Feed, oracle: int, epoch: int, round_: int, answer: int = 5_000) -> None:
    await chain(feed, oracle).transmit(Transmit(feed.report(epoch, round_, answer), 0, 0))
    feed.endpoint.mine()


async def test_the_view_right_after_set_config(feed: Feed) -> None:
    view = await chain(feed).view()
    assert view.config_digest == feed.config.config_digest
    assert view.tag == RoundTag(0, 0)
    assert (view.answer, view.timestamp) == (0, 0)
    assert view.requested_digest is None
    assert view.read_at == NOW_NS


async def test_the_view_after_a_transmission_and_a_request(feed: Feed) -> None:
    reader = chain(feed)
    await transmitted(feed, 1, 2, 3, answer=-7_000)
    mined_at = feed.endpoint.now
    view = await reader.view()
    assert view.tag == RoundTag(2, 3)
    assert (view.answer, view.timestamp) == (-7_000 + 1, mined_at)
    assert view.requested_digest is None
    feed.endpoint.devnet.automine = True
    await feed.owner.request_new_round(feed.contract)
    view = await reader.view()
    assert view.requested_digest == feed.config.config_digest
    assert (view.requested_epoch, view.requested_round) == (2, 3)
    assert await chain(feed).view() == view, "a request is found by looking back as well"


async def test_a_view_is_one_exchange(feed: Feed) -> None:
    reader = chain(feed)
    await reader.view()
    before = feed.endpoint.exchanges
    for _ in range(10):
        await reader.view()
    assert feed.endpoint.exchanges - before == 10


async def test_a_request_beyond_the_lookback_is_not_found(feed: Feed) -> None:
    feed.endpoint.devnet.automine = True
    await feed.owner.request_new_round(feed.contract)
    early = chain(feed, lookback_blocks=10)
    assert (await early.view()).requested_digest is not None
    feed.endpoint.mine(10)
    assert (await chain(feed, lookback_blocks=10).view()).requested_digest is None
    feed.endpoint.mine(30)
    assert (await early.view()).requested_digest is not None, "what was found once is remembered"


async def test_after_a_long_pause_the_log_query_stays_short(autojump_clock: MockClock, feed: Feed) -> None:
    ranges: list[int] = []

    class Recorder(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            body = json.loads(request.content)
            for item in body if isinstance(body, list) else []:
                if item["method"] == "eth_getLogs":
                    head = feed.endpoint.devnet.block_number
                    ranges.append(head - int(item["params"][0]["fromBlock"], 16) + 1)
            return await feed.endpoint.handle_async_request(request)

    async with httpx.AsyncClient(transport=Recorder()) as client:
        reader = AggregatorChain(
            RpcClient(URL, client=client),
            Transmitter(feed.rpc, LocalSigner(seed("x", 1)), InMemoryTransactionStore(), chain_id=CHAIN_ID),
            contract=feed.contract,
            lookback_blocks=50,
        )
        feed.endpoint.mine(100)
        await reader.view()
        feed.endpoint.mine(2)
        await reader.view()
        feed.endpoint.mine(500)
        await trio.sleep(3600)
        await reader.view()
    assert ranges == [50, 18, 50]


async def test_an_endpoint_that_refuses_the_range_gets_shorter_ones(feed: Feed) -> None:
    class Stingy(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await feed.endpoint.handle_async_request(request)
            body, answers = json.loads(request.content), response.json()
            for item in body if isinstance(body, list) else []:
                if item["method"] == "eth_getLogs" and spans(item) > 10:
                    error = {"code": -32005, "message": "query exceeds 10 blocks"}
                    answers = [
                        {"id": answer["id"], "error": error} if answer["id"] == item["id"] else answer
                        for answer in answers
                    ]
            return httpx.Response(200, json=answers)

    def spans(item: dict[str, Any]) -> int:
        return feed.endpoint.devnet.block_number - int(item["params"][0]["fromBlock"], 16) + 1

    feed.endpoint.mine(100)
    feed.endpoint.devnet.automine = True
    await feed.owner.request_new_round(feed.contract)
    async with httpx.AsyncClient(transport=Stingy()) as client:
        reader = AggregatorChain(
            RpcClient(URL, client=client),
            Transmitter(feed.rpc, LocalSigner(seed("x", 1)), InMemoryTransactionStore(), chain_id=CHAIN_ID),
            contract=feed.contract,
            lookback_blocks=64,
        )
        found = [(await reader.view()).requested_digest is not None for _ in range(5)]
    assert found == [False, False, False, True, True]


async def test_an_unreachable_chain_has_no_view(autojump_clock: MockClock, feed: Feed) -> None:
    feed.endpoint.down = True
    with pytest.raises(RpcUnavailable):
        await chain(feed).view()


async def test_transmitting_what_is_there_already_is_no_error(feed: Feed) -> None:
    await transmitted(feed, 1, 1, 1)
    await chain(feed, 2).transmit(Transmit(feed.report(1, 1), 1, 0))
    assert feed.endpoint.devnet.pending_count == 0


async def test_transmitting_what_the_contract_never_takes_says_so(feed: Feed) -> None:
    report = feed.report(1, 1, answer=10**31)
    with pytest.raises(ReportRefused, match="AnswerOutOfRange"):
        await chain(feed).transmit(Transmit(report, 0, 0))


async def test_a_report_that_is_too_old_is_told_as_that() -> None:
    async with deployed_feed(max_age_s=60) as feed:
        await chain(feed).transmit(Transmit(feed.report(1, 1), 0, 0))
        feed.endpoint.mine()
        feed.endpoint.now += 100
        feed.endpoint.mine()
        with pytest.raises(ReportRefused, match=r"^too old: ReportTooOld\(observationsTimestamp: "):
            await chain(feed).transmit(Transmit(feed.report(1, 2), 0, 0))
        assert feed.endpoint.devnet.pending_count == 0


async def test_what_may_pass_is_no_final_refusal(feed: Feed) -> None:
    feed.endpoint.refused = {"eth_call": "execution reverted: come back later"}
    with pytest.raises(TransactionRefused, match="come back later"):
        await chain(feed).transmit(Transmit(feed.report(1, 1), 0, 0))


async def next_of(watch: TransmissionWatch) -> OnchainTransmission:
    with trio.fail_after(60):
        return await anext(watch)


async def test_everybody_sees_who_transmitted_and_what_it_cost(autojump_clock: MockClock, feed: Feed) -> None:
    watch = chain(feed, 0).watch(from_block=0)
    await transmitted(feed, 1, 1, 1)
    await transmitted(feed, 2, 1, 2, answer=6_000)
    first, second = await next_of(watch), await next_of(watch)
    assert [first.transmission.transmitter, second.transmission.transmitter] == list(transmitters()[1:3])
    assert (first.transmission.epoch, first.transmission.round) == (1, 1)
    assert [first.transmission.aggregator_round_id, second.transmission.aggregator_round_id] == [1, 2]
    assert second.transmission.observations == (6_000, 6_001, 6_002)
    assert second.transmission.observers == (0, 1, 2)
    assert second.block_timestamp == feed.endpoint.now
    assert second.gas_used > 50_000
    assert second.effective_gas_price > 0
    assert second.block_number == first.block_number + 1


async def test_what_is_there_is_handed_out_at_once(autojump_clock: MockClock, feed: Feed) -> None:
    await transmitted(feed, 1, 1, 1)
    start = trio.current_time()
    await next_of(chain(feed, 0).watch(from_block=0))
    assert trio.current_time() == start


async def test_by_default_the_watch_begins_now(autojump_clock: MockClock, feed: Feed) -> None:
    await transmitted(feed, 1, 1, 1)
    watch = chain(feed, 0).watch()
    assert await watch.poll() is False
    await transmitted(feed, 1, 1, 2)
    assert (await next_of(watch)).transmission.round == 2


async def test_a_cancelled_step_loses_nothing(autojump_clock: MockClock, feed: Feed) -> None:
    watch = chain(feed, 0).watch(from_block=0)
    with trio.move_on_after(30) as scope:
        await anext(watch)
    assert scope.cancelled_caught
    await transmitted(feed, 1, 1, 1)
    feed.endpoint.hanging = {"eth_getTransactionReceipt"}
    with trio.move_on_after(5) as scope:
        await anext(watch)
    assert scope.cancelled_caught
    feed.endpoint.hanging = set()
    assert (await next_of(watch)).transmission.round == 1


async def test_each_is_seen_once_however_often_its_block_is_looked_at(
    autojump_clock: MockClock, feed: Feed
) -> None:
    watch = TransmissionWatch(feed.rpc, feed.contract, from_block=0, max_blocks=3)
    seen = []
    for round_ in range(1, 30):
        await transmitted(feed, 1, 1, round_)
        if round_ % 3 == 0:
            seen += [await next_of(watch) for _ in range(3)]
    assert [item.transmission.round for item in seen] == list(range(1, 28))


class Lagging(httpx.AsyncBaseTransport):
    """Serves the head of one node and the logs of another that is behind."""

    def __init__(self, inner: Endpoint) -> None:
        self.inner = inner
        self.behind = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        body = json.loads(request.content)
        if not self.behind or not isinstance(body, list):
            return response
        answers = response.json()
        for item, answer in zip(body, answers, strict=True):
            if item["method"] == "eth_getLogs":
                answer["result"] = []
        return httpx.Response(200, json=answers)


async def test_an_endpoint_that_lags_hides_nothing(autojump_clock: MockClock, feed: Feed) -> None:
    await transmitted(feed, 1, 1, 1)
    transport = Lagging(feed.endpoint)
    async with httpx.AsyncClient(transport=transport) as client:
        watch = TransmissionWatch(RpcClient(URL, client=client), feed.contract, from_block=0)
        assert await watch.poll() is False
        transport.behind = False
        assert (await next_of(watch)).transmission.round == 1


async def test_a_missing_receipt_is_asked_for_again(autojump_clock: MockClock, feed: Feed) -> None:
    await transmitted(feed, 1, 1, 1)

    class Forgetful(httpx.AsyncBaseTransport):
        forgets = True

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answers = (await feed.endpoint.handle_async_request(request)).json()
            if b"eth_getTransactionReceipt" in request.content and self.forgets:
                answers[1]["result"] = None
            return httpx.Response(200, json=answers)

    transport = Forgetful()
    async with httpx.AsyncClient(transport=transport) as client:
        watch = TransmissionWatch(RpcClient(URL, client=client), feed.contract, from_block=0)
        with pytest.raises(UnexpectedAnswer, match="the receipt of 0x"):
            await watch.poll()
        async with trio.open_nursery() as nursery:

            async def remember() -> None:
                await trio.sleep(10)
                transport.forgets = False

            nursery.start_soon(remember)
            assert (await next_of(watch)).transmission.round == 1
