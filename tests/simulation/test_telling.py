"""How faults are written down, and how a failure is shrunk, drawn and told on the command line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from ocr_peer.cli.sim import command
from ocr_peer.errors import InputError
from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.protocol.pacemaker import Pacemaker
from ocr_peer.simulation.drawing import sequence_svg, sequence_text
from ocr_peer.simulation.fault_file import read_fault_file
from ocr_peer.simulation.faults import Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.run import Scenario, simulate
from ocr_peer.simulation.shrink import shrink

LIARS = """
[[fault]]
what = "byzantine"
behaviour = "collude"
who = [0, 1]

[[fault]]
what = "loss"
who = [2]
from = 1
until = 5.5
probability = 0.2
messages = ["Observe", "Final"]
to = [3]

[[fault]]
what = "delay"
seconds = 0.25
until = 4
"""


def test_a_fault_file_says_who_when_what() -> None:
    plan = read_fault_file(LIARS)
    second = 1_000_000_000
    assert plan.faults == (
        Fault(FaultKind.BYZANTINE, (0, 1), behaviour=Behaviour.COLLUDE),
        Fault(FaultKind.LOSS, (2,), second, 5_500_000_000, 0.2, 0, ("Observe", "Final"), (3,)),  # type: ignore[arg-type]
        Fault(FaultKind.DELAY, (), stop=4 * second, amount=second // 4),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[fault]", "no TOML"),
        ("x = 1", "unknown key"),
        ("fault = 1", "not a list"),
        ("[[fault]]", "what"),
        ('[[fault]]\nwhat = "rain"', "reorg"),
        ('[[fault]]\nwhat = "loss"\nwhom = [1]', "whom"),
        ('[[fault]]\nwhat = "loss"\nwho = 1', "who"),
        ('[[fault]]\nwhat = "loss"\nprobability = 2', "probability"),
        ('[[fault]]\nwhat = "loss"\nfrom = 3\nuntil = 2', "until"),
        ('[[fault]]\nwhat = "loss"\nfrom = "now"', "from"),
        ('[[fault]]\nwhat = "loss"\nmessages = ["Hello"]', "NewEpoch"),
        ('[[fault]]\nwhat = "crash"\nseconds = 2', "count"),
        ('[[fault]]\nwhat = "crash"\ncount = 2.5', "whole number"),
        ('[[fault]]\nwhat = "byzantine"', "behaviour"),
        ('[[fault]]\nwhat = "loss"\nbehaviour = "lie"', "behaviour"),
    ],
)
def test_a_wrong_fault_file_is_told_in_one_line(text: str, names: str) -> None:
    with pytest.raises(InputError, match=names) as caught:
        read_fault_file(text)
    assert "\n" not in str(caught.value)


def test_a_failure_shrinks_to_its_cause() -> None:
    noise = tuple(Fault(FaultKind.DUPLICATE, (oracle,), amount=1, probability=0.3) for oracle in range(4))
    liars = Fault(FaultKind.BYZANTINE, (1, 2), behaviour=Behaviour.CERTIFY)
    plan = FaultPlan((*noise[:2], liars, *noise[2:]))
    failed = simulate(Scenario(seed=3, plan=plan, fast=True))
    smallest = shrink(failed)
    assert smallest.plan.faults == (liars,)
    assert smallest.scenario.rounds == 1
    assert smallest.violation is not None
    assert smallest.violation.invariant == "I2"
    assert smallest.digest == shrink(failed).digest


def test_shrinking_narrows_what_is_left() -> None:
    plan = FaultPlan(
        (
            Fault(FaultKind.LOSS, (0, 1, 2), probability=0.1, messages=("Observe", "NewEpoch")),
            Fault(FaultKind.DELAY, (1, 2, 3), stop=Duration(20 * SECOND), amount=SECOND, to=(0, 1)),
            Fault(FaultKind.BYZANTINE, (0, 1, 2), behaviour=Behaviour.COLLUDE),
            Fault(FaultKind.PAUSE, (3,), Duration(SECOND), Duration(20 * SECOND)),
        )
    )
    failed = next(
        outcome
        for seed in range(50)
        if (outcome := simulate(Scenario(seed=seed, n=7, plan=plan, fast=True, rounds=30))).violation
        is not None
        and outcome.violation.invariant == "I1"
    )
    attempts: list[None] = []
    smallest = shrink(failed, on_attempt=lambda: attempts.append(None))
    assert [fault.what for fault in smallest.plan.faults] == [FaultKind.BYZANTINE]
    assert smallest.scenario.rounds < 30
    assert len(smallest.entries) == smallest.trace_length
    assert len(attempts) <= 300


def test_shrinking_narrows_windows_and_oracles(monkeypatch: pytest.MonkeyPatch) -> None:
    def vulnerable(self: Pacemaker, now: int, effects: list[object]) -> None:
        if self._own_id == 2 and self._progress_deadline is not None and now >= self._progress_deadline:
            raise ZeroDivisionError
        original(self, now, effects)  # type: ignore[arg-type]

    # Oracle 2 breaks when a leader makes no progress: one long stretch of losses at all of them is too much.
    original = Pacemaker.on_time
    monkeypatch.setattr(Pacemaker, "on_time", vulnerable)
    long = Fault(
        FaultKind.LOSS,
        (0, 1, 2, 3),
        Duration(0),
        Duration(200 * SECOND),
        0.95,
        0,
        ("Observe", "Final", "Report"),
    )
    failed = simulate(Scenario(seed=1, plan=FaultPlan((long,)), fast=True))
    assert failed.violation is not None
    assert failed.violation.invariant == "I13"
    smallest = shrink(failed)
    assert smallest.violation is not None
    assert smallest.violation.invariant == "I13"
    (fault,) = smallest.plan.faults
    assert fault.stop - fault.start < 20 * SECOND
    assert len(fault.who) < 4
    assert len(fault.messages) == 1
    assert fault.probability == 1


def test_a_trace_is_drawn_as_text_and_as_svg() -> None:
    outcome = simulate(Scenario(seed=2, rounds=2, fast=True, plan=FaultPlan()), keep_trace=True)
    text = sequence_text(outcome, lines=1000)
    assert "ObserveReq 1/1" in text
    assert "FinalEcho 1/1" in text
    assert text.splitlines()[0].split()[:2] == ["seconds", "chain"]
    drawing = ET.fromstring(sequence_svg(outcome))
    assert drawing.tag.endswith("svg")
    assert len(list(drawing)) > 50


def test_the_command_runs_a_seed() -> None:
    result = CliRunner().invoke(command, ["--oracles", "7", "--seed", "1", "--rounds", "5", "--fast"])
    assert result.exit_code == 0, result.output
    assert "every invariant held" in result.output


def test_the_command_runs_many_seeds_as_json() -> None:
    result = CliRunner().invoke(command, ["--seeds", "1..6", "--rounds", "3", "--fast", "--json"])
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["seed"] for line in lines[:-1]] == [1, 2, 3, 4, 5, 6]
    assert lines[-1]["summary"]["failed"] == []
    assert result.exit_code == 0


def test_processes_find_what_one_finds() -> None:
    arguments = ["--seeds", "1..6", "--rounds", "3", "--fast", "--json"]
    alone = CliRunner().invoke(command, arguments).output.splitlines()[:-1]
    assert CliRunner().invoke(command, [*arguments, "--jobs", "2"]).output.splitlines()[:-1] == alone


def test_what_another_process_finds_is_told_as_well(tmp_path: Path) -> None:
    (tmp_path / "liars.toml").write_text(LIARS, encoding="utf-8")
    arguments = ["--faults", str(tmp_path / "liars.toml"), "--fast", "--seeds", "6..9"]
    alone = CliRunner().invoke(command, [*arguments, "--svg", str(tmp_path / "one.svg")])
    together = CliRunner().invoke(command, [*arguments, "--jobs", "2", "--svg", str(tmp_path / "two.svg")])
    assert alone.exit_code == together.exit_code == 1
    assert (tmp_path / "one.svg").read_text() == (tmp_path / "two.svg").read_text()


def test_a_failing_seed_is_named_shrunk_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "liars.toml").write_text(LIARS, encoding="utf-8")
    svg = tmp_path / "failure.svg"
    result = CliRunner().invoke(
        command, ["--faults", str(tmp_path / "liars.toml"), "--seed", "7", "--fast", "--svg", str(svg)]
    )
    assert result.exit_code == 1
    assert "seed 7 breaks I" in result.output
    assert "smallest failing run" in result.output
    assert ET.parse(svg).getroot().tag.endswith("svg")


def test_a_wrong_range_of_seeds_is_refused() -> None:
    result = CliRunner().invoke(command, ["--seeds", "5..1"])
    assert isinstance(result.exception, InputError)
