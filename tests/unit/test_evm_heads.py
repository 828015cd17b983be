"""Announced heads: a WebSocket endpoint that is well, silent, garbled, somebody else's, or gone."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocr_peer.evm.endpoint_settings import EndpointAddress
from ocr_peer.evm.head_subscription import HeadSubscription
from ocr_peer.evm.pool import endpoint_pool

CHAIN_ID = 1337


def head(number: int, subscription: str = "0x1") -> str:
    params = {"subscription": subscription, "result": {"number": hex(number), "hash": "0x" + "11" * 32}}
    return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


Script = Callable[[trio_websocket.WebSocketConnection], Awaitable[None]]


async def stay(socket: trio_websocket.WebSocketConnection) -> None:
    await trio.sleep_forever()


def saying(*messages: str) -> Script:
    async def script(socket: trio_websocket.WebSocketConnection) -> None:
        for message in messages:
            await socket.send_message(message)
        await trio.sleep_forever()

    return script


@dataclass
class Server:
    """Answers `eth_chainId` and `eth_subscribe`, and goes on by script, one for each session; the last is repeated."""

    scripts: list[Script]
    chain_id: object = hex(CHAIN_ID)
    subscribed: object = "0x1"
    sessions: int = 0
    authorizations: list[bytes] = field(default_factory=list)

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        self.authorizations += [value for name, value in request.headers if name == b"authorization"]
        self.sessions += 1
        script = self.scripts[min(self.sessions, len(self.scripts)) - 1]
        try:
            socket = await request.accept()
            answers = {"eth_chainId": self.chain_id, "eth_subscribe": self.subscribed}
            for _ in range(2):
                asked = json.loads(await socket.get_message())
                answer = {"jsonrpc": "2.0", "id": asked["id"], "result": answers[asked["method"]]}
                await socket.send_message(json.dumps(answer))
            await script(socket)
        except trio_websocket.ConnectionClosed:
            pass


@dataclass
class Listening:
    server: Server
    heads: trio.MemoryReceiveChannel[int]
    live: list[bool]


@asynccontextmanager
async def listening(
    *scripts: Script, path: str = "", credentials: str = "", server: Server | None = None, **options: Any
) -> AsyncIterator[Listening]:
    server = server or Server(list(scripts))
    send, heads = trio.open_memory_channel[int](100)
    live: list[bool] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            serving = await nursery.start(
                partial(trio_websocket.serve_websocket, server.serve, "127.0.0.1", 0, ssl_context=None)
            )
            subscription = HeadSubscription(
                f"ws://{credentials}127.0.0.1:{serving.port}/{path}",
                name="a",
                chain_id=CHAIN_ID,
                on_head=send.send_nowait,
                on_change=live.append,
                pauses_s=options.pop("pauses_s", (0.01, 0.02)),
                **options,
            )
            nursery.start_soon(subscription.run)
            yield Listening(server, heads, live)
            nursery.cancel_scope.cancel()


async def test_every_announced_head_is_told() -> None:
    other = head(99, "0x2")
    async with listening(saying(head(1), other, '{"method": "x"}', head(2), head(3))) as listener:
        assert [await listener.heads.receive() for _ in range(3)] == [1, 2, 3]
    assert listener.live[:1] == [True]


async def test_credentials_go_into_a_header_and_never_into_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def leave(socket: trio_websocket.WebSocketConnection) -> None:
        await socket.send_message(head(1))

    key = "k" * 32
    async with listening(leave, path=f"v3/{key}", credentials="user:s%40fe@") as listener:
        await listener.heads.receive()
        await listener.heads.receive()
    assert listener.server.authorizations[0] == b"Basic dXNlcjpzQGZl"
    log = capsys.readouterr().out
    assert "heads.lost" in log
    assert "user" not in log
    assert key not in log


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("garbage", "something other than JSON-RPC"),
        ("[]", "something other than JSON-RPC"),
        ("[" * 10_000, "something other than JSON-RPC"),
        (head(1).replace('"0x1"', '"many"', 2).replace('"many"', '"0x1"', 1), "where a number belongs"),
        (json.dumps({"params": {"subscription": "0x1", "result": None}}), "where a number belongs"),
        (json.dumps({"params": {"subscription": "0x1", "result": {"number": "0x" + "1" * 99}}}), "a number"),
        ("x" * 300_000, "closed with code 1009"),
    ],
)
async def test_after_garbage_it_subscribes_anew(
    message: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(saying(head(1), message), saying(head(2))) as listener:
        assert [await listener.heads.receive() for _ in range(2)] == [1, 2]
    assert listener.live[:3] == [True, False, True]
    assert reason in capsys.readouterr().out


async def test_silence_counts_as_lost(capsys: pytest.CaptureFixture[str]) -> None:
    async with listening(saying(head(1)), saying(head(2)), silence_s=0.05) as listener:
        assert [await listener.heads.receive() for _ in range(2)] == [1, 2]
    assert "no head for 0.05 s" in capsys.readouterr().out


async def test_an_endpoint_that_answers_no_ping_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    """A peer that stops reading: its pongs stop, too."""
    sessions = 0

    async def deaf(stream: trio.SocketStream) -> None:
        nonlocal sessions
        sessions += 1
        received = b""
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some(4096)
        key = next(line.split(b": ")[1] for line in received.split(b"\r\n") if b"WebSocket-Key" in line)
        await stream.send_all(accepted(key))
        for answer in ({"id": 1, "result": hex(CHAIN_ID)}, {"id": 2, "result": "0x1"}):
            await stream.receive_some(4096)
            await stream.send_all(frame(json.dumps(answer).encode()))
        await trio.sleep_forever()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, deaf, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            subscription = HeadSubscription(
                f"ws://127.0.0.1:{port}",
                name="a",
                chain_id=CHAIN_ID,
                on_head=lambda _: None,
                ping_s=0.05,
                pauses_s=(0.01, 0.02),
            )
            nursery.start_soon(subscription.run)
            while sessions < 2:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert "no pong within 0.05 s" in capsys.readouterr().out


def accepted(key: bytes) -> bytes:
    token = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
    )


def frame(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x81, len(payload)]) + payload


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server([stay], chain_id="0x5"), "serves chain 5, not 1337"),
        (Server([stay], chain_id=None), "where a number belongs"),
        (Server([stay], subscribed=None), "without the name of a subscription"),
    ],
)
async def test_what_cannot_be_subscribed_to_is_said_once(
    server: Server, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(server=server) as listener:
        while listener.server.sessions < 4:
            await trio.sleep(0.01)
    log = capsys.readouterr().out
    assert log.count("heads.lost") == 1
    assert reason in log
    assert listener.live == []


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", b"", b"\x00" * 100_000])
async def test_no_websocket_at_all(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = 0

    async def refuse(stream: trio.SocketStream) -> None:
        nonlocal sessions
        sessions += 1
        await stream.receive_some(4096)
        with suppress(trio.BrokenResourceError):
            await stream.send_all(answer)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, refuse, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            subscription = HeadSubscription(
                f"ws://127.0.0.1:{port}",
                name="a",
                chain_id=CHAIN_ID,
                on_head=lambda _: None,
                answer_s=0.5,
                pauses_s=(0.01, 0.02),
            )
            nursery.start_soon(subscription.run)
            while sessions < 3:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert capsys.readouterr().out.count("heads.lost") == 1


async def test_the_pool_wakes_at_an_announced_head_and_goes_on_without_one() -> None:
    server = Server([saying(head(7))])
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            serving = await nursery.start(
                partial(trio_websocket.serve_websocket, server.serve, "127.0.0.1", 0, ssl_context=None)
            )
            url = f"ws://127.0.0.1:{serving.port}"
            pool = endpoint_pool([EndpointAddress("a", "http://127.0.0.1:9", url)], chain_id=CHAIN_ID)
            nursery.start_soon(pool.run)
            await pool.wait_for_head(15)
            snapshot = pool.snapshot()[0]
            assert (snapshot.highest_seen_block, snapshot.subscribed) == (7, True)
            await pool.wait_for_head(0.01)
            nursery.cancel_scope.cancel()
        await pool.aclose()


def self_signed(folder: Path) -> Path:
    """A certificate for `localhost` and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.mark.parametrize("trusted", [True, False])
async def test_over_tls_the_certificate_counts(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    send, heads = trio.open_memory_channel[int](10)
    server = Server([saying(head(7))])

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            secure = trio.SSLStream(stream, context, server_side=True)
            await secure.do_handshake()
            async with trio.open_nursery() as sockets:
                request = await trio_websocket.wrap_server_stream(sockets, secure)
                await server.serve(request)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            subscription = HeadSubscription(
                f"wss://localhost:{port}",
                name="a",
                chain_id=CHAIN_ID,
                on_head=send.send_nowait,
                pauses_s=(0.01, 0.02),
            )
            nursery.start_soon(subscription.run)
            if trusted:
                assert await heads.receive() == 7
            else:
                log = ""
                while "heads.lost" not in log:
                    await trio.sleep(0.01)
                    log += capsys.readouterr().out
                assert "certificate verify failed" in log
            nursery.cancel_scope.cancel()
