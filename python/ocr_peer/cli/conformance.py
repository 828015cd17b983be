"""`ocr-peer conformance`: golden vectors against this implementation."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ocr_peer.conformance.suite import FileResult

__all__ = ["command"]

_EXIT_FAILED = 1


@click.command("conformance")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, a summary last.")
def command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Run golden vectors against this implementation. PATH is a file, or a folder of *.json files.

    The format is described in docs/conformance.md, so that other implementations can use it as well. A file of
    another kind is listed as unsupported.

    Exit status: 0 every case passed and there was at least one, 1 a case failed or none was run, 2 a file is
    malformed; the error names file, case and field.
    """
    import json

    from ocr_peer.conformance.output import file_object, summarise, table_lines
    from ocr_peer.conformance.suite import find_files

    results: list[FileResult] = []
    with contextlib.closing(_results(find_files(paths))) as running:
        for result in running:
            results.append(result)
            if as_json:
                click.echo(file_object(result))
    summary = summarise(results)
    if as_json:
        click.echo(json.dumps(summary.as_object()))
    else:
        for line in [*table_lines(results), summary.as_line()]:
            click.echo(line)
    _raise_errors(results)
    sys.exit(0 if summary.ok else _EXIT_FAILED)


def _results(files: Sequence[Path]) -> Generator[FileResult]:
    """Run the files, with a progress bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ocr_peer.conformance.suite import run_suite

    console = Console(stderr=True)
    columns = (TextColumn("running cases"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("cases", total=None)
        yield from run_suite(
            files,
            on_loaded=lambda count: progress.update(task, total=count),
            on_case=lambda: progress.advance(task),
        )


def _raise_errors(results: Sequence[FileResult]) -> None:
    errors = [result.error for result in results if result.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("malformed vector files", errors)
