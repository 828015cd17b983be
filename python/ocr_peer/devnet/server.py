"""A served chain: its endpoint, its clock and its file."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from ocr_devnet import Devnet
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from ocr_peer.devnet.endpoint import MAX_BODY, Endpoint
from ocr_peer.devnet.guard import LocalOnly
from ocr_peer.devnet.listener import listen, serve_connections
from ocr_peer.devnet.options import DevnetOptions, check_loopback
from ocr_peer.devnet.state_file import EVERY, FIELD, StateFile, hold_state, keep_state
from ocr_peer.errors import InputError

if TYPE_CHECKING:
    # libp2p brings stubs that hide trio's own annotations.
    from trio_typing import TaskStatus

__all__ = ["mine_on_interval", "open_devnet", "serve_devnet"]


def open_devnet(options: DevnetOptions, file: StateFile | None = None) -> Devnet:
    """A new chain, or the one in `file`.

    Raises:
        InputError: an option is out of bounds, or the file cannot be used; it is as it was.
    """
    state = None if file is None else file.read()
    try:
        return Devnet(
            options.chain_id,
            dict(options.accounts),
            block_gas_limit=options.block_gas_limit,
            base_fee=options.base_fee,
            finality_depth=options.finality_depth,
            automine=options.automine,
            legacy=options.legacy,
            history=options.history,
            pool_limit=options.pool_limit,
            state=state,
        )
    except (ValueError, OverflowError) as error:
        if file is None or state is None:
            raise InputError("devnet", options, str(error), "choose a value within the bounds") from None
        fix = "name another file, or start the chain as it was started before"
        raise InputError(FIELD, str(file.path), str(error), fix) from None


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
    state: Path | None = None,
    state_every: int = EVERY,
    task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a chain and its JSON-RPC endpoint (HTTP and WebSocket) on this machine until cancelled.

    Args:
        options: what the chain starts from.
        host: a loopback address; anything else is refused.
        port: TCP port; 0 takes a free one.
        block_time: seconds between blocks; `None` mines on request only.
        state: a file to go on from, if it is there, and to keep the chain in.
        state_every: blocks and transactions after which it is written again.
        task_status: gets the endpoint's URL as soon as it answers.

    Raises:
        InputError: an argument is out of bounds, not a loopback address, or a state file that cannot be used.
        OperatingError: the port cannot be had, or the state could not be written at the end.
    """
    check_loopback(host)
    if block_time is not None and not 0.001 <= block_time <= 86_400:
        raise InputError("block_time", block_time, "out of bounds", "use 0.001 to 86400 seconds")
    with hold_state(state, state_every) as file:
        endpoint = Endpoint(await trio.to_thread.run_sync(open_devnet, options, file))
        endpoint.devnet.block_time = block_time
        routes = [
            Route("/", endpoint.handle, methods=["POST"]),
            WebSocketRoute("/", endpoint.converse),
        ]
        app = Starlette(routes=routes, middleware=[Middleware(LocalOnly)])
        with listen(host, port) as listener:
            async with trio.open_nursery() as nursery:
                if file is not None:
                    nursery.start_soon(keep_state, endpoint, file)
                nursery.start_soon(partial(serve_connections, app, listener, max_message=MAX_BODY))
                nursery.start_soon(mine_on_interval, endpoint)
                task_status.started(_url(listener))


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
