"""`http`: fetch one document.

Source of the rules: the Chainlink node's `task.http.go` and `common_http.go`: GET unless `method` says
otherwise, `requestData` is sent as JSON, `headers` is a JSON array of names and values in turn, an answer
may have 32768 bytes (`JobPipeline.HTTPRequest.MaxSize`) and an attempt 15 s (`DefaultTimeout`). Stricter:
only a 2xx answer counts, redirects are not followed, and compressed answers are refused rather than
inflated, so that no source can make a node hold more than the limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import ClassVar, Self

import httpx
import trio

from ocr_peer.durations import SECOND_NS
from ocr_peer.errors import InputError
from ocr_peer.pipeline.expressions import Reference, Template
from ocr_peer.pipeline.tasks.base import Attributes, RunContext, Task, sound_inputs
from ocr_peer.pipeline.values import Outcome, TaskFailure, Value, parse_json, write_json

__all__ = ["DEFAULT_RESPONSE_LIMIT", "Http", "new_http_client"]

DEFAULT_RESPONSE_LIMIT = 32_768
"""Bytes of a response body."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_RETRYABLE_STATUS = frozenset({408, 425, 429})
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Http(Task):
    """The body of the answer, as text."""

    type_name: ClassVar[str] = "http"
    attribute_names: ClassVar[tuple[str, ...]] = (
        "method",
        "url",
        "requestData",
        "headers",
        "allowUnrestrictedNetworkAccess",
    )
    default_timeout_ns: ClassVar[int | None] = 15 * SECOND_NS

    method: str
    url: Template
    request_data: Template | None
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Self:
        method = (attributes.text("method") or "GET").upper()
        if method not in _METHODS:
            raise attributes.error("method", "is not a method of HTTP", f"write one of {', '.join(_METHODS)}")
        url = attributes.required_template("url", 'url="https://…"')
        unrestricted = attributes.boolean("allowUnrestrictedNetworkAccess")
        if url.is_reference and not unrestricted:
            raise attributes.error(
                "url",
                "is computed by another task, so a source could point it into your own network",
                'write the address itself, or allowUnrestrictedNetworkAccess="true" if you trust that task',
            )
        if not url.is_reference:
            try:
                _address(url.evaluate({}))
            except TaskFailure as failure:
                raise attributes.error("url", failure.reason, 'write url="https://host/path"') from None
        return cls(method, url, attributes.json_template("requestData"), _headers(attributes))

    @property
    def references(self) -> tuple[Reference, ...]:
        return (*self.url.references, *(self.request_data.references if self.request_data else ()))

    def input_problem(self, count: int) -> tuple[str, str] | None:
        return None  # edges only say what must succeed first

    async def run(self, inputs: Sequence[Outcome], context: RunContext) -> Value:
        sound_inputs(inputs)
        address = _address(self.url.evaluate(context.variables))
        headers = {"accept-encoding": "identity", "content-type": "application/json", **dict(self.headers)}
        body = None
        if self.request_data is not None:
            data = self.request_data.evaluate(context.variables)
            if data is not None and not isinstance(data, dict):
                raise TaskFailure("requestData is not a JSON object")
            body = None if data is None else write_json(data).encode()
        try:
            async with context.http_client.stream(
                self.method, address, headers=headers, content=body, timeout=None, follow_redirects=False
            ) as response:
                return await _read(response, context.response_limit)
        except UnicodeError as error:  # from the encoding of international names, which httpx lets through
            raise TaskFailure(f"{address.host[:_SHOWN]} is no host name: {error}") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            detail = str(error) or type(error).__name__
            raise TaskFailure(f"{address.host}: {detail[:_SHOWN]}", retryable=True) from error


async def _read(response: httpx.Response, limit: int) -> str:
    """The body as text; raises `TaskFailure` for a bad status, an encoded body or more than `limit` bytes."""
    host, status = response.request.url.host, response.status_code
    encoding = response.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise TaskFailure(f"{host}: answer is compressed ({encoding!r}) although that was not asked for")
    body = bytearray()
    # Cancelled, not left: a cancellation unwinds the generators underneath, a `break` would leave them suspended.
    with trio.CancelScope() as reading:
        async for chunk in response.aiter_bytes():
            if len(body) + len(chunk) > limit:
                reading.cancel()
            else:
                body += chunk
    if reading.cancel_called:
        raise TaskFailure(f"{host}: answer is longer than {limit} bytes")
    text = body.decode("utf-8", "replace")
    if not 200 <= status < 300:
        shown = " ".join(text.split())[:_SHOWN]
        raise TaskFailure(
            f"{host}: status {status}" + (f", {shown!r}" if shown else ""),
            retryable=status >= 500 or status in _RETRYABLE_STATUS,
        )
    return text


def new_http_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client for `run`, to be closed by the caller: it keeps connections, but no cookies of any source."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(transport=transport, cookies=no_cookies)


def _address(value: Value) -> httpx.URL:
    if not isinstance(value, str):
        raise TaskFailure("url is not text")
    try:
        address = httpx.URL(value)
    except httpx.InvalidURL as error:
        raise TaskFailure(f"is not a URL: {error}") from None
    if address.scheme not in {"http", "https"} or not address.host or (address.port or 0) >= 2**16:
        raise TaskFailure("is not an http or https address")
    return address


def _headers(attributes: Attributes) -> tuple[tuple[str, str], ...]:
    text = attributes.text("headers")
    if text is None:
        return ()
    try:
        items = parse_json(text)
    except TaskFailure as failure:
        raise _header_error(attributes, failure.reason) from None
    if not isinstance(items, list) or len(items) % 2:
        raise _header_error(attributes, "is not an array of an even number of texts")
    names, values = items[::2], items[1::2]
    pairs: list[tuple[str, str]] = []
    for name, value in zip(names, values, strict=True):
        if not isinstance(name, str) or not isinstance(value, str):
            raise _header_error(attributes, "holds something other than texts")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise _header_error(attributes, f"cannot send {name!r} with that value")
        pairs.append((name.lower(), value))
    return tuple(pairs)


def _header_error(attributes: Attributes, problem: str) -> InputError:
    return attributes.error("headers", problem, 'write headers="[\\"X-Api-Key\\", \\"…\\"]"')
