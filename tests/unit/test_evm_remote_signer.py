"""A web3signer: a real HTTP server with its REST interface, well-behaved and not."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from coincurve import PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_peer import crypto
from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.fees import DynamicFees, LegacyFees
from ocr_peer.evm.remote_signer import RemoteSigner, connect_signer
from ocr_peer.evm.signer import LocalSigner, UnsignedTransaction
from tests.unit.test_evm_feed import seed

KEY, OTHER = seed("transmitter", 1), seed("transmitter", 2)
ADDRESS = crypto.secp256k1_address(KEY)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TRANSACTION = UnsignedTransaction(31337, 7, b"\x0b" * 20, b"data", 90_000, DynamicFees(30, 2))


def identifier(key: bytes) -> str:
    """A public key as web3signer lists it: 64 bytes, x and y."""
    return "0x" + PrivateKey(key).public_key.format(compressed=False)[1:].hex()


@dataclass
class Web3Signer:
    """`/api/v1/eth1` of a web3signer."""

    keys: list[bytes] = field(default_factory=lambda: [OTHER, KEY])
    signs_with: bytes | None = None
    """Another key than the one it is asked for."""
    v_from: int = 27
    upper_s: bool = False
    status: int = 200
    body: bytes | None = None
    slow_s: float = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.requests.append((method, path))
        time.sleep(self.slow_s)
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b"trouble"
        if (method, path) == ("GET", "/api/v1/eth1/publicKeys"):
            return 200, json.dumps([identifier(key) for key in self.keys]).encode()
        named = {f"/api/v1/eth1/sign/{identifier(key)}": key for key in self.keys}
        if method != "POST" or path not in named:
            return 404, b""
        data = bytes.fromhex(json.loads(body)["data"][2:])
        key = self.signs_with or named[path]
        signature = PrivateKey(key).sign_recoverable(crypto.keccak256(data), hasher=None)
        r, s, parity = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
        if self.upper_s:
            s, parity = ORDER - s, 1 - parity
        return 200, b"0x" + (r + s.to_bytes(32, "big") + bytes([parity + self.v_from])).hex().encode()


@pytest.fixture
def server() -> Iterator[Web3Signer]:
    signer = Web3Signer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply("GET", b"")

        def do_POST(self) -> None:
            self.reply("POST", self.rfile.read(int(self.headers["content-length"])))

        def reply(self, method: str, body: bytes) -> None:
            status, answer = signer.answer(method, self.path, body)
            self.send_response(status)
            if status == 302:
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-type", "text/plain; charset=utf-8")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that hang up are part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        signer.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        yield signer
        httpd.shutdown()
        thread.join()


@pytest.fixture
def recursion_limit_of_py_ecc() -> Iterator[None]:
    """With it, deeply nested JSON kills a process that parses it unmeasured."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize("fees", [DynamicFees(30, 2), LegacyFees(30)])
@pytest.mark.parametrize("to", [b"\x0b" * 20, None])
async def test_it_signs_what_the_key_itself_would(
    server: Web3Signer, client: httpx.AsyncClient, fees: DynamicFees | LegacyFees, to: bytes | None
) -> None:
    signer = await connect_signer(server.url, ADDRESS, client=client)
    assert signer.address == ADDRESS
    for nonce, data, chain_id in ((0, b"", 1), (7, b"\x00data", 31337), (300, b"x" * 2000, 2**40)):
        transaction = UnsignedTransaction(chain_id, nonce, to, data, 90_000, fees)
        assert await signer.sign(transaction) == await LocalSigner(KEY).sign(transaction)
    assert server.requests[1] == ("POST", f"/api/v1/eth1/sign/{identifier(KEY)}")


transactions = st.builds(
    UnsignedTransaction,
    chain_id=st.integers(1, 2**53),
    nonce=st.integers(0, 2**64 - 2),
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=300),
    gas_limit=st.integers(0, 2**32),
    fees=st.builds(LegacyFees, st.integers(0, 2**100))
    | st.builds(DynamicFees, st.integers(2**50, 2**100), st.integers(0, 2**50)),
)


@given(transactions)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
async def test_every_transaction_is_encoded_as_by_eth_account(
    server: Web3Signer, client: httpx.AsyncClient, transaction: UnsignedTransaction
) -> None:
    signer = RemoteSigner(server.url, ADDRESS, identifier(KEY), client=client, timeout_s=5)
    assert await signer.sign(transaction) == await LocalSigner(KEY).sign(transaction)


