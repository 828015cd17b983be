"""Several endpoints behind one interface: one that is down, slow, stale, lying, limiting, or somebody else's."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from ocr_peer.errors import OperatingError
from ocr_peer.evm.endpoint import EndpointState
from ocr_peer.evm.endpoint_settings import EndpointAddress, PoolSettings
from ocr_peer.evm.pool import EndpointPool, endpoint_pool
from ocr_peer.evm.rpc_errors import AnswerTooLong, RateLimited, RpcError, RpcUnavailable, UnexpectedAnswer

CHAIN_ID = 1337
CALL = ("eth_call", ({"to": "0x" + "11" * 20}, "0x64"))


@dataclass
class Fake:
    """An endpoint that answers by script."""

    head: int = 0x64
    chain_id: int = CHAIN_ID
    answers: dict[str, Any] = field(default_factory=dict)
    """By method: the result, or an exception to raise, or a function of the parameters."""
    raw: Callable[[Any], httpx.Response] | None = None
    down: bool = False
    delay_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    exchanges: int = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.exchanges += 1
        body = json.loads(request.content)
        items = body if isinstance(body, list) else [body]
        self.asked += [item["method"] for item in items]
        if self.delay_s:
            await trio.sleep(self.delay_s)
        if self.down:
            raise httpx.ConnectError("connection refused")
        if self.raw is not None:
            return self.raw(body)
        answers = [self.answer(item) for item in items]
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])

    def answer(self, item: Mapping[str, Any]) -> dict[str, Any]:
        known = {"eth_chainId": hex(self.chain_id), "eth_blockNumber": hex(self.head), **self.answers}
        result = known.get(item["method"])
        if callable(result):
            result = result(item["params"])
        if isinstance(result, RpcError):
            error = {"code": result.code, "message": result.message, "data": result.data}
            return {"jsonrpc": "2.0", "id": item["id"], "error": error}
        return {"jsonrpc": "2.0", "id": item["id"], "result": result}

    def count(self, method: str) -> int:
        return self.asked.count(method)


class Router(httpx.AsyncBaseTransport):
    def __init__(self, fakes: Mapping[str, Fake]) -> None:
        self.fakes = fakes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.fakes[request.url.host].handle(request)


@asynccontextmanager
async def pool_of(
    *fakes: Fake, limits: PoolSettings | None = None, send_only: str = "", **options: Any
) -> AsyncIterator[EndpointPool]:
    """Endpoints named a, b, c, …, in this order of preference."""
    named = dict(zip("abcdefg", fakes, strict=False))
    addresses = [
        EndpointAddress(name, f"http://user:secret@{name}/", send_only=name in send_only) for name in named
    ]
    async with httpx.AsyncClient(transport=Router(named)) as client:
        yield endpoint_pool(addresses, chain_id=CHAIN_ID, settings=limits, client=client, **options)


def states(pool: EndpointPool) -> str:
    return " ".join(f"{item.name}:{item.state.value}" for item in pool.snapshot())


async def test_the_preferred_endpoint_answers() -> None:
    a, b = Fake(answers={"eth_gasPrice": "0x1"}), Fake(answers={"eth_gasPrice": "0x2"})
    async with pool_of(a, b) as pool:
        assert await pool.call("eth_gasPrice") == "0x1"
        assert await pool.batch([("eth_gasPrice", ()), ("eth_blockNumber", ())]) == ["0x1", "0x64"]
        assert await pool.batch([]) == []
    assert (a.count("eth_chainId"), b.exchanges) == (1, 0)


async def test_order_comes_before_position() -> None:
    a, b = Fake(answers={"eth_gasPrice": "0x1"}), Fake(answers={"eth_gasPrice": "0x2"})
    addresses = [EndpointAddress("a", "http://a/", order=2), EndpointAddress("b", "http://b/", order=1)]
    async with httpx.AsyncClient(transport=Router({"a": a, "b": b})) as client:
        assert await endpoint_pool(addresses, chain_id=CHAIN_ID, client=client).call("eth_gasPrice") == "0x2"


def over(status: int, **headers: str) -> Callable[[Any], httpx.Response]:
    return lambda _: httpx.Response(status, headers=headers)


@pytest.mark.parametrize(
    "trouble",
    [
        {"down": True},
        {"delay_s": 60},
        {"raw": over(503)},
        {"raw": over(401)},
        {"raw": over(429)},
        {"raw": lambda _: httpx.Response(200, text="<html>")},
        {"raw": lambda _: httpx.Response(200, json=[])},
        {"raw": lambda _: httpx.Response(200, content=b" " * 3000)},
        {"chain_id": 1},
        {"answers": {"eth_getBalance": "many"}},
        {"answers": {"eth_getBalance": None}},
        {"answers": {"eth_getBalance": RpcError(-32601, "the method does not exist")}},
        {"answers": {"eth_getBalance": RpcError(-32000, "missing trie node 12ab")}},
        {"answers": {"eth_getBalance": RpcError(-32603, "internal error")}},
        {"answers": {"eth_getBalance": RpcError(-32000, "unauthorized: invalid project id")}},
        {"answers": {"eth_chainId": RpcError(-32000, "no such key")}},
        {"raw": lambda body: httpx.Response(401, json={"id": 1, "error": {"code": -32000, "message": "no"}})},
        {"answers": {"eth_getBalance": RpcError(-32005, "daily request count exceeded")}},
    ],
)
async def test_whatever_is_wrong_with_one_another_answers_in_the_same_call(
    autojump_clock: MockClock, trouble: dict[str, Any]
) -> None:
    good = Fake(answers={"eth_getBalance": "0x5"})
    async with pool_of(Fake(**trouble), good, max_response_bytes=2000) as pool:
        assert await pool.call("eth_getBalance", ("0x", "latest")) == "0x5"
        outcomes = await pool.batch([("eth_getBalance", ("0x", "latest"))])
    assert outcomes == ["0x5"] or isinstance(outcomes[0], RpcError)
    if "-32601" not in str(outcomes):
        assert outcomes == ["0x5"]


async def test_a_reverted_call_is_an_answer() -> None:
    reverted = RpcError(3, "execution reverted: rate limit exceeded", "0x08c379a0")
    a, b = Fake(answers={"eth_call": reverted}), Fake()
    async with pool_of(a, b) as pool:
        with pytest.raises(RpcError, match="reverted"):
            await pool.call(*CALL)
    assert b.exchanges == 0


async def test_when_all_fail_the_error_names_each(autojump_clock: MockClock) -> None:
    a, b, c = Fake(down=True), Fake(raw=over(503)), Fake(chain_id=1)
    async with pool_of(a, b, c) as pool:
        with pytest.raises(RpcUnavailable) as caught:
            await pool.call("eth_gasPrice")
    for part in ("a: ConnectError: connection refused", "b: HTTP status 503", "c: serves chain 1, not 1337"):
        assert part in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_call_has_a_bounded_number_of_attempts_and_time(autojump_clock: MockClock) -> None:
    fakes = [Fake(down=True) for _ in range(4)]
    async with pool_of(*fakes) as pool:
        with pytest.raises(RpcUnavailable):
            await pool.call("eth_gasPrice")
        assert sum(fake.exchanges for fake in fakes) == 6
    slow = [Fake(delay_s=100) for _ in range(4)]
    async with pool_of(*slow) as pool:
        start = trio.current_time()
        with pytest.raises(RpcUnavailable):
            await pool.call("eth_gasPrice")
        assert trio.current_time() - start <= 30


async def test_one_endpoint_alone_is_repeated_and_gives_its_own_error(autojump_clock: MockClock) -> None:
    fake = Fake(down=True)
    async with pool_of(fake) as pool:
        with pytest.raises(RpcUnavailable, match=r"http://…@a/: ConnectError: connection refused"):
            await pool.call("eth_gasPrice")
        assert fake.exchanges == 3
        assert pool.shown_url == "http://…@a/"
        assert counts(pool) == (3, 3)
        garbage = Fake(raw=lambda _: httpx.Response(200, json={"hello": "world"}))
    async with pool_of(garbage) as pool:
        with pytest.raises(UnexpectedAnswer):
            await pool.call("eth_gasPrice")


def counts(pool: EndpointPool) -> tuple[int, int]:
    snapshot = pool.snapshot()[0]
    return snapshot.calls_total, snapshot.calls_failed


async def test_what_is_no_read_is_asked_once(autojump_clock: MockClock) -> None:
    a, b = Fake(answers={"evm_mine": RpcError(-32601, "no")}), Fake()
    async with pool_of(a, b) as pool:
        with pytest.raises(RpcError):
            await pool.call("evm_mine")
    assert (a.count("evm_mine"), b.exchanges) == (1, 0)


async def test_answers_that_are_all_too_long_are_told_as_such(autojump_clock: MockClock) -> None:
    long = {"eth_getLogs": lambda _: ["0x" + "00" * 2000]}
    async with pool_of(Fake(answers=long), Fake(answers=long), max_response_bytes=2000) as pool:
        with pytest.raises(AnswerTooLong):
            await pool.call("eth_getLogs", ({},))


async def test_one_that_failed_is_asked_last_until_a_probe_finds_it_well(autojump_clock: MockClock) -> None:
    a, b = Fake(down=True, answers={"eth_gasPrice": "0x1"}), Fake(answers={"eth_gasPrice": "0x2"})
    async with pool_of(a, b) as pool, trio.open_nursery() as nursery:
        assert await pool.call("eth_gasPrice") == "0x2"
        a.down = False
        before = a.exchanges
        assert await pool.call("eth_gasPrice") == "0x2"
        assert a.exchanges == before
        nursery.start_soon(pool.run)
        await trio.sleep(11)
        assert await pool.call("eth_gasPrice") == "0x1"
        nursery.cancel_scope.cancel()


async def test_one_that_stays_away_is_unreachable_and_probed_ever_more_rarely(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = Fake(down=True), Fake()
    async with pool_of(a, b) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(pool.run)
        await trio.sleep(45)
        assert states(pool) == "a:Unreachable b:Alive"
        before = a.exchanges
        await trio.sleep(3600)
        assert 50 <= a.exchanges - before <= 65
        a.down = False
        await trio.sleep(61)
        assert states(pool) == "a:Alive b:Alive"
        assert pool.snapshot()[0].transitions == {EndpointState.UNREACHABLE: 1, EndpointState.ALIVE: 1}
        nursery.cancel_scope.cancel()
    log = capsys.readouterr().out
    assert log.count("endpoint.state") == 3
    assert "secret" not in log


async def test_one_that_comes_back_as_another_chain_is_taken_out_and_named(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = Fake(answers={"eth_gasPrice": "0x1"}), Fake(answers={"eth_gasPrice": "0x2"})
    async with pool_of(a, b) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(pool.run)
        assert await pool.call("eth_gasPrice") == "0x1"
        a.down = True
        await trio.sleep(100)
        a.down, a.chain_id = False, 5
        assert await pool.call("eth_gasPrice") == "0x2"
        await trio.sleep(100)
        assert states(pool) == "a:InvalidChainID b:Alive"
        nursery.cancel_scope.cancel()
    assert "serves chain 5" in capsys.readouterr().out


async def test_a_change_of_chain_without_an_outage_is_seen_by_the_probe(autojump_clock: MockClock) -> None:
    a, b = Fake(), Fake()
    async with pool_of(a, b) as pool:
        await pool.probe()
        a.chain_id = 5
        assert list(await pool.probe()) == ["a"]
        assert states(pool) == "a:InvalidChainID b:Alive"
        a.chain_id = CHAIN_ID
        await pool.probe()
        assert states(pool) == "a:Alive b:Alive"


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ((100, 100), "Alive Alive"),
        ((95, 100), "Alive Alive"),
        ((94, 100), "OutOfSync Alive"),
        ((94, 100, 100), "OutOfSync Alive Alive"),
        ((94, 94, 100), "Alive Alive Alive"),
        ((100, 10**18, 99), "Alive Alive Alive"),
        ((10**18, 100, 3), "Alive Alive OutOfSync"),
        ((100, 100, 101, 10**9), "Alive Alive Alive Alive"),
    ],
)
async def test_who_lags_is_not_asked_and_one_alone_cannot_take_out_the_others(
    heads: tuple[int, ...], expected: str
) -> None:
    fakes = [Fake(head=head) for head in heads]
    async with pool_of(*fakes) as pool:
        await pool.probe()
        assert [item.state.value for item in pool.snapshot()] == expected.split()
        before = [fake.exchanges for fake in fakes]
        await pool.call("eth_blockNumber")
        asked = [fake.exchanges > count for fake, count in zip(fakes, before, strict=True)]
        assert asked.index(True) == expected.split().index("Alive")


async def test_a_head_that_stands_still_is_stale_even_among_two_that_do(autojump_clock: MockClock) -> None:
    a, b, c = Fake(head=50), Fake(head=50), Fake(head=100)
    async with pool_of(a, b, c) as pool:
        await pool.probe()
        await trio.sleep(170)
        c.head = 114
        await pool.probe()
        assert states(pool) == "a:Alive b:Alive c:Alive"
        await trio.sleep(20)
        c.head = 116
        await pool.probe()
        assert states(pool) == "a:OutOfSync b:OutOfSync c:Alive"
        a.head = b.head = c.head = 117
        await pool.probe()
        assert states(pool) == "a:Alive b:Alive c:Alive"


async def test_a_lagging_one_is_better_than_none(autojump_clock: MockClock) -> None:
    a, b = Fake(head=10), Fake(head=100)
    async with pool_of(a, b) as pool, trio.open_nursery() as nursery:
        await pool.probe()
        b.down = True
        nursery.start_soon(pool.run)
        await trio.sleep(60)
        assert states(pool) == "a:Alive b:Unreachable"
        assert await pool.call("eth_blockNumber") == "0xa"
        nursery.cancel_scope.cancel()


async def test_a_limit_is_respected_for_as_long_as_it_asks(autojump_clock: MockClock) -> None:
    a, b = Fake(raw=over(429, **{"retry-after": "40"})), Fake(answers={"eth_gasPrice": "0x2"})
    async with pool_of(a, b) as pool:
        for _ in range(5):
            assert await pool.call("eth_gasPrice") == "0x2"
        assert a.exchanges == 1
        assert states(pool) == "a:RateLimited b:Alive"
        await trio.sleep(39)
        await pool.call("eth_gasPrice")
        assert a.exchanges == 1
        await trio.sleep(2)
        a.raw = None
        a.answers = {"eth_gasPrice": "0x1"}
        assert await pool.call("eth_gasPrice") == "0x1"
        assert pool.snapshot()[0].rate_limited == 1


async def test_a_limit_cannot_silence_an_endpoint_for_good(autojump_clock: MockClock) -> None:
    a, b = Fake(raw=over(429, **{"retry-after": "999999999"})), Fake()
    async with pool_of(a, b) as pool:
        await pool.call("eth_blockNumber")
        await trio.sleep(61)
        a.raw = None
        await pool.call("eth_blockNumber")
        assert states(pool).startswith("a:Alive")


async def test_without_another_a_short_pause_is_waited_for_and_a_long_one_told(
    autojump_clock: MockClock,
) -> None:
    fake = Fake(raw=over(429, **{"retry-after": "2"}), answers={"eth_gasPrice": "0x1"})

    async def heal() -> None:
        await trio.sleep(1)
        fake.raw = None

    async with pool_of(fake) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(heal)
        start = trio.current_time()
        assert await pool.call("eth_gasPrice") == "0x1"
        assert trio.current_time() - start >= 2
        fake.raw = over(429, **{"retry-after": "30"})
        before = fake.exchanges
        with pytest.raises(RateLimited):
            await pool.call("eth_gasPrice")
        assert fake.exchanges == before + 1
        with pytest.raises(RpcUnavailable, match="RateLimited"):
            await pool.call("eth_gasPrice")
        assert fake.exchanges == before + 1


async def test_waiting_for_a_head_ends_at_any_endpoints_new_head(autojump_clock: MockClock) -> None:
    a, b = Fake(), Fake()
    async with pool_of(a, b) as pool, trio.open_nursery() as nursery:
        await pool.probe()

        async def mine() -> None:
            await trio.sleep(3)
            b.head += 1
            await pool.probe()

        nursery.start_soon(mine)
        start = trio.current_time()
        await pool.wait_for_head(10)
        assert 3 <= trio.current_time() - start < 3.5
        await pool.wait_for_head(10)
        assert trio.current_time() - start >= 13
    assert pool.snapshot()[1].heads_received == 2


async def test_heads_without_end_keep_nobody_busy(autojump_clock: MockClock) -> None:
    async with pool_of(Fake()) as pool:
        endpoint, waits = pool.endpoints[0], 0
        with trio.move_on_after(10):
            async with trio.open_nursery() as nursery:

                async def spam() -> None:
                    for number in range(10**9):
                        pool.announce(endpoint, number)
                        await trio.sleep(0.001)

                nursery.start_soon(spam)
                while True:
                    await pool.wait_for_head(2)
                    waits += 1
    assert 50 < waits <= 101


async def test_one_that_flaps_harms_no_call_and_fills_no_log(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = Fake(answers={"eth_gasPrice": "0x1"}), Fake(answers={"eth_gasPrice": "0x2"})
    async with pool_of(a, b) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(pool.run)
        for _ in range(360):
            a.down = not a.down
            assert await pool.call("eth_gasPrice") in ("0x1", "0x2")
            await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().out.count("endpoint.state") <= 2


async def test_the_snapshot_counts() -> None:
    a = Fake(answers={"eth_gasPrice": lambda _: RpcError(-32000, "no")}, delay_s=0.01)
    async with pool_of(a) as pool:
        for _ in range(3):
            with pytest.raises(RpcError):
                await pool.call("eth_gasPrice")
        a.down = True
        with pytest.raises(RpcUnavailable):
            await pool.call("evm_mine")
        (snapshot,) = pool.snapshot()
    assert (snapshot.name, snapshot.send_only, snapshot.subscribed) == ("a", False, False)
    assert (snapshot.calls_total, snapshot.calls_failed) == (5, 1)
    assert snapshot.latency_s is not None
    assert 0.01 <= snapshot.latency_s <= snapshot.call_time_s
    assert snapshot.transitions == {EndpointState.ALIVE: 1}
    assert "secret" not in repr(snapshot)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("0x1"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
RESPONSES = st.builds(
    lambda status, body: httpx.Response(status, content=body), st.integers(200, 599), st.binary(max_size=50)
) | st.builds(
    lambda status, value: httpx.Response(status, text=json.dumps(value)), st.integers(200, 599), JSON
)


@given(
    responses=st.lists(RESPONSES, min_size=1, max_size=6),
    results=st.lists(JSON, min_size=1, max_size=6),
    headers=st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_whatever_an_endpoint_sends_is_an_answer_or_an_operating_error(
    responses: list[httpx.Response], results: list[Any], headers: str
) -> None:
    """One sends anything at all, one well-formed JSON-RPC with any result or error, one refuses with any header."""
    turns = itertools.count()

    def anything(_: Any) -> httpx.Response:
        chosen = responses[next(turns) % len(responses)]
        return httpx.Response(chosen.status_code, content=chosen.content)

    def any_result(body: Any) -> httpx.Response:
        items = body if isinstance(body, list) else [body]
        answers = [
            {"id": item["id"], ("error", "result")[next(turns) % 2]: results[next(turns) % len(results)]}
            if item["method"] != "eth_chainId"
            else {"id": item["id"], "result": hex(CHAIN_ID)}
            for item in items
        ]
        return httpx.Response(200, text=json.dumps(answers if isinstance(body, list) else answers[0]))

    async def asked() -> None:
        limiting = over(429, **{"retry-after": headers})
        async with pool_of(Fake(raw=anything), Fake(raw=any_result), Fake(raw=limiting)) as pool:
            for method in ("eth_blockNumber", "eth_getLogs", "eth_getBlockByNumber", "eth_call", "x_y"):
                call = (method, ({}, "0x1"))
                for ask in (
                    lambda call=call: pool.call(*call),
                    lambda call=call: pool.batch([call, call]),
                    lambda call=call: pool.agreed([call]),
                    pool.agreed_head,
                    lambda: pool.call("eth_sendRawTransaction", ("0x",)),
                    pool.probe,
                ):
                    with suppress(OperatingError):
                        await ask()
            assert len(pool.snapshot()) == 3

    trio.run(asked, clock=MockClock(autojump_threshold=0))
