"""The one place where exceptions become a line on standard error and an exit status.

A wrong input or failing surroundings are no bug: one line, no traceback, status 2. Interrupted: status 130.
Everything else is a bug in this program: it keeps its traceback and ends with Python's status 1.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

import click

from ocr_peer.errors import OperatingError

__all__ = ["EXIT_INTERRUPTED", "EXIT_OPERATING", "exit_on_error"]

EXIT_OPERATING = 2
EXIT_INTERRUPTED = 130

_MOST_LINES = 5
"""A node of many feeds can meet the same trouble in each; the first few say it."""

_EXTRAS = {"ocr_devnet": "demo", "hypercorn": "demo", "starlette": "demo"}
"""Packages that come with an extra of this one."""


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn what the body raises into `SystemExit`, or let it pass if it is a bug.

    Exception groups count as what is in them: operating errors alone make status 2, together with a
    keyboard interrupt they make 130, and with anything else the group passes as it is.
    """
    try:
        yield
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(EXIT_OPERATING)
    except click.ClickException as error:
        _say([_usage_line(error)])
        sys.exit(EXIT_OPERATING)
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError):
            raise error.__cause__ from None  # click takes any EOFError for the end of a prompt's input
        sys.exit(EXIT_INTERRUPTED)
    except BaseException as error:
        leaves = _leaves(error)
        lines = [line for line in map(_operating_line, leaves) if line is not None]
        interrupts = sum(isinstance(leaf, KeyboardInterrupt) for leaf in leaves)
        if len(lines) + interrupts < len(leaves):
            raise
        if interrupts:
            sys.exit(EXIT_INTERRUPTED)
        _say(list(dict.fromkeys(lines)))
        sys.exit(EXIT_OPERATING)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _operating_line(error: BaseException) -> str | None:
    if isinstance(error, OperatingError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package in _EXTRAS:
            return f"{package} is not installed; run pip install 'ocr-peer[{_EXTRAS[package]}]'"
    return None


def _usage_line(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    fix = f"; see `{context.command_path} --help`" if context is not None else ""
    match error:
        case click.exceptions.NoSuchOption(option_name=name, possibilities=nearest):
            return f"{name}: no such option" + (f"; did you mean {nearest[0]}?" if nearest else fix)
        case click.exceptions.NoSuchCommand(command_name=name, possibilities=nearest):
            return f"{name}: no such command" + (f"; did you mean {nearest[0]}?" if nearest else fix)
        case _:
            message = error.format_message()
            return message[:1].lower() + message[1:].rstrip(".") + fix


def _say(lines: Sequence[str]) -> None:
    shown = [" ".join(line.split()) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"and {len(lines) - _MOST_LINES} more")
    for line in shown:
        click.echo(f"ocr-peer: error: {line}", err=True)
