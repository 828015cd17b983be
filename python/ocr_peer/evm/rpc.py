"""JSON-RPC 2.0 over HTTP, on trio. Every answer is bounded in time and in size, and checked before use."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from itertools import count
from types import TracebackType
from typing import Final, Self, TypeVar, cast

import httpx
import structlog
import trio

from ocr_peer.evm.access import Call
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.rate_limits import rate_limit_of, retry_after_s
from ocr_peer.evm.redaction import redacted
from ocr_peer.evm.rpc_errors import AnswerTooLong, RateLimited, RpcError, RpcUnavailable, UnexpectedAnswer
from ocr_peer.nesting import json_depth

__all__ = ["RpcClient", "is_read", "redacted"]

_T = TypeVar("_T")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_MAX_BATCH: Final = 50
"""Public endpoints refuse more than some dozens at once."""

_BACKOFF_S: Final = (0.2, 0.8)
"""Pauses before the second and the third attempt of a read."""

_LONGEST_PAUSE_S: Final = 5.0
"""An endpoint that asks for more gets its rest, and the caller an error."""

_PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that say nothing about the request itself."""

_NO_ACCESS: Final = frozenset({401, 402, 403, 407})
"""HTTP statuses that say the same of every request, whatever else the answer holds."""

_READS: Final = (
    "eth_get",
    "eth_call",
    "eth_block",
    "eth_chain",
    "eth_estimate",
    "eth_fee",
    "eth_gas",
    "eth_max",
    "net_",
)
"""How the methods begin that may be repeated freely."""

_MAX_DEPTH: Final = 64
"""A receipt in a batch nests four deep."""

_JSON_HEADERS: Final = {
    "content-type": "application/json",
    "accept": "application/json",
    "accept-encoding": "identity",
}
"""Uncompressed, so that the bound on an answer's size is a bound on what is read."""


