"""The chain's HTTP endpoint and its clock."""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from hypercorn.config import Config, Sockets
from hypercorn.trio import serve
from ocr_devnet import Devnet
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ocr_peer.devnet.options import DevnetOptions, check_loopback
from ocr_peer.errors import InputError, OperatingError

if TYPE_CHECKING:
    # libp2p brings stubs that hide trio\'s own annotations.
    from trio_typing import TaskStatus

__all__ = ["Endpoint", "mine_on_interval", "open_devnet", "serve_devnet"]

MAX_BODY = 1 << 20
# What may take longer than a millisecond goes to a thread; so does everything that looks big.
SLOW = (b"eth_estimateGas", b"eth_getLogs", b"evm_mine")
INLINE_BODY = 16 * 1024

T = TypeVar("T")
_log = logging.getLogger(__name__)


def open_devnet(options: DevnetOptions) -> Devnet:
    """A new chain.

    Raises:
        InputError: an option is out of bounds.
    """
    try:
        return Devnet(
            options.chain_id,
            dict(options.accounts),
            block_gas_limit=options.block_gas_limit,
            base_fee=options.base_fee,
            finality_depth=options.finality_depth,
            automine=options.automine,
        )
    except (ValueError, OverflowError) as error:
        raise InputError("devnet", options, str(error), "choose a value within the bounds") from None


class Endpoint:
    """Answers requests over one chain and tells the clock when one of them changed the interval."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.interval_changed = trio.Event()
        self._in_threads = 0

    async def in_thread(self, job: Callable[[], T]) -> T:
        """Run something on the chain that may take a while."""
        self._in_threads += 1
        try:
            return await trio.to_thread.run_sync(job)
        finally:
            self._in_threads -= 1

    async def answer(self, body: bytes) -> bytes:
        """The response body to a request body."""
        # Calls on the chain take turns: beside one in a thread, a quick one would hold up everything here.
        quick = not self._in_threads and len(body) <= INLINE_BODY and not any(name in body for name in SLOW)
        if quick and not self.devnet.automine:
            answer = self.devnet.rpc(body)
        else:
            answer = await self.in_thread(partial(self.devnet.rpc, body))
        if b"evm_setIntervalMining" in body:
            self.interval_changed.set()
            self.interval_changed = trio.Event()
        return answer

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


async def mine_on_interval(endpoint: Endpoint, clock: Callable[[], float] = time.time) -> None:
    """Mine a block every `devnet.block_time` seconds, also an empty one, until cancelled.

    Args:
        endpoint: the chain, and the news that the interval changed.
        clock: the wall clock that dates the blocks.
    """
    devnet = endpoint.devnet
    due = trio.current_time()
    while True:
        changed = endpoint.interval_changed
        # After a stall it goes on from now, without a burst of blocks.
        due = max(due + (devnet.block_time or math.inf), trio.current_time())
        with trio.move_on_at(due):
            await changed.wait()
        if changed.is_set():
            due = trio.current_time()
            continue
        await endpoint.in_thread(partial(devnet.mine, int(clock())))


async def serve_devnet(
    options: DevnetOptions,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    block_time: float | None = 1.0,
    task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a chain and its JSON-RPC endpoint on this machine until cancelled.

    Args:
        options: what the chain starts from.
        host: a loopback address; anything else is refused.
        port: TCP port; 0 takes a free one.
        block_time: seconds between blocks; `None` mines on request only.
        task_status: gets the endpoint's URL as soon as it answers.

    Raises:
        InputError: an argument is out of bounds, or not a loopback address.
        OperatingError: the port cannot be had.
    """
    check_loopback(host)
    if block_time is not None and not 0.001 <= block_time <= 86_400:
        raise InputError("block_time", block_time, "out of bounds", "use 0.001 to 86400 seconds")
    endpoint = Endpoint(open_devnet(options))
    endpoint.devnet.block_time = block_time
    # Closed here in any case: Hypercorn does it only once it accepts connections.
    with _listen(host, port) as listener:
        config = _Config(listener)
        app = Starlette(routes=[Route("/", endpoint.handle, methods=["POST"])])
        async with trio.open_nursery() as nursery:
            await nursery.start(_serve, app, config)
            nursery.start_soon(mine_on_interval, endpoint)
            task_status.started(_url(listener))


class _Config(Config):
    """Hypercorn's settings for one socket that is there already."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__()
        self.listener = listener
        self.errorlog = _log
        self.accesslog = None
        self.graceful_timeout = 0.5

    def create_sockets(self) -> Sockets:
        return Sockets(secure_sockets=[], insecure_sockets=[self.listener], quic_sockets=[])


async def _serve(app: Any, config: Config, *, task_status: TaskStatus[list[str]]) -> None:
    await serve(app, config, task_status=task_status)
    # Hypercorn ends by itself only when Ctrl+C fell into its own code, and then keeps that to itself.
    raise KeyboardInterrupt


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OperatingError(f"cannot listen on {host} port {port}: {reason}; choose another port") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
