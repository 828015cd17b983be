"""What the command line calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
    announce: Callable[[str], object] = print,
) -> None:
    """Run a development chain in the foreground until SIGINT (Ctrl+C) or SIGTERM.

    Args:
        options: what the chain starts from.
        host: a loopback address.
        port: TCP port; 0 takes a free one.
        block_time: seconds between blocks; `None` mines on request only.
        announce: gets each line for the person at the terminal.

    Raises:
        OperatingError: a package is not installed, an argument is wrong or the port is taken.
    """
    try:
        from ocr_peer.devnet.server import serve_devnet  # noqa: PLC0415  needs packages that may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        raise OperatingError(f"{error.name} is not installed: run pip install 'ocr-peer[demo]'") from None

    class Announcer:
        def started(self, url: str | None = None) -> None:
            announce(f"Development chain {options.chain_id} at {url} (this machine only, nothing is kept)")
            rhythm = "on request" if block_time is None else f"every {block_time:g} s"
            announce(f"Blocks {rhythm}; {len(options.accounts)} funded account(s). Ctrl+C ends it.")

    serve = partial(
        serve_devnet, options, host=host, port=port, block_time=block_time, task_status=Announcer()
    )
    if trio.run(run_until_signal, serve) is not None:
        announce("The chain is gone.")
