"""What the command line calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from ocr_peer.devnet.options import DevnetOptions
from ocr_peer.errors import OperatingError
from ocr_peer.runtime.signals import run_until_signal

__all__ = ["run_devnet"]

OPTIONAL = {"ocr_devnet", "starlette", "hypercorn"}


def run_devnet(
    options: DevnetOptions,
    *,
    host: str = "127.0.0.1",
    port: int = 8545,
    block_time: float | None = 1.0,
    state: Path | None = None,
    state_every: int = 100,
    announce: Callable[[str], object] = print,
) -> None:
    """Run a development chain in the foreground until SIGINT (Ctrl+C) or SIGTERM.

    Args:
        options: what the chain starts from.
        host: a loopback address.
        port: TCP port; 0 takes a free one.
        block_time: seconds between blocks; `None` mines on request only.
        state: a file to go on from, if it is there, and to keep the chain in.
        state_every: blocks and transactions after which it is written again.
        announce: gets each line for the person at the terminal.

    Raises:
        OperatingError: a package is not installed, an argument is wrong, the port is taken, or the state file
            cannot be used.
    """
    try:
        from ocr_peer.devnet.server import serve_devnet  # noqa: PLC0415  needs packages that may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        raise OperatingError(f"{error.name} is not installed: run pip install 'ocr-peer[demo]'") from None

    kept = "nothing is kept" if state is None else f"kept in {state}"
    goes_on = state is not None and state.exists()

    class Announcer:
        def started(self, url: str | None = None) -> None:
            announce(f"Development chain {options.chain_id} at {url} (this machine only, {kept})")
            rhythm = "on request" if block_time is None else f"every {block_time:g} s"
            accounts = f"{len(options.accounts)} funded account(s)"
            if goes_on:
                accounts = "it goes on where it was, accounts included"
            announce(f"Blocks {rhythm}; {accounts}. Ctrl+C ends it.")

    serve = partial(
        serve_devnet,
        options,
        host=host,
        port=port,
        block_time=block_time,
        state=state,
        state_every=state_every,
        task_status=Announcer(),
    )
    if trio.run(run_until_signal, serve) is not None:
        announce("The chain is gone." if state is None else f"The chain is in {state}.")
