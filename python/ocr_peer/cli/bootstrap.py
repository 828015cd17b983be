"""`ocr-peer bootstrap`: the node that introduces a committee's members to each other."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from ocr_peer.cli.errors import EXIT_INTERRUPTED

__all__ = ["command"]


@click.command("bootstrap")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="The node's settings. Its jobs are of type bootstrap; without jobs, any node may exchange addresses.",
)
def command(config: Path) -> None:
    """Introduce a committee's nodes to each other until SIGINT (Ctrl-C) or SIGTERM."""
    from functools import partial

    import structlog
    import trio

    from ocr_peer.node.logs import configure_logging
    from ocr_peer.runtime.signals import run_until_signal
    from ocr_peer.settings import load_settings

    settings = load_settings(config)
    configure_logging(settings.log.level, json_lines=settings.log.json_console)

    from ocr_peer.node.bootstrap import run_bootstrap

    def on_ready(addresses: tuple[str, ...]) -> None:
        structlog.get_logger(__name__).info("bootstrap ready", addresses=addresses)

    if trio.run(run_until_signal, partial(run_bootstrap, settings, on_ready)) is signal.SIGINT:
        sys.exit(EXIT_INTERRUPTED)
