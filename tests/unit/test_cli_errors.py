"""One line and a status for what an operator can mend; a traceback for what is a bug."""

from __future__ import annotations

import click
import pytest
import trio
from click.testing import CliRunner, Result

from ocr_peer.cli import main
from ocr_peer.cli.lazy import LazyCommand, LazyGroup
from ocr_peer.errors import InputError, InvariantError, OperatingError

WRONG = InputError("node.toml:3: f", "7", "too large", "set at most 6")
FAILED = OperatingError("the disk\nfailed")


def run_raising(error: BaseException) -> Result:
    @click.command("fail")
    def fail() -> None:
        raise error

    class Failing(LazyGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return fail

    group = Failing(name="ocr-peer", lazy_commands=[LazyCommand("fail", "Fail.")], default="fail")
    return CliRunner().invoke(group, [])


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (WRONG, ["node.toml:3: f = 7: too large; set at most 6"]),
        (FAILED, ["the disk failed"]),
        (ExceptionGroup("", [ExceptionGroup("", [WRONG])]), ["node.toml:3: f = 7: too large; set at most 6"]),
        (ExceptionGroup("", [FAILED, WRONG, FAILED]), ["the disk failed", str(WRONG)]),
        (
            ExceptionGroup("", [OperatingError(f"e{i}") for i in range(9)]),
            ["e0", "e1", "e2", "e3", "e4", "and 4 more"],
        ),
        (click.ClickException("Cannot open."), ["cannot open"]),
        (
            ModuleNotFoundError("no", name="hypercorn.trio"),
            ["hypercorn is not installed; run pip install 'ocr-peer[demo]'"],
        ),
    ],
)
def test_what_an_operator_can_mend_is_a_line_and_status_2(error: Exception, lines: list[str]) -> None:
    result = run_raising(error)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [f"ocr-peer: error: {line}" for line in lines]
    assert result.stdout == ""


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        BaseExceptionGroup("", [KeyboardInterrupt()]),
        BaseExceptionGroup("", [KeyboardInterrupt(), FAILED]),
        click.Abort(),
    ],
)
def test_an_interrupt_is_status_130_without_a_message(error: BaseException) -> None:
    result = run_raising(error)
    assert result.exit_code == 130
    assert result.output.strip() == ""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bug"),
        InvariantError("broken"),
        ExceptionGroup("", [WRONG, ValueError("bug")]),
        ModuleNotFoundError("no", name="ocr_peer.gone"),
        EOFError("not the end of a prompt's input"),
    ],
)
def test_a_bug_keeps_its_traceback(error: BaseException) -> None:
    result = run_raising(error)
    assert result.exception is error


def test_an_interrupt_does_not_hide_a_bug() -> None:
    error = BaseExceptionGroup("", [KeyboardInterrupt(), ValueError("bug")])
    with pytest.raises(BaseExceptionGroup) as caught:
        run_raising(error)
    assert caught.value is error


def test_the_errors_of_a_real_nursery_become_one_line() -> None:
    async def refuse() -> None:
        raise WRONG

    async def node() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(refuse)

    with pytest.raises(ExceptionGroup) as caught:
        trio.run(node)
    assert run_raising(caught.value).stderr == f"ocr-peer: error: {WRONG}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "rnu: no such command; did you mean run?"),
        (["frobnicate"], "frobnicate: no such command; see `ocr-peer --help`"),
        (["keys", "shwo"], "shwo: no such command; did you mean show?"),
        (["init", "--derictory", "x"], "--derictory: no such option; did you mean --directory?"),
        (["version", "--zzz"], "--zzz: no such option; see `ocr-peer version --help`"),
        (["version", "x"], "got unexpected extra argument (x); see `ocr-peer version --help`"),
        (["init", "--kdf", "x"], "invalid value for '--kdf': 'x' is not one of 'standard', 'light'; see `"),
    ],
)
def test_wrong_usage_is_a_line_and_status_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments, prog_name="ocr-peer")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"ocr-peer: error: {message}")
    assert result.stderr.count("\n") == 1


def test_a_group_without_a_command_shows_its_help() -> None:
    result = CliRunner().invoke(main, ["keys"])
    assert result.exit_code == 2
    assert "Commands:" in result.stderr
