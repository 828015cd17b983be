"""Recognising that an endpoint wants to be asked less often, in the words of the providers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from ocr_peer.evm.rate_limits import rate_limit_of, retry_after_s
from ocr_peer.evm.rpc_errors import RateLimited, RpcError
from tests.unit.test_evm_rpc import endpoint, result

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "pause_s"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("9" * 400, None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:13:50", 30.0),
        ("Tue, 14 Nov 2022 22:13:50 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after(value: str | None, pause_s: float | None) -> None:
    assert retry_after_s(value, NOW) == pause_s


@given(st.text())
def test_any_header_is_read_or_ignored(value: str) -> None:
    pause_s = retry_after_s(value, NOW)
    assert pause_s is None or pause_s >= 0


@pytest.mark.parametrize(
    ("code", "message", "method", "limited"),
    [
        (-32005, "daily request count exceeded, request rate limited", "eth_call", True),
        (-32005, "limit exceeded", "eth_call", True),
        (-32005, "limit exceeded", "eth_getLogs", False),
        (-32005, "query returned more than 10000 results", "eth_getLogs", False),
        (-32005, "rate limit exceeded", "eth_getLogs", True),
        (429, "Your app has exceeded its compute units per second capacity", "eth_getLogs", True),
        (-32007, "50/second request limit reached", "eth_getLogs", True),
        (-32000, "Too Many Requests", "eth_blockNumber", True),
        (-32602, "eth_getLogs block range too large", "eth_getLogs", False),
        (3, "execution reverted: rate limit", "eth_call", False),
        (-32000, "execution reverted: too many requests", "eth_call", False),
        (-32000, "nonce too low", "eth_sendRawTransaction", False),
    ],
)
def test_the_providers_words(code: int, message: str, method: str, limited: bool) -> None:
    assert (rate_limit_of(RpcError(code, message), method) is not None) is limited


@pytest.mark.parametrize(
    ("data", "pause_s"),
    [
        ({"rate": {"backoff_seconds": 30}}, 30.0),
        ({"rate": {"backoff_seconds": -1}}, None),
        ({"rate": {"backoff_seconds": True}}, None),
        ({"rate": {"backoff_seconds": float("inf")}}, None),
        ({"rate": {"backoff_seconds": 10**400}}, None),
        ({"rate": 7}, None),
        ("0x", None),
        (None, None),
    ],
)
def test_the_pause_that_the_error_names(data: Any, pause_s: float | None) -> None:
    limit = rate_limit_of(RpcError(-32005, "slow down", data), "eth_call")
    assert limit is not None
    assert limit.pause_s == pause_s


async def test_a_client_alone_waits_as_long_as_it_is_asked_to(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        times.append(trio.current_time() - start)
        if len(times) == 1:
            return httpx.Response(429, headers={"retry-after": "3"})
        return result(request, "0x2")

    start = trio.current_time()
    async with endpoint(answer) as rpc:
        assert await rpc.call("eth_blockNumber") == "0x2"
    assert times == pytest.approx([0.0, 3.0])


async def test_a_client_alone_gives_up_where_it_would_wait_long() -> None:
    async with endpoint(lambda _: httpx.Response(429, headers={"retry-after": "3600"})) as rpc:
        with pytest.raises(RateLimited) as caught:
            await rpc.call("eth_blockNumber")
    assert caught.value.pause_s == 3600


async def test_a_limit_inside_a_batch_is_one_of_the_whole_batch() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        error = {"code": 429, "message": "slow down"}
        return httpx.Response(200, json=[{"id": 1, "result": "0x1"}, {"id": 2, "error": error}])

    async with endpoint(answer, repeats=False) as rpc:
        with pytest.raises(RateLimited):
            await rpc.batch([("eth_chainId", ()), ("eth_blockNumber", ())])


async def test_a_limit_that_answers_a_batch_is_not_taken_for_a_refusal_of_batches() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": None, "error": {"code": -32005, "message": "slow down"}})

    async with endpoint(answer, repeats=False) as rpc:
        for _ in range(2):
            with pytest.raises(RateLimited):
                await rpc.batch([("eth_chainId", ())])
