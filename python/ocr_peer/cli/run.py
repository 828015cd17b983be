"""`ocr-peer run`: the node."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from ocr_peer.cli.errors import EXIT_INTERRUPTED

__all__ = ["command"]


@click.command("run")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="The node's settings; `ocr-peer init` writes them.",
)
@click.option(
    "--bootstrap",
    multiple=True,
    help="Multiaddress or 12D3KooW…@host:port of a bootstrap node, in place of those of jobs and settings; "
    "repeatable.",
)
def command(config: Path, bootstrap: tuple[str, ...]) -> None:
    """Run the jobs of a node.toml until SIGINT (Ctrl-C) or SIGTERM."""
    from functools import partial

    import trio

    from ocr_peer.errors import InputError
    from ocr_peer.node.logs import configure_logging
    from ocr_peer.runtime.signals import run_until_signal
    from ocr_peer.settings import load_settings
    from ocr_peer.settings.values import ValueSyntaxError, read_bootstrapper

    settings = load_settings(config)
    addresses = []
    for text in bootstrap:
        try:
            addresses.append(read_bootstrapper(text))
        except ValueSyntaxError as error:
            raise InputError("--bootstrap", text, error.problem, error.fix) from None
    configure_logging(settings.log.level, json_lines=settings.log.json_console)

    from ocr_peer.node.composition import run_node

    if trio.run(run_until_signal, partial(run_node, settings, addresses)) is signal.SIGINT:
        sys.exit(EXIT_INTERRUPTED)
