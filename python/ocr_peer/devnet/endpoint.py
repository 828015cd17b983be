"""One chain and those who talk to it, over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import trio
from ocr_devnet import Connection, Devnet
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

__all__ = ["MAX_BODY", "Endpoint"]

MAX_BODY = 1 << 20
# What may take longer than a millisecond goes to a thread; so does everything that looks big.
SLOW = (
    b"eth_estimateGas", b"eth_getLogs", b"eth_getFilter", b"txpool_", b"mine", b"reorg", b"rollback", b"snapshot",
    b"revert",
)  # fmt: skip
INLINE_BODY = 16 * 1024
# A client that asks for more than it reads is told "try again later".
TOO_SLOW = 1013

T = TypeVar("T")


class Endpoint:
    """Answers requests over one chain, and tells everybody here when something has happened on it.

    Attributes:
        devnet: the chain.
        interval_changed: set, and replaced, when a request has changed the interval between blocks.
        news: set, and replaced, when there is something to tell subscribers.
    """

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.interval_changed = trio.Event()
        self.news = trio.Event()
        self._told = devnet.sequence
        self._in_threads = 0

    async def in_thread(self, job: Callable[[], T]) -> T:
        """Run something on the chain that may take a while."""
        self._in_threads += 1
        try:
            return await trio.to_thread.run_sync(job)
        finally:
            self._in_threads -= 1
            self._tell()

    async def _run(self, job: Callable[[], T], *, quick: bool) -> T:
        # Calls on the chain take turns: beside one in a thread, a quick one would hold up everything here.
        if self._in_threads or not quick:
            return await self.in_thread(job)
        result = job()
        self._tell()
        return result

    def _tell(self) -> None:
        if self.devnet.sequence != self._told:
            self._told = self.devnet.sequence
            self.news.set()
            self.news = trio.Event()

    async def answer(self, body: bytes, connection: Connection | None = None) -> bytes:
        """The response body to a request body.

        Args:
            body: whatever the client sent.
            connection: the client's, where it has one that it can be told of things over.
        """
        quick = len(body) <= INLINE_BODY and not any(name in body for name in SLOW)
        rpc = self.devnet.rpc if connection is None else connection.rpc
        quick = quick and not (b"send" in body and self._automines)
        answer = await self._run(partial(rpc, body), quick=quick)
        if b"setIntervalMining" in body:
            self.interval_changed.set()
            self.interval_changed = trio.Event()
        return answer

    @property
    def _automines(self) -> bool:
        # Asking a chain that works in a thread would wait for it.
        return not self._in_threads and self.devnet.automine

    async def handle(self, request: Request) -> Response:
        """The HTTP side: a bounded body in, JSON out."""
        body = bytearray()
        try:
            async with aclosing(request.stream()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > MAX_BODY:
                        message = f"a request may have at most {MAX_BODY} bytes\n"
                        return PlainTextResponse(message, status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        answer = await self.answer(bytes(body))
        if not answer:
            return Response(status_code=204)
        return Response(answer, media_type="application/json")

    async def converse(self, websocket: WebSocket) -> None:
        """The WebSocket side: a request in each message, answered in order, with notifications between.

        The next request is read once the last is answered, and notifications wait in the chain's journal: a
        client that does not read holds nothing here but one message.
        """
        await websocket.accept()
        connection = self.devnet.connect()
        # An answer to eth_subscribe is on its way before the first notification for it.
        turn = trio.Lock()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._notify, websocket, connection, turn, nursery.cancel_scope)
                while (body := await _message(websocket)) is not None:
                    async with turn:
                        answer = await self.answer(body, connection)
                        if answer:
                            await websocket.send_text(answer.decode())
                nursery.cancel_scope.cancel()
        except* WebSocketDisconnect:
            pass

    async def _notify(
        self, websocket: WebSocket, connection: Connection, turn: trio.Lock, conversation: trio.CancelScope
    ) -> None:
        while True:
            news = self.news
            bodies: list[bytes] | None = []
            async with turn:
                if connection.subscribed:
                    bodies = await self._run(connection.notifications, quick=True)
                for body in bodies or ():
                    await websocket.send_text(body.decode())
            if bodies is None:
                await websocket.close(TOO_SLOW, "too far behind: notifications are lost")
                conversation.cancel()
            elif not bodies:
                await news.wait()


async def _message(websocket: WebSocket) -> bytes | None:
    """The next message's content, text or binary; `None` when the client is gone."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    text: str | None = message.get("text")
    return text.encode() if text is not None else message.get("bytes") or b""
