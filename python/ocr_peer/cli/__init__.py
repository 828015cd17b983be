"""The command line. Each command's module is imported only when it is called, so that help comes at once."""

from __future__ import annotations

import click

from ocr_peer.cli.lazy import LazyCommand, LazyGroup

__all__ = ["main"]

_COMMANDS = (
    LazyCommand("run", "Run the node of a node.toml (the default command)."),
    LazyCommand("bootstrap", "Introduce a committee's nodes to each other."),
    LazyCommand("init", "Create node.toml, feed.toml and keys in a folder."),
    LazyCommand("keys", "Show the public parts of this node's keys, export and check identity files."),
    LazyCommand("contract", "Deploy, configure and show the aggregator contract of a feed."),
    LazyCommand("evidence", "Show, or check, proofs that an oracle signed twice."),
    LazyCommand("demo", "Run a whole committee on this machine, on a chain of its own."),
    LazyCommand("devnet", "Run a development chain on this machine."),
    LazyCommand("conformance", "Run golden vectors against this implementation."),
    LazyCommand("sim", "Run simulated committees with faults, decided by a seed."),
    LazyCommand("bench", "Measure the hot paths on this machine."),
    LazyCommand("version", "Show the versions of this program and of what it runs on."),
)


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from ocr_peer.cli.version import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy_commands=_COMMANDS,
    default="run",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions and exit.",
)
def main() -> None:
    """An independent node for Offchain Reporting.

    `ocr-peer --config node.toml` is short for `ocr-peer run --config node.toml`; with nothing at all,
    node.toml in the current folder is run.

    Exit status: 0 done, 1 a check failed or a bug in this program, 2 wrong input or failing surroundings,
    130 interrupted.
    """
