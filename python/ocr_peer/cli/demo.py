"""`ocr-peer demo`: a whole committee on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ocr_peer.cli.errors import EXIT_INTERRUPTED

__all__ = ["command"]


@click.command("demo")
@click.option("--oracles", type=int, default=4, show_default=True, help="4 to 31.")
@click.option("--rounds", type=int, default=None, help="End after so many answers on chain.")
@click.option("--seconds", type=float, default=None, help="End after so many seconds.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides keys and prices.")
@click.option("--json", "json_lines", is_flag=True, help="Print events as JSON lines, a summary last.")
@click.option("--ui/--no-ui", default=True, help="Live view, where standard output is a terminal.")
@click.option("--kill-leader", is_flag=True, help="kill -9 a leader; it starts again after 10 s.")
@click.option(
    "--kill-transmitter", is_flag=True, help="kill -9 a designated transmitter; it starts again after 10 s."
)
@click.option("--lying-source", is_flag=True, help="Make all sources of f oracles lie.")
@click.option("--unique-reports", is_flag=True, help="At most one final report per round.")
@click.option(
    "--contract",
    type=click.Choice(["A", "B"], case_sensitive=False),
    default="A",
    show_default=True,
    help="Aggregator A speaks OCR2, B takes packed reports for less gas.",
)
@click.option(
    "--directory", type=click.Path(path_type=Path), default=None, help="Keep the nodes' folders here."
)
def command(**options: Any) -> None:
    """Run a committee of real nodes on a development chain: without end, or with --rounds or --seconds.

    Exit status 0 means that every answer on chain was the median of its report's observations, signed by a
    quorum, as read back by code that shares nothing with the node.
    """
    import trio

    from ocr_peer.demo.options import DemoOptions
    from ocr_peer.node.logs import configure_logging

    chosen = DemoOptions(**options)
    chosen.check()
    configure_logging("error", json_lines=False)

    from ocr_peer.demo.run import run_demo

    status, interrupted = trio.run(run_demo, chosen)
    sys.exit(EXIT_INTERRUPTED if interrupted and status == 0 else status)
