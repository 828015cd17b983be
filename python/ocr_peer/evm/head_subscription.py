"""Heads that an endpoint announces by itself: `eth_subscribe newHeads` over WebSocket, on trio.

An announcement only says when it is worth looking: what counts is read over HTTP. So everything here may fail
without harm, and whoever waits for a head goes on polling.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import structlog
import trio
import trio_websocket

from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.redaction import redacted
from ocr_peer.evm.rpc_errors import UnexpectedAnswer, shortened
from ocr_peer.nesting import json_depth

__all__ = ["HeadSubscription"]

_Stream: TypeAlias = trio.SocketStream | trio.SSLStream

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_MAX_MESSAGE_BYTES: Final = 256 * 1024
"""A header has about two kilobytes; some chains add to it."""

_MAX_QUEUE: Final = 16
"""Messages; then the endpoint has to wait."""

_MAX_DEPTH: Final = 32


class _Ended(Exception):  # noqa: N818 - named for what happened
    """The session cannot go on; says why, without secrets."""


class HeadSubscription:
    """Follows the heads of one endpoint.

    Args:
        url: `ws://` or `wss://`; user and password may stand in it.
        name: of the endpoint, for logs.
        chain_id: what it is to serve.
        on_head: told the number of every block that is announced; must not block.
        on_change: told whether announcements come, whenever that changes; must not block.
        silence_s: without an announcement for so long the subscription counts as lost.
        ping_s: pause between pings, and most seconds until the pong.
        answer_s: most seconds for connecting, and for an answer.
        pauses_s: before the second attempt, and at most.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        chain_id: int,
        on_head: Callable[[int], object],
        on_change: Callable[[bool], object] = lambda _: None,
        silence_s: float = 180.0,
        ping_s: float = 15.0,
        answer_s: float = 10.0,
        pauses_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._url = url
        self._chain_id = chain_id
        self._on_head = on_head
        self._on_change = on_change
        self._silence_s = silence_s
        self._ping_s = ping_s
        self._answer_s = answer_s
        self._pauses_s = pauses_s
        self._live = False
        self._said = ""
        self._log = _log.bind(endpoint=name, url=redacted(url))

    async def run(self) -> None:
        """Subscribe, and again whenever it is lost, until cancelled."""
        pause_s = self._pauses_s[0]
        while True:
            start = trio.current_time()
            reason = await self._session()
            if self._live and trio.current_time() - start > self._pauses_s[1]:
                pause_s = self._pauses_s[0]  # It worked for a while; an endpoint that flaps has to wait.
            self._tell(live=False, reason=reason)
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._pauses_s[1])

    async def _session(self) -> str:
        """Follow until it is lost; returns the reason."""
        reasons: list[str] = []
        try:
            async with _stream(self._url, self._answer_s) as stream, trio.open_nursery() as nursery:
                socket = await _opened(nursery, stream, self._url, self._answer_s)
                nursery.start_soon(self._keep_alive, socket)
                await self._follow(socket)
        except* Exception as errors:  # noqa: BLE001 - whatever the library makes of what an endpoint sends
            reasons += [self._reason(error) for error in _leaves(errors)]
        return reasons[0]

    async def _follow(self, socket: trio_websocket.WebSocketConnection) -> None:
        served = quantity_from_hex(_checked(await self._answer(socket, 1, "eth_chainId", [])), "eth_chainId")
        if served != self._chain_id:
            raise _Ended(f"serves chain {served}, not {self._chain_id}")
        subscription = await self._answer(socket, 2, "eth_subscribe", ["newHeads"])
        if not isinstance(subscription, str):
            raise _Ended("answers eth_subscribe without the name of a subscription")
        self._tell(live=True, reason="")
        while True:
            with trio.move_on_after(self._silence_s) as scope:
                number = await _next_head(socket, subscription)
            if scope.cancelled_caught:
                raise _Ended(f"no head for {self._silence_s:g} s")
            self._on_head(number)

    async def _keep_alive(self, socket: trio_websocket.WebSocketConnection) -> None:
        while True:
            await trio.sleep(self._ping_s)
            with trio.move_on_after(self._ping_s) as scope:
                await socket.ping()
            if scope.cancelled_caught:
                raise _Ended(f"no pong within {self._ping_s:g} s")

    async def _answer(
        self, socket: trio_websocket.WebSocketConnection, request_id: int, method: str, params: list[object]
    ) -> object:
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        message: dict[str, Any] = {}
        with trio.move_on_after(self._answer_s):
            await socket.send_message(json.dumps(request))
            while message.get("id") != request_id:
                message = _parsed(await socket.get_message())
        if message.get("id") != request_id:
            raise _Ended(f"no answer to {method} within {self._answer_s:g} s")
        if "error" in message:
            raise _Ended(f"{method} refused: {shortened(str(message['error']))}")
        return message.get("result")

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, _Ended):
            return str(error)
        if isinstance(error, trio_websocket.ConnectionClosed):
            code = getattr(error.reason, "code", None)
            return "the connection was closed" + (f" with code {code}" if code else "")
        if isinstance(error, trio_websocket.ConnectionRejected):
            return f"HTTP status {error.status_code}"
        if isinstance(error, trio.BrokenResourceError) and error.__cause__ is not None:
            error = error.__cause__  # what TLS found wrong
        text = shortened(str(error).replace(self._url, redacted(self._url)))
        return f"no connection: {type(error).__name__}" + (f": {text}" if text else "")

    def _tell(self, *, live: bool, reason: str) -> None:
        if live != self._live:
            self._live = live
            self._on_change(live)
        said = "live" if live else reason
        if said == self._said:
            return
        self._said = said
        if live:
            self._log.info("heads.subscribed")
        else:
            self._log.warning("heads.lost", reason=reason, instead="polling")


