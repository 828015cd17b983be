"""A WebSocket client for tests that can also misbehave."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)


class WebSocket:
    """One connection over a plain stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        self._partial = ""

    async def open(self, host: str, *headers: tuple[bytes, bytes]) -> int:
        """Ask for the upgrade; the HTTP status."""
        await self.send(Request(host=host, target="/", extra_headers=list(headers)))
        match await self.event():
            case AcceptConnection():
                return 101
            case RejectConnection() as refusal:
                return refusal.status_code
            case other:
                raise AssertionError(other)

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self.protocol.send(event))

    async def event(self) -> Event:
        while not self._events:
            data = await self.stream.receive_some()
            self.protocol.receive_data(data or None)
            self._events.extend(self.protocol.events())
        return self._events.popleft()

    async def receive(self) -> Any:
        """The next JSON message, or the event that closes the connection."""
        while True:
            match await self.event():
                case TextMessage() as message:
                    self._partial += message.data
                    if message.message_finished:
                        text, self._partial = self._partial, ""
                        return json.loads(text)
                case CloseConnection() as close:
                    return close
                case Ping() as ping:
                    await self.send(ping.response())
                case other:
                    raise AssertionError(other)

    async def ask(self, method: str, *params: object) -> None:
        request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        await self.send(Message(data=json.dumps(request)))

    async def result(self, method: str, *params: object) -> Any:
        """Ask, and take the next message for the answer."""
        await self.ask(method, *params)
        answer = await self.receive()
        assert answer["id"] == method, answer
        return answer["result"]

    async def told(self) -> tuple[str, Any]:
        """The next message, which is a notification: subscription and result."""
        message = await self.receive()
        assert message["method"] == "eth_subscription", message
        return message["params"]["subscription"], message["params"]["result"]


async def dial(url: str, receive_buffer: int | None = None) -> WebSocket:
    """A TCP connection to where `url` says."""
    host, _, port = url.partition("//")[2].rpartition(":")
    plain = trio.socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await plain.connect((host, int(port)))
    return WebSocket(trio.SocketStream(plain))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[WebSocket]:
    """An open connection."""
    websocket = await dial(url)
    async with websocket.stream:
        assert await websocket.open(url.partition("//")[2]) == 101
        yield websocket
