"""The JSON-RPC client against an endpoint that answers badly, late, too much or not at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from ocr_peer.evm.rpc import RpcClient, redacted
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer

Handler = Callable[[httpx.Request], Any]


@asynccontextmanager
async def endpoint(
    handler: Handler, url: str = "http://u:secret@node.test/", **options: Any
) -> AsyncIterator[RpcClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        yield RpcClient(url, client=client, **options)


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content)


def result(request: httpx.Request, value: object) -> httpx.Response:
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": body_of(request)["id"], "result": value})


async def test_a_call_carries_method_parameters_and_credentials() -> None:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((body_of(request), request.headers["authorization"]))
        return result(request, "0x1")

    async with endpoint(answer) as rpc:
        assert await rpc.call("eth_getBalance", ("0x00", "latest")) == "0x1"
        assert await rpc.call("eth_chainId") == "0x1"
    (first, authorization), (second, _) = seen
    assert (first["method"], first["params"]) == ("eth_getBalance", ["0x00", "latest"])
    assert second["params"] == []
    assert first["id"] != second["id"]
    assert authorization.startswith("Basic ")


async def test_an_endpoints_error_keeps_code_message_and_data() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        error = {"code": 3, "message": "execution reverted", "data": "0x1234"}
        # Some nodes send it under a failing HTTP status.
        return httpx.Response(400, json={"jsonrpc": "2.0", "id": None, "error": error})

    async with endpoint(answer) as rpc:
        with pytest.raises(RpcError, match="RPC error 3: execution reverted") as caught:
            await rpc.call("eth_call")
    assert (caught.value.code, caught.value.data) == (3, "0x1234")


async def test_reads_are_repeated_with_pauses(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        times.append(trio.current_time() - start)
        if len(times) < 3:
            return httpx.Response(503)
        return result(request, "0x2")

    start = trio.current_time()
    async with endpoint(answer) as rpc:
        assert await rpc.call("eth_blockNumber") == "0x2"
    assert times == pytest.approx([0.0, 0.2, 1.0])


async def test_repetition_ends(autojump_clock: MockClock) -> None:
    calls = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        raise httpx.ConnectError("refused")

    async with endpoint(answer) as rpc:
        with pytest.raises(RpcUnavailable, match=r"http://…@node\.test/: ConnectError: refused"):
            await rpc.call("eth_blockNumber")
    assert calls == 3


@pytest.mark.parametrize(("method", "status"), [("eth_sendRawTransaction", 503), ("eth_blockNumber", 401)])
async def test_what_must_not_or_cannot_help_is_not_repeated(method: str, status: int) -> None:
    calls = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(status, text="no")

    async with endpoint(answer) as rpc:
        with pytest.raises(RpcUnavailable, match=f"HTTP status {status}"):
            await rpc.call(method)
    assert calls == 1


async def test_a_silent_endpoint_is_given_up(autojump_clock: MockClock) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with endpoint(answer, timeout_s=5) as rpc:
        start = trio.current_time()
        with pytest.raises(RpcUnavailable, match="no answer within 5 s"):
            await rpc.call("eth_sendRawTransaction")
        assert trio.current_time() - start == pytest.approx(5)


async def test_a_trickling_answer_is_given_up(autojump_clock: MockClock) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            await trio.sleep(1)
            yield b" "

    async with endpoint(lambda _: httpx.Response(200, content=trickle()), timeout_s=5) as rpc:
        with pytest.raises(RpcUnavailable, match="no answer within 5 s"):
            await rpc.call("eth_sendRawTransaction")


async def test_a_cancelled_call_is_cancelled(autojump_clock: MockClock) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with endpoint(answer, timeout_s=5) as rpc:
        with trio.move_on_after(1) as scope:
            await rpc.call("eth_call")
    assert scope.cancelled_caught


async def test_long_answers_are_refused() -> None:
    async with endpoint(lambda _: httpx.Response(200, content=b" " * 2000), max_response_bytes=1000) as rpc:
        with pytest.raises(RpcUnavailable, match="longer than 1000 bytes"):
            await rpc.call("eth_getLogs")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 100_000, b'{"a":' * 100_000, b"null", b"\xff"])
async def test_what_is_no_json_is_refused(content: bytes) -> None:
    async with endpoint(lambda _: httpx.Response(200, content=content)) as rpc:
        with pytest.raises(RpcUnavailable, match="not JSON"):
            await rpc.call("eth_chainId")


@pytest.mark.parametrize(
    "answer", [{}, {"id": 99, "result": 1}, 7, "x", [], {"id": 1, "error": "bad"}, {"id": 1, "error": None}]
)
async def test_what_is_no_response_is_refused(answer: object) -> None:
    async with endpoint(lambda _: httpx.Response(200, json=answer)) as rpc:
        with pytest.raises(UnexpectedAnswer):
            await rpc.call("eth_chainId")


async def test_an_error_without_its_parts_is_still_an_error() -> None:
    async with endpoint(lambda _: httpx.Response(200, json={"error": {"code": "x"}})) as rpc:
        with pytest.raises(RpcError, match=r"RPC error 0: \(no message\)"):
            await rpc.call("eth_chainId")


def batch_answer(request: httpx.Request) -> list[dict[str, Any]]:
    return [
        {"id": item["id"], "error": {"code": -32601, "message": "no"}}
        if item["method"] == "eth_maxPriorityFeePerGas"
        else {"id": item["id"], "result": item["method"]}
        for item in body_of(request)
    ]


async def test_a_batch_is_one_exchange_in_any_order() -> None:
    exchanges = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal exchanges
        exchanges += 1
        return httpx.Response(200, json=[*reversed(batch_answer(request)), 7, {"id": []}])

    async with endpoint(answer) as rpc:
        first, error, last = await rpc.batch(
            [("eth_blockNumber", ()), ("eth_maxPriorityFeePerGas", ()), ("eth_chainId", ())]
        )
        assert await rpc.batch([]) == []
    assert (first, last, exchanges) == ("eth_blockNumber", "eth_chainId", 1)
    assert isinstance(error, RpcError)
    assert error.code == -32601


async def test_a_long_batch_is_split() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(body_of(request)))
        return httpx.Response(200, json=batch_answer(request))

    async with endpoint(answer) as rpc:
        assert await rpc.batch([("eth_chainId", ())] * 120) == ["eth_chainId"] * 120
    assert sizes == [50, 50, 20]


async def test_a_batch_with_a_missing_answer_is_refused() -> None:
    async with endpoint(lambda request: httpx.Response(200, json=batch_answer(request)[1:])) as rpc:
        with pytest.raises(UnexpectedAnswer, match="the answer to eth_blockNumber"):
            await rpc.batch([("eth_blockNumber", ()), ("eth_chainId", ())])


async def test_an_endpoint_without_batches_gets_single_calls_from_then_on() -> None:
    kinds: list[type] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = body_of(request)
        kinds.append(type(body))
        if isinstance(body, list):
            return httpx.Response(400, json={"id": None, "error": {"code": -32600, "message": "no batches"}})
        if body["method"] == "eth_call":
            return httpx.Response(200, json={"id": body["id"], "error": {"code": 3, "message": "reverted"}})
        return result(request, "0x1")

    async with endpoint(answer) as rpc:
        for _ in range(2):
            number, error = await rpc.batch([("eth_blockNumber", ()), ("eth_call", ())])
            assert number == "0x1"
            assert isinstance(error, RpcError)
    assert kinds == [list, dict, dict, dict, dict]


async def test_its_own_client_is_closed() -> None:
    async with RpcClient("http://127.0.0.1:9") as rpc:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await rpc.call("eth_sendRawTransaction")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("https://user:pass@node.example/", "https://…@node.example/"),
        ("https://mainnet.infura.io/v3/0123456789abcdef0123456789abcdef", "https://mainnet.infura.io/v3/…"),
        ("https://node.example/rpc?apikey=hidden", "https://node.example/rpc?…"),
        ("http://[::1]:8545/x", "http://[::1]:8545/x"),
        ("http://[::1", "(unreadable URL)"),
        ("http://host:port", "(unreadable URL)"),
        ("nonsense", "nonsense"),
        ("localhost:8545", "localhost:8545"),
    ],
)
def test_urls_are_shown_without_their_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown


async def test_an_impossible_url_is_an_unavailable_endpoint() -> None:
    async with RpcClient("http://host:port") as rpc:
        with pytest.raises(RpcUnavailable):
            await rpc.call("eth_sendRawTransaction")
