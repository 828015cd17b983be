"""Requests and notifications over WebSocket, and who is not let in."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from ocr_devnet import Devnet
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from wsproto.events import BytesMessage, CloseConnection, Message
from wsproto.utilities import RemoteProtocolError

from ocr_peer.devnet import DevnetOptions
from ocr_peer.devnet.endpoint import MAX_BODY, Endpoint
from ocr_peer.devnet.guard import names_this_machine
from ocr_peer.devnet.listener import ImpatientStream, listen, serve_connections
from ocr_peer.devnet.server import serve_devnet
from tests.unit.websocket import connected, dial


@pytest.fixture
async def url(nursery: trio.Nursery) -> str:
    return str(await nursery.start(partial(serve_devnet, DevnetOptions(), block_time=None)))


async def test_the_same_port_answers_both(url: str) -> None:
    async with connected(url) as websocket, httpx.AsyncClient() as client:
        assert await websocket.result("eth_chainId") == hex(1337)
        request = {"jsonrpc": "2.0", "id": 1, "method": "evm_mine"}
        await client.post(url, json=request)
        assert await websocket.result("eth_blockNumber") == "0x1"
        await websocket.send(Message(data=b'[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}]'))
        assert (await websocket.receive())[0]["result"] == hex(1337)
        await websocket.send(Message(data="{not json"))
        assert (await websocket.receive())["error"]["code"] == -32700
        # Nothing answers a notification.
        await websocket.send(Message(data='{"jsonrpc":"2.0","method":"evm_mine"}'))
        assert await websocket.result("eth_blockNumber") == "0x2"


async def test_heads_are_told_whoever_mines(url: str) -> None:
    async with connected(url) as follower, connected(url) as miner:
        subscription = await follower.result("eth_subscribe", "newHeads")
        for number in range(1, 4):
            await miner.result("evm_mine")
            told = await follower.told()
            assert (told[0], told[1]["number"]) == (subscription, hex(number))
        # A block of its own: the answer and the notification, in either order.
        await follower.ask("evm_mine")
        messages = [await follower.receive() for _ in range(2)]
        assert {"id" in message for message in messages} == {True, False}
        assert await follower.result("eth_unsubscribe", subscription) is True
        await miner.result("evm_mine")
        assert await follower.result("eth_blockNumber") == "0x5"


async def test_the_clock_is_told_of_too(nursery: trio.Nursery) -> None:
    url = str(await nursery.start(partial(serve_devnet, DevnetOptions(), block_time=0.01)))
    async with connected(url) as websocket:
        await websocket.result("eth_subscribe", "newHeads")
        numbers = [int((await websocket.told())[1]["number"], 16) for _ in range(5)]
        assert numbers == list(range(numbers[0], numbers[0] + 5))


async def test_an_answer_comes_before_what_it_brings(url: str) -> None:
    async with connected(url) as websocket:
        subscribe = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'
        mine = '{"jsonrpc":"2.0","id":2,"method":"evm_mine"}'
        await websocket.send(Message(data=f"[{subscribe},{mine}]"))
        first, second = await websocket.receive()
        assert second["result"] == "0x0"
        assert await websocket.told() == (first["result"], await head(url))


async def head(url: str) -> dict[str, Any]:
    async with connected(url) as websocket:
        block = await websocket.result("eth_getBlockByNumber", "latest", False)
        other = {"size", "totalDifficulty", "transactions", "uncles", "withdrawals"}
        return {name: value for name, value in block.items() if name not in other}


async def test_a_message_too_large_ends_the_connection(url: str) -> None:
    async with connected(url) as websocket:
        await websocket.send(BytesMessage(data=b" " * MAX_BODY))
        assert (await websocket.receive())["error"]["code"] == -32700
        await websocket.send(BytesMessage(data=b" " * (MAX_BODY + 1)))
        closed = await websocket.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009
    # Others are not concerned.
    async with connected(url) as websocket:
        assert await websocket.result("eth_blockNumber") == "0x0"


async def test_who_falls_behind_is_disconnected(url: str) -> None:
    async with connected(url) as slow, connected(url) as miner:
        await slow.result("eth_subscribe", "newHeads")
        with trio.fail_after(60):
            # More than the journal keeps, while nobody reads: the first blocks fill the socket's buffers.
            for _ in range(3):
                await miner.result("anvil_mine", 10_000)
            while not isinstance(message := await slow.receive(), CloseConnection):
                assert message["method"] == "eth_subscription"
            assert message.code == 1013
            assert await miner.result("eth_blockNumber") == hex(30_000)


async def test_clients_come_and_go(url: str) -> None:
    for _ in range(20):
        websocket = await dial(url)
        await websocket.open("localhost")
        await websocket.ask("eth_subscribe", "newHeads")
        await websocket.stream.aclose()
    async with connected(url) as websocket:
        await websocket.result("evm_mine")
        await websocket.send(CloseConnection(code=1000))
        assert isinstance(await websocket.receive(), CloseConnection)
    async with connected(url) as websocket:
        assert await websocket.result("eth_blockNumber") == "0x1"


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    endpoint = Endpoint(Devnet(1337, {}))
    app = Starlette(routes=[WebSocketRoute("/", endpoint.converse)])
    block = '{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest"]}'
    large = f"[{','.join([block] * 1000)}]"

    async def let_in() -> bool:
        websocket = await dial(url)
        async with websocket.stream:
            try:
                return await websocket.open("localhost") == 101
            except (trio.BrokenResourceError, RemoteProtocolError):
                return False

    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serve = partial(
            serve_connections, app, listener, max_message=MAX_BODY, max_connections=1, send_timeout=0.2
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            lazy = await dial(url, receive_buffer=4096)
            async with lazy.stream:
                assert await lazy.open("localhost") == 101
                # While it is there nobody else is let in; it takes none of its answers, and has to make room.
                assert not await let_in()
                await lazy.send(Message(data=large))
                with trio.fail_after(60):
                    while not await let_in():
                        await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


async def test_a_stuck_client_does_not_hold_up_the_end() -> None:
    first, second = socket.socketpair()
    stream = ImpatientStream(trio.SocketStream(trio.socket.from_stdlib_socket(first)), timeout=3600)
    with second:
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with trio.CancelScope(shield=True), pytest.raises(trio.ClosedResourceError):
                    await stream.send_all(b"x" * (1 << 24))

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            stream.abandon()


HOSTS = [
    ("localhost", True), ("localhost:8545", True), ("LOCALHOST:1", True), ("127.0.0.1", True), ("127.8.9.1:80", True),
    ("[::1]", True), ("[::1]:8545", True), ("evil.example", False), ("evil.example:8545", False),
    ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("192.0.2.1", False), ("", False),
    ("[::1", False), ("[::2]", False), ("::1", False), ("localhost:x", False), ("localhost:1:2", False),
    ("0x7f.1", False),
    ("127.0.0.1:8545@evil.example", False), ("[::1]evil.example", False),
]  # fmt: skip


@pytest.mark.parametrize(("host", "ours"), HOSTS)
def test_hosts_of_this_machine(host: str, ours: bool) -> None:
    assert names_this_machine(host) is ours


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8545"])
async def test_a_rebound_name_is_refused(url: str, host: str) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "evm_mine"}
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, json=request, headers={"Host": host})
        assert answer.status_code == 403
    websocket = await dial(url)
    async with websocket.stream:
        assert await websocket.open(host) == 403
    async with connected(url) as websocket:
        assert await websocket.result("eth_blockNumber") == "0x0"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8545"])
async def test_web_pages_are_refused(url: str, origin: str) -> None:
    # What a page may send without being asked first: text, and a WebSocket.
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            url,
            content=b'{"jsonrpc":"2.0","id":1,"method":"evm_mine"}',
            headers={"Origin": origin, "Content-Type": "text/plain"},
        )
        assert answer.status_code == 403
        preflight = await client.options(
            url, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 403
    websocket = await dial(url)
    async with websocket.stream:
        assert await websocket.open("localhost", (b"Origin", origin.encode())) == 403
    async with connected(url) as websocket:
        assert await websocket.result("eth_blockNumber") == "0x0"


async def test_many_followers_and_a_storm(url: str) -> None:
    """Every follower is told the same, in the same order."""
    async with AsyncExitStack() as stack, connected(url) as miner:
        followers = [await stack.enter_async_context(connected(url)) for _ in range(8)]
        for follower in followers:
            await follower.result("eth_subscribe", "newHeads")
        for _ in range(20):
            await miner.result("evm_mine")
        await miner.result("anvil_reorg", 3)
        stories = [[(await follower.told())[1]["hash"] for _ in range(23)] for follower in followers]
        assert all(story == stories[0] for story in stories)
        assert len(set(stories[0])) == 23