@asynccontextmanager
async def _stream(url: str, timeout_s: float) -> AsyncIterator[_Stream]:
    """A connection that is closed whatever becomes of it: the library leaves a refused one open."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    stream: _Stream | None = None
    try:
        with trio.move_on_after(timeout_s) as scope:
            stream = await trio.open_tcp_stream(host, parts.port or (443 if secure else 80))
            if secure:
                stream = trio.SSLStream(stream, ssl.create_default_context(), server_hostname=host)
                await stream.do_handshake()
        if scope.cancelled_caught or stream is None:
            raise _Ended(f"no connection within {timeout_s:g} s")
        yield stream
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)


async def _opened(
    nursery: trio.Nursery, stream: _Stream, url: str, timeout_s: float
) -> trio_websocket.WebSocketConnection:
    parts = urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    encoded = base64.b64encode(unquote(credentials).encode())
    with trio.move_on_after(timeout_s):
        return await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            host,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            extra_headers=[(b"Authorization", b"Basic " + encoded)] if credentials else [],
            message_queue_size=_MAX_QUEUE,
            max_message_size=_MAX_MESSAGE_BYTES,
        )
    raise _Ended(f"no WebSocket within {timeout_s:g} s")


async def _next_head(socket: trio_websocket.WebSocketConnection, subscription: object) -> int:
    while True:
        message = _parsed(await socket.get_message())
        params = message.get("params")
        if not isinstance(params, dict) or params.get("subscription") != subscription:
            continue  # of something that we did not ask for
        head = params.get("result")
        number = _checked(head.get("number") if isinstance(head, dict) else None)
        return quantity_from_hex(number, "a head's number")


def _parsed(text: str | bytes) -> dict[str, Any]:
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    try:
        message = json.loads(raw) if json_depth(raw) <= _MAX_DEPTH else None
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise _Ended("sends something other than JSON-RPC")
    return message


def _checked(value: object) -> str:
    """A hex string that is short enough to be one number."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 66:
        raise _Ended(f"sends {shortened(repr(value), 60)} where a number belongs")
    try:
        quantity_from_hex(value, "a number")
    except UnexpectedAnswer as error:
        raise _Ended(str(error)) from None
    return value


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    """The single errors of a group; what this module found out itself comes first."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return sorted(found, key=lambda error: not isinstance(error, _Ended))
