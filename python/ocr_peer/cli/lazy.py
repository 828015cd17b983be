"""A command group that knows names and summaries, and imports a command's module when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from ocr_peer.cli.errors import exit_on_error

__all__ = ["LazyCommand", "LazyGroup"]

_PACKAGE = "ocr_peer.cli"


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that the module `ocr_peer.cli.<name>` defines, as `command`."""

    name: str
    summary: str
    """One sentence for the list of commands."""


class LazyGroup(click.Group):
    """Options without a command go to the default command; errors become one line and an exit status."""

    def __init__(self, *, lazy_commands: Sequence[LazyCommand], default: str, **attributes: Any) -> None:
        """Take the commands in the order of help, and the name of the one that runs when none is named."""
        super().__init__(**attributes)
        self.no_args_is_help = False
        self._lazy = {command.name: command for command in lazy_commands}
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of help."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; `None` for an unknown name."""
        if cmd_name not in self._lazy:
            return None
        command = importlib.import_module(f"{_PACKAGE}.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{_PACKAGE}.{cmd_name}.command is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begins with; an unknown one is told with the nearest known."""
        if args[0] not in self._lazy and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self._lazy, ctx=ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of what names none."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if not args or (args[0].startswith("-") and args[0] not in own):
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in self._lazy.values()])

    # click declares overloads by standalone_mode; one signature serves both.
    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; see `ocr_peer.cli.errors` for what becomes of exceptions."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        with exit_on_error():
            status = super().main(args, prog_name, standalone_mode=False, **extra)
        sys.exit(status if isinstance(status, int) else 0)
