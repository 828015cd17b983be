"""The frame of the command line: the default command, help at once, versions."""

from __future__ import annotations

import subprocess
import sys
import types

import click
import pytest
from click.testing import CliRunner

from ocr_peer.cli import main
from ocr_peer.cli.lazy import LazyCommand, LazyGroup


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """What a stand-in for `ocr-peer run` was called with."""
    calls: list[tuple[str, tuple[str, ...]]] = []

    @click.command("run")
    @click.option("--config", default="node.toml")
    @click.option("--bootstrap", multiple=True)
    def run(config: str, bootstrap: tuple[str, ...]) -> None:
        calls.append((config, bootstrap))

    module = types.ModuleType("ocr_peer.cli.run")
    module.command = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ocr_peer.cli.run", module)
    return calls


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ([], ("node.toml", ())),
        (["run"], ("node.toml", ())),
        (["--bootstrap", "X", "--config", "c"], ("c", ("X",))),
        (["run", "--bootstrap", "X", "--config", "c"], ("c", ("X",))),
        (["--config=c"], ("c", ())),
    ],
)
def test_run_is_the_default_command(
    ran: list[tuple[str, tuple[str, ...]]], arguments: list[str], call: tuple[str, tuple[str, ...]]
) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert ran == [call]


@pytest.mark.usefixtures("ran")
def test_an_option_that_no_command_names_is_looked_for_in_run() -> None:
    result = CliRunner().invoke(main, ["--bootstrp", "X"], prog_name="ocr-peer")
    assert result.exit_code == 2
    assert result.stderr == "ocr-peer: error: --bootstrp: no such option; did you mean --bootstrap?\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(flag: str) -> None:
    result = CliRunner().invoke(main, [flag])
    assert result.exit_code == 0
    for name in ("run", "bootstrap", "init", "keys", "demo", "devnet", "version"):
        assert f"\n  {name} " in result.stdout


def test_versions_are_told() -> None:
    by_command, by_option = (CliRunner().invoke(main, [word]) for word in ("version", "--version"))
    assert by_command.stdout == by_option.stdout
    assert by_command.stdout.startswith("ocr-peer 0.")
    assert "libp2p 0." in by_command.stdout


def test_a_status_that_a_command_sets_is_kept() -> None:
    @click.command("five")
    @click.option("--directly", is_flag=True)
    @click.pass_context
    def five(ctx: click.Context, directly: bool) -> None:
        if directly:
            sys.exit(6)
        ctx.exit(5)

    class Group(LazyGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return five

    group = Group(name="g", lazy_commands=[LazyCommand("five", "Five.")], default="five")
    assert CliRunner().invoke(group, []).exit_code == 5
    assert CliRunner().invoke(group, ["--directly"]).exit_code == 6
    assert group.main([], standalone_mode=False) == 5


def test_a_module_without_a_command_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ocr_peer.cli.run", types.ModuleType("ocr_peer.cli.run"))
    assert isinstance(CliRunner().invoke(main, ["run"]).exception, AttributeError)


def test_help_imports_nothing_heavy() -> None:
    """Imports cost seconds; that none happens is what keeps help under 0.3 s on any machine."""
    script = (
        "import sys; from ocr_peer.cli import main\n"
        "try: main(['--help'], prog_name='ocr-peer')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'libp2p', 'eth_account', 'trio', 'httpx', 'pydantic', 'structlog', 'rich', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("Usage: ocr-peer ")
    assert ended.stderr == "[]\n"


def test_a_missing_node_toml_ends_a_real_process_with_one_line(tmp_path: object) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from ocr_peer.cli import main; main(prog_name='ocr-peer')", "keys", "show"],
        capture_output=True,
        text=True,
        check=False,
        cwd=str(tmp_path),
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    fix = "run `ocr-peer init` to create one, or name another with --config"
    assert ended.stderr == f"ocr-peer: error: config = node.toml: no such file; {fix}\n"
