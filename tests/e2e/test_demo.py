"""The main job on real parts: processes, libp2p, HTTP sources, SQLite, an EVM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demo_process import COMMAND, DemoRun, run_demo


@pytest.fixture(scope="module")
def quiet() -> DemoRun:
    """A committee of four without faults."""
    return run_demo("--rounds", "5", "--oracles", "4")


@pytest.fixture(scope="module")
def stormy() -> DemoRun:
    """A committee of seven through every fault that the demo can cause."""
    return run_demo(
        "--rounds", "8", "--oracles", "7", "--kill-leader", "--kill-transmitter", "--lying-source"
    )


def test_the_demo_ends_well(quiet: DemoRun) -> None:
    assert quiet.status == 0, quiet.stderr
    summary = quiet.summary
    assert summary["event"] == "summary"
    assert (summary["oracles"], summary["aggregator"]) == (4, "A")
    assert summary["answers"] >= 5
    assert summary["median_mismatches"] == 0
    assert summary["rounds_per_s"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert summary["gas_per_answer"] > 21_000
    assert summary["rss_mb"] > 0


def test_every_answer_is_the_median_of_its_reports_observations(quiet: DemoRun) -> None:
    answers = quiet.of("answer")
    assert len(answers) == quiet.summary["answers"]
    for answer in answers:
        assert answer["answer"] == answer["median"]
        assert not answer["problems"]
        assert len(answer["observers"]) >= 3
        assert len(set(answer["signers"])) == 2
    assert [answer["round_id"] for answer in answers] == list(range(1, len(answers) + 1))


def test_oracles_agree_on_leaders(quiet: DemoRun) -> None:
    leaders: dict[int, set[int]] = {}
    for event in quiet.of("epoch_entered"):
        leaders.setdefault(event["epoch"], set()).add(event["leader"])
    assert leaders
    assert all(len(told) == 1 for told in leaders.values())


def test_every_oracle_finalizes_by_itself(quiet: DemoRun) -> None:
    finalized: dict[tuple[int, int], set[int]] = {}
    for event in quiet.of("finalized"):
        finalized.setdefault((event["epoch"], event["round"]), set()).add(event["oracle"])
    assert sum(oracles == {0, 1, 2, 3} for oracles in finalized.values()) >= 3


def test_a_killed_leader_is_replaced_and_comes_back(stormy: DemoRun) -> None:
    assert stormy.status == 0, stormy.stderr
    (survived,) = stormy.of("leader_survived")
    assert survived["seconds_to_answer"] < 60
    assert survived["killed"] in [event["oracle"] for event in stormy.of("returned")]


def test_a_killed_transmitter_is_replaced_and_comes_back(stormy: DemoRun) -> None:
    (survived,) = stormy.of("transmitter_survived")
    assert survived["transmitter"] != survived["killed"]
    assert survived["killed"] in [event["oracle"] for event in stormy.of("returned")]


def test_the_second_kill_waits_for_the_first_oracles_return(stormy: DemoRun) -> None:
    order = [event["event"] for event in stormy.events if event["event"] in ("kill", "returned")]
    assert order == ["kill", "returned", "kill", "returned"]


def test_lying_sources_do_not_move_the_answer(stormy: DemoRun) -> None:
    (survived,) = stormy.of("lie_survived")
    assert survived["answers"] >= 3
    assert not stormy.of("problem")
    assert stormy.summary["median_mismatches"] == 0


def test_the_demo_runs_on_aggregator_b() -> None:
    run = run_demo("--rounds", "5", "--contract", "b", "--unique-reports", "--kill-leader")
    assert run.status == 0, run.stderr
    assert run.summary["aggregator"] == "B"
    (feed,) = run.of("feed")
    assert feed["aggregator"] == "B"
    assert run.summary["answers"] >= 5
    assert run.summary["median_mismatches"] == run.summary["problems"] == 0
    assert 60_000 < run.summary["gas_per_answer"] < 90_000
    assert len(run.of("leader_survived")) == 1


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(
        [COMMAND, "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert demo.stdout is not None
    url = ""
    for line in demo.stdout:
        event: dict[str, Any] = json.loads(line)
        url = event.get("url", url)
        if event["event"] == "oracle_up":
            break
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, err
    assert json.loads(out.splitlines()[-1])["event"] == "summary"
    assert list(tmp_path.iterdir()) == []
    assert url
    assert not processes_that_mention(str(tmp_path))


def processes_that_mention(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if text in str(entry.readlink()):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--oracles", "3"], "--oracles = 3"),
        (["--oracles", "32"], "--oracles = 32"),
        (["--rounds", "0"], "--rounds = 0"),
        (["--seconds", "-1"], "--seconds = -1"),
        (["--oracels", "4"], "--oracels"),
        (["--contract", "C"], "--contract"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], named: str) -> None:
    done = subprocess.run([COMMAND, "demo", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tempfile.gettempdir() not in done.stderr
