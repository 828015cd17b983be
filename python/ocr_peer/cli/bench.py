"""`ocr-peer bench`: what the hot paths cost on this machine."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.group("bench")
def command() -> None:
    """Measure this machine."""


@command.command("crypto")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--pairs",
    type=click.IntRange(3, 10_000),
    default=60,
    show_default=True,
    help="Samples of each side of a comparison.",
)
def crypto(as_json: bool, pairs: int) -> None:
    """Compare the native hot paths with the fastest Python packages, and with the bare primitives.

    Both sides of a row run in turns, so that they meet the same noise; a row tells how many times longer the
    other side takes. The packages to compare with come with `pip install 'ocr-peer[bench]'`.
    """
    import json

    from ocr_peer.errors import OperatingError

    try:
        from ocr_peer.bench.crypto import crypto_rows, measure
        from ocr_peer.bench.output import as_object, machine, table_lines
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "ocr_peer":
            raise
        raise OperatingError(
            f"bench crypto: the packages to compare with are missing ({error.name}): "
            "pip install 'ocr-peer[bench]'"
        ) from None
    rows = list(crypto_rows())
    measured = []
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=len(rows), label="measuring", file=sys.stderr, hidden=hidden) as progress:
        for row in rows:
            measured.append((row, measure(row, pairs=pairs)))
            progress.update(1)
    if as_json:
        click.echo(json.dumps(as_object(measured), indent=2, ensure_ascii=False))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in machine().items()))
    for line in table_lines(measured):
        click.echo(line)
