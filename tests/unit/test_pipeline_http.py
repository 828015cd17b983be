"""The `http` task against in-memory and loopback servers: requests, bounds, retries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import httpx
import pytest
import trio

from ocr_peer.errors import InputError
from ocr_peer.pipeline import RunResult, TaskError, TaskOutcome, Value, new_http_client, parse_pipeline, run

Handler = Callable[[httpx.Request], httpx.Response]


async def fetched(
    attributes: str, handler: Handler, variables: dict[str, Value] | None = None, *, limit: int = 32_768
) -> TaskOutcome:
    source = f'a [type=http url="https://api.example/price?key=secret" {attributes}]'
    async with new_http_client(httpx.MockTransport(handler)) as client:
        pipeline = parse_pipeline(source)
        result = await run(pipeline, client, timeout_s=60, variables=variables, response_limit=limit)
    return result.task("a")


def reason(outcome: TaskOutcome) -> str:
    assert isinstance(outcome.outcome, TaskError)
    assert "secret" not in str(outcome.outcome)
    return outcome.outcome.reason


async def test_get_asks_once_and_returns_the_text() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content="Zürich".encode())

    assert (await fetched("", answer)).outcome == "Zürich"
    (request,) = seen
    assert (request.method, str(request.url)) == ("GET", "https://api.example/price?key=secret")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.content == b""


async def test_post_sends_headers_and_exact_json() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, text="ok")

    attributes = (
        'method=post headers="[\\"X-Key\\", \\"k\\", \\"content-type\\", \\"text/plain\\"]" '
        'requestData=<{"pair": "EURUSD", "n": 0.10, "meta": $(jobRun.meta), "t": [true, null]}>'
    )
    outcome = await fetched(attributes, answer, {"jobRun": {"meta": {"q": 'a"b'}}})
    assert outcome.outcome == "ok"
    (request,) = seen
    assert request.content == b'{"pair":"EURUSD","n":0.10,"meta":{"q":"a\\"b"},"t":[true,null]}'
    assert (request.headers["x-key"], request.headers["content-type"]) == ("k", "text/plain")


@pytest.mark.parametrize("status", [301, 302, 304, 400, 404, 500, 503])
async def test_only_2xx_counts_and_redirects_are_not_followed(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="no\nway", headers={"location": "https://elsewhere.example/"})

    outcome = await fetched("", answer)
    assert reason(outcome) == f"api.example: status {status}, 'no way'"
    assert outcome.attempts == 1


async def test_answers_are_bounded() -> None:
    exact = await fetched("", lambda _: httpx.Response(200, content=b"x" * 10), limit=10)
    assert exact.outcome == "x" * 10
    over = await fetched("", lambda _: httpx.Response(200, content=b"x" * 11), limit=10)
    assert reason(over) == "api.example: answer is longer than 10 bytes"


async def test_compressed_answers_are_refused() -> None:
    headers = {"content-encoding": "gzip"}
    stream = httpx.ByteStream(b"\x1f\x8b")
    outcome = await fetched("", lambda _: httpx.Response(200, headers=headers, stream=stream))
    assert "compressed" in reason(outcome)


async def test_transport_errors_are_values() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    assert reason(await fetched("", refuse)) == "api.example: connection refused"


async def test_cookies_are_not_kept() -> None:
    cookies: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("cookie"))
        return httpx.Response(503, headers={"set-cookie": "id=1; Path=/"})

    await fetched('retries=2 minBackoff="1ns"', answer)
    assert cookies == [None, None]


@pytest.mark.parametrize(("status", "attempts"), [(503, 3), (429, 3), (404, 1), (200, 1)])
async def test_retries_are_attempts_and_only_for_what_may_pass(
    status: int, attempts: int, autojump_clock: trio.testing.MockClock
) -> None:
    outcome = await fetched("retries=3", lambda _: httpx.Response(status))
    assert outcome.attempts == attempts
    # 5 s, then 10 s: the Chainlink node's backoff.
    assert outcome.finished - outcome.started == pytest.approx(15 if attempts == 3 else 0)


async def test_backoff_is_capped_and_a_later_attempt_may_succeed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    answers = iter([500, 500, 500, 200])
    outcome = await fetched(
        'retries=9 minBackoff="2s" maxBackoff="3s"', lambda _: httpx.Response(next(answers), text="1")
    )
    assert (outcome.outcome, outcome.attempts) == ("1", 4)
    assert outcome.finished - outcome.started == pytest.approx(2 + 3 + 3)


@pytest.mark.parametrize(
    ("attributes", "part"),
    [
        ("", "a.url = (missing)"),
        ('url=""', "a.url"),
        ('url="ftp://h/"', "http or https"),
        ('url="price"', "http or https"),
        ('url="https://"', "http or https"),
        ('url="https://h:999999/"', "a.url"),
        ('url="https://[::1/"', "a.url"),
        ('url="https://h/" method=FETCH', "write one of GET"),
        ('url="https://h/" headers="x"', "not JSON"),
        ('url="https://h/" headers="[1]"', "even number"),
        ('url="https://h/" headers="[1, 2]"', "other than texts"),
        ('url="https://h/" headers=<["a", "b\\nc"]>', "cannot send"),
        ('url="https://h/" headers=<["", "b"]>', "cannot send"),
        ('url="https://h/" requestData="x"', "not JSON"),
        ('url="https://h/" allowUnrestrictedNetworkAccess=perhaps', "neither true nor false"),
        ('url="$(jobRun.url)"', "allowUnrestrictedNetworkAccess"),
    ],
)
def test_attributes_are_checked_before_anything_runs(attributes: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_pipeline(f"a [type=http {attributes}]")
    assert part in str(caught.value)


async def test_a_computed_url_needs_leave_and_is_checked_when_it_is_known() -> None:
    source = 'a [type=http url="$(jobRun.url)" allowUnrestrictedNetworkAccess="true"]'

    async def ran(url: Value) -> RunResult:
        async with new_http_client(httpx.MockTransport(lambda _: httpx.Response(200, text="1"))) as client:
            return await run(parse_pipeline(source), client, timeout_s=1, variables={"jobRun": {"url": url}})

    assert (await ran("http://127.0.0.1/")).finals == ("1",)
    assert "not an http or https address" in str((await ran("file:///etc/passwd")).finals[0])
    assert "url is not text" in str((await ran(None)).finals[0])


async def test_request_data_must_be_an_object() -> None:
    outcome = await fetched(
        'requestData="$(jobRun.x)"', lambda _: httpx.Response(200), {"jobRun": {"x": "1"}}
    )
    assert reason(outcome) == "requestData is not a JSON object"
    outcome = await fetched(
        'requestData="$(jobRun.x)"', lambda _: httpx.Response(200), {"jobRun": {"x": None}}
    )
    assert outcome.outcome == ""


@pytest.mark.parametrize("host", ["xn--zzzzzzzz9a", "a" * 64 + ".example", "a..b"])
async def test_names_that_cannot_be_looked_up_are_failures(host: str) -> None:
    source = 'a [type=http url="$(jobRun)" allowUnrestrictedNetworkAccess="true"]'
    async with new_http_client() as client:
        result = await run(
            parse_pipeline(source), client, timeout_s=1, variables={"jobRun": f"http://{host}/"}
        )
    assert isinstance(result.finals[0], TaskError)


async def endless(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        try:
            await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                await stream.send_all(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        except trio.BrokenResourceError:
            return


async def test_an_endless_answer_is_cut_off_on_a_real_connection(nursery: trio.Nursery) -> None:
    (listener,) = await nursery.start(partial(trio.serve_tcp, endless, 0, host="127.0.0.1"))
    port = listener.socket.getsockname()[1]
    async with new_http_client() as client:
        result = await run(
            parse_pipeline(f'a [type=http url="http://127.0.0.1:{port}/"]'), client, timeout_s=30
        )
    assert str(result.finals[0]) == "a: 127.0.0.1: answer is longer than 32768 bytes"
    nursery.cancel_scope.cancel()