@pytest.mark.parametrize(("v_from", "upper_s"), [(0, False), (27, True), (0, True)])
async def test_other_forms_of_the_same_signature_are_put_right(
    server: Web3Signer, client: httpx.AsyncClient, v_from: int, upper_s: bool
) -> None:
    server.v_from, server.upper_s = v_from, upper_s
    signer = await connect_signer(server.url, ADDRESS, client=client)
    assert await signer.sign(TRANSACTION) == await LocalSigner(KEY).sign(TRANSACTION)


@pytest.mark.parametrize("body", [None, b"", b"0x", b"0x" + b"00" * 65, b"0x" + b"zz" * 65, b"\xff" * 130])
async def test_a_signature_that_is_not_the_accounts_is_not_used(
    server: Web3Signer, client: httpx.AsyncClient, body: bytes | None
) -> None:
    signer = await connect_signer(server.url, ADDRESS, client=client)
    server.signs_with, server.body = OTHER, body
    with pytest.raises(
        OperatingError, match=r"answered with a signature that is not 0x.*'s of this transact"
    ):
        await signer.sign(TRANSACTION)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, None, "HTTP 404, it does not know the key"),
        (500, None, "HTTP 500"),
        (302, None, "HTTP 302"),
        (200, b"0" * 5000, "its answer is too long"),
        (200, b"0" * 20_000_000, "its answer is too long"),
    ],
)
async def test_a_signer_in_trouble_is_named(
    server: Web3Signer, client: httpx.AsyncClient, status: int, body: bytes | None, words: str
) -> None:
    signer = await connect_signer(server.url, ADDRESS, client=client)
    server.status, server.body = status, body
    with pytest.raises(OperatingError, match=f"remote signer {server.url}: {words}"):
        await signer.sign(TRANSACTION)


async def test_a_signer_that_is_slow_is_not_waited_for(server: Web3Signer, client: httpx.AsyncClient) -> None:
    signer = await connect_signer(server.url, ADDRESS, client=client)
    slow = RemoteSigner(server.url, ADDRESS, identifier(KEY), client=client, timeout_s=0.05)
    server.slow_s = 0.5
    with pytest.raises(OperatingError, match=r"no answer within 0\.05 s"):
        await slow.sign(TRANSACTION)
    assert signer.address == slow.address


@pytest.mark.parametrize(
    ("server_has", "problem"),
    [
        ({"keys": [OTHER]}, "it holds 1 keys, none of 0x"),
        ({"keys": []}, "it holds 0 keys"),
        ({"status": 500}, "HTTP 500; check the address, and that web3signer runs in eth1 mode"),
        ({"body": b"<html>"}, "it lists no public keys"),
        ({"body": b"{}"}, "it lists no public keys"),
        ({"body": b"[" * 100_000}, "it lists no public keys"),
        ({"body": b'[null, 3, "0xzz", "0x04"]'}, "it holds 4 keys, none of 0x"),
    ],
)
@pytest.mark.usefixtures("recursion_limit_of_py_ecc")
async def test_a_server_without_the_key_is_refused_at_start(
    server: Web3Signer, client: httpx.AsyncClient, server_has: dict[str, Any], problem: str
) -> None:
    for name, value in server_has.items():
        setattr(server, name, value)
    with pytest.raises(InputError, match=f"remote_signer.url = .*{problem}"):
        await connect_signer(server.url, ADDRESS, client=client)


async def test_secrets_are_shown_nowhere(client: httpx.AsyncClient) -> None:
    url = "http://user:secret@127.0.0.1:1"
    with pytest.raises(InputError) as caught:
        await connect_signer(url, ADDRESS, client=client)
    shown = str(caught.value) + repr(RemoteSigner(url, ADDRESS, "0x", client=client, timeout_s=1))
    assert "secret" not in shown
    assert "ConnectError" in shown


async def test_the_whole_key_with_its_first_byte_is_the_same_key(
    server: Web3Signer, client: httpx.AsyncClient
) -> None:
    server.body = json.dumps(["0x04" + identifier(KEY)[2:]]).encode()
    assert (await connect_signer(server.url, ADDRESS, client=client)).address == ADDRESS