class RpcClient:
    """One endpoint. Calls may run concurrently.

    Args:
        url: `http://` or `https://`; user and password may stand in it.
        timeout_s: most seconds that one attempt may take, connecting and reading included.
        max_response_bytes: longer answers are refused.
        repeats: whether reads are attempted up to three times; otherwise the caller sees to that.
        client: the HTTP client to use; it stays the caller's to close. `None` makes one.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        max_response_bytes: int = 16 * 1024 * 1024,
        repeats: bool = True,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.shown_url = redacted(url)
        self._url = url
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._repeats = repeats
        self._own_client = client is None
        # Its own timeouts count per read; `_post` bounds the whole exchange.
        self._client = client or httpx.AsyncClient(
            timeout=timeout_s, limits=httpx.Limits(keepalive_expiry=60.0)
        )
        self._ids = count(1)
        self._takes_batches = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own_client:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await self._client.aclose()

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        """The method's result; reads are attempted up to three times.

        Raises:
            RpcError: the endpoint's own error.
            RpcUnavailable: no usable answer.
            UnexpectedAnswer: not JSON-RPC.
        """

        async def once() -> object:
            request = self._request(method, params)
            outcome = self._outcome(await self._post(request), request)
            if isinstance(outcome, RpcError):
                raise outcome
            return outcome

        return await _repeated(once, repeatable=self._repeats and is_read(method))

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """Several calls in one exchange, or in one for every fifty.

        An endpoint that takes no batches gets the calls one by one.

        Returns:
            For each call its result or the endpoint's error, in the order of `calls`.

        Raises:
            RpcUnavailable: no usable answer.
            UnexpectedAnswer: not JSON-RPC, or an answer is missing.
        """
        outcomes: list[object | RpcError] = []
        for start in range(0, len(calls), _MAX_BATCH):
            outcomes.extend(await self._exchange(calls[start : start + _MAX_BATCH]))
        return outcomes

    async def agreed(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """The same as `batch`: a single endpoint has nobody to agree with."""
        return await self.batch(calls)

    async def agreed_head(self) -> int:
        """The endpoint's newest block."""
        return quantity_from_hex(await self.call("eth_blockNumber"), "eth_blockNumber")

    async def wait_for_head(self, timeout_s: float) -> None:
        """Wait that long: over HTTP alone no endpoint announces its blocks."""
        await trio.sleep(timeout_s)

    async def _exchange(self, calls: Sequence[Call]) -> list[object | RpcError]:
        if self._takes_batches:
            repeatable = self._repeats and all(is_read(method) for method, _ in calls)
            outcomes = await _repeated(lambda: self._batch_once(calls), repeatable=repeatable)
            if outcomes is not None:
                return outcomes
            self._takes_batches = False
            _log.info("rpc.no_batches", url=self.shown_url)
        return [await self._call_or_error(method, params) for method, params in calls]

    async def _batch_once(self, calls: Sequence[Call]) -> list[object | RpcError] | None:
        requests = [self._request(method, params) for method, params in calls]
        answer = await self._post(requests)
        if not isinstance(answer, list):
            if _is_error(answer):
                self._outcome(answer, {"method": ""})  # raises if it asks for fewer requests
            return None  # one error for everything: the batch itself is what the endpoint refuses
        by_id = {
            item["id"]: item for item in answer if isinstance(item, dict) and isinstance(item.get("id"), int)
        }
        missing = [request["method"] for request in requests if request["id"] not in by_id]
        if missing:
            raise UnexpectedAnswer(f"the answer to {missing[0]}", None)
        return [self._outcome(by_id[request["id"]], request) for request in requests]

    async def _call_or_error(self, method: str, params: Sequence[object]) -> object | RpcError:
        try:
            return await self.call(method, params)
        except RpcError as error:
            return error

    def _request(self, method: str, params: Sequence[object]) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    def _outcome(self, answer: object, request: dict[str, object]) -> object | RpcError:
        if not isinstance(answer, dict):
            raise UnexpectedAnswer("a JSON-RPC response", answer)
        error = answer.get("error")
        if isinstance(error, dict):
            code, message = error.get("code"), error.get("message")
            refusal = RpcError(
                code if isinstance(code, int) else 0,
                message if isinstance(message, str) else "(no message)",
                error.get("data"),
            )
            limit = rate_limit_of(refusal, str(request["method"]))
            if limit is not None:
                raise RateLimited(self.shown_url, str(refusal), limit.pause_s)
            return refusal
        if error is not None or "result" not in answer or answer.get("id") != request["id"]:
            raise UnexpectedAnswer(f"a JSON-RPC response to request {request['id']}", answer)
        result: object = answer["result"]
        return result

    async def _post(self, payload: object) -> object:
        try:
            with trio.fail_after(self._timeout_s):
                request = self._client.build_request(
                    "POST", self._url, content=json.dumps(payload), headers=_JSON_HEADERS
                )
                response = await self._client.send(request, stream=True)
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except trio.TooSlowError:
            raise RpcUnavailable(self.shown_url, f"no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RpcUnavailable(self.shown_url, self._reason(error)) from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            pause_s = retry_after_s(response.headers.get("retry-after"), time.time())
            raise RateLimited(self.shown_url, "HTTP status 429", pause_s)
        return self._parsed(response.status_code, body)

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        # An iterator left half way would be closed whenever the collector comes by, outside of this task.
        async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes())) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > self._max_response_bytes:
                    raise AnswerTooLong(self.shown_url, self._max_response_bytes)
        return bytes(body)

    def _parsed(self, status: int, body: bytes) -> object:
        answer: object = None
        if json_depth(body) <= _MAX_DEPTH:
            with suppress(ValueError):
                answer = json.loads(body)
        # Many nodes send JSON-RPC errors under a 4xx or 5xx; anything else under one is a proxy speaking.
        if status in _NO_ACCESS or (status >= httpx.codes.MULTIPLE_CHOICES and not _is_error(answer)):
            raise RpcUnavailable(self.shown_url, f"HTTP status {status}", retry=status in _PASSING_STATUS)
        if answer is None:
            raise RpcUnavailable(self.shown_url, "the answer is not JSON", retry=False)
        return answer

    def _reason(self, error: Exception) -> str:
        text = " ".join(str(error).split()).replace(self._url, self.shown_url)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__


async def _repeated(attempt: Callable[[], Awaitable[_T]], *, repeatable: bool) -> _T:
    for pause in _BACKOFF_S if repeatable else ():
        try:
            return await attempt()
        except RpcUnavailable as unavailable:
            asked = unavailable.pause_s if isinstance(unavailable, RateLimited) else None
            if not unavailable.retry or (asked or 0) > _LONGEST_PAUSE_S:
                raise
        await trio.sleep(max(pause, asked or 0))
    return await attempt()


def is_read(method: str) -> bool:
    """Whether the method changes nothing, so that it may be repeated and asked elsewhere."""
    return method.startswith(_READS)


def _is_error(answer: object) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("error"), dict)
