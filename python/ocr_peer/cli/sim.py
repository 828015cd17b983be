"""`ocr-peer sim`: a committee in virtual time, with faults, from one integer."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocr_peer.errors import InputError, OperatingError

if TYPE_CHECKING:
    from ocr_peer.simulation.run import Outcome, Scenario

__all__ = ["collect_rarely", "command"]

EXIT_VIOLATION = 1
"""A broken invariant is a bug in this program."""


@click.command("sim")
@click.option("--oracles", type=click.IntRange(1, 31), default=4, show_default=True, help="n.")
@click.option("--f", "faulty", type=click.IntRange(0, 10), default=None, help="[default: ⌊(n-1)/3⌋]")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides everything.")
@click.option("--seeds", metavar="A..B", default=None, help="Run every seed from A to B.")
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--faults",
    "fault_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Faults of a TOML file instead of the seed's; docs/simulator.md.",
)
@click.option("--no-faults", is_flag=True, help="Nothing goes wrong.")
@click.option("--fast", is_flag=True, help="Keyed fakes for signatures: same verdicts, several times faster.")
@click.option("--unique", is_flag=True, help="Quorum ⌊(n+f)/2⌋+1: at most one final report per round.")
@click.option(
    "--contract",
    type=click.Choice(["A", "B"], case_sensitive=False),
    default="A",
    show_default=True,
    help="Whose reports: B's are packed.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes for --seeds."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per seed, a summary last.")
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Draw the trace here."
)
def command(**options: Any) -> None:
    """Run simulated committees and check every invariant after every step.

    Exit status 0: all runs held; 1: an invariant broke. The failing seed is then shrunk and drawn.
    """
    from ocr_peer.protocol.config import ReportFormat
    from ocr_peer.simulation.run import Scenario

    collect_rarely()
    seeds = _seeds(options["seeds"], options["seed"])
    scenario = Scenario(
        seed=seeds[0],
        n=options["oracles"],
        f=options["faulty"],
        rounds=options["rounds"],
        plan=_plan(options),
        fast=options["fast"],
        unique=options["unique"],
        report_format=ReportFormat.PACKED if options["contract"] == "B" else ReportFormat.OCR2,
    )
    keep = len(seeds) == 1 and options["svg"] is not None
    began = time.perf_counter()
    failures: list[Outcome] = []
    totals = {"seeds": 0, "rounds": 0, "accepted": 0, "steps": 0}
    for outcome in _outcomes(scenario, seeds, options, keep_trace=keep):
        totals["seeds"] += 1
        totals["rounds"] += outcome.rounds
        totals["accepted"] += outcome.accepted
        totals["steps"] += outcome.steps
        if outcome.violation is not None:
            failures.append(outcome)
        if options["as_json"]:
            click.echo(json.dumps(_summary(outcome)))
        elif len(seeds) == 1:
            _tell(outcome)
        if keep:
            _draw(outcome, options["svg"])
    took = time.perf_counter() - began
    _tell_totals(totals, failures, took, as_json=options["as_json"])
    if failures:
        _explain(failures[0], options["svg"], as_json=options["as_json"])
        sys.exit(EXIT_VIOLATION)


def collect_rarely() -> None:
    """A run keeps most of what it makes until its end; looking for cycles all the time costs a tenth."""
    gc.set_threshold(50_000, 20, 100)


def _seeds(spans: str | None, seed: int) -> range:
    if spans is None:
        return range(seed, seed + 1)
    first, dots, last = spans.partition("..")
    if not dots or not first.isdigit() or not last.isdigit() or int(last) < int(first):
        raise InputError("--seeds", spans, "no range of seeds", "write one such as 1..10000")
    return range(int(first), int(last) + 1)


def _plan(options: dict[str, Any]) -> Any:
    from ocr_peer.simulation.fault_file import read_fault_file
    from ocr_peer.simulation.faults import FaultPlan, check_plan

    if options["no_faults"]:
        return FaultPlan()
    path: Path | None = options["fault_file"]
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatingError(f"--faults {path}: cannot be read: {error}") from None
    plan = read_fault_file(text)
    check_plan(plan, options["oracles"])
    return plan


def _outcomes(
    scenario: Scenario, seeds: range, options: dict[str, Any], *, keep_trace: bool
) -> Iterable[Outcome]:
    from ocr_peer.simulation.run import simulate

    quiet = options["as_json"] or not sys.stderr.isatty()
    if len(seeds) == 1:
        with click.progressbar(
            length=scenario.rounds, label="rounds", file=sys.stderr, hidden=quiet
        ) as rounds_bar:
            yield simulate(scenario, keep_trace=keep_trace, on_round=rounds_bar.update)
        return
    with click.progressbar(length=len(seeds), label="seeds", file=sys.stderr, hidden=quiet) as seeds_bar:
        for outcome in _each(scenario, seeds, options["jobs"]):
            seeds_bar.update(1)
            yield outcome


def _each(scenario: Scenario, seeds: range, jobs: int) -> Iterable[Outcome]:
    from dataclasses import replace

    from ocr_peer.simulation.run import simulate

    scenarios = (replace(scenario, seed=seed) for seed in seeds)
    if jobs == 1:
        yield from map(simulate, scenarios)
        return
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(jobs, collect_rarely) as pool:
        yield from pool.imap(simulate, scenarios, chunksize=8)


def _summary(outcome: Outcome) -> dict[str, Any]:
    violation = outcome.violation
    return {
        "seed": outcome.scenario.seed,
        "oracles": outcome.scenario.n,
        "f": outcome.scenario.faults_tolerated,
        "rounds": outcome.rounds,
        "accepted": outcome.accepted,
        "refused": outcome.refused,
        "epoch": outcome.epoch,
        "steps": outcome.steps,
        "messages": outcome.messages,
        "sent": outcome.sent,
        "peer_faults": outcome.peer_faults,
        "evidence": outcome.evidence,
        "crashes": outcome.crashes,
        "virtual_seconds": outcome.seconds,
        "trace": outcome.digest,
        "faults": [fault.describe() for fault in outcome.plan.faults],
        "violation": None
        if violation is None
        else {"invariant": violation.invariant, "text": str(violation)},
    }


def _tell(outcome: Outcome) -> None:
    for fault in outcome.plan.faults:
        click.echo(f"fault: {fault.describe()}")
    refused = ", ".join(f"{count} {reason}" for reason, count in outcome.refused.items()) or "none"
    click.echo(
        f"seed {outcome.scenario.seed}: {outcome.rounds} rounds final, {outcome.accepted} reports on chain, "
        f"refused: {refused}; epoch {outcome.epoch}, {outcome.messages} messages, {outcome.crashes} crashes, "
        f"{outcome.seconds:.1f} s of virtual time"
    )
    click.echo(f"trace {outcome.digest}")


def _tell_totals(totals: dict[str, int], failures: list[Outcome], took: float, *, as_json: bool) -> None:
    rate = totals["rounds"] / took
    if as_json:
        summary = {
            **totals,
            "failed": [failure.scenario.seed for failure in failures],
            "rounds_per_second": rate,
        }
        click.echo(json.dumps({"summary": summary}))
        return
    held = "every invariant held" if not failures else f"{len(failures)} of {totals['seeds']} seeds failed"
    click.echo(f"{held}; {totals['rounds']} rounds in {took:.2f} s, {rate:.0f} rounds/s")


def _explain(failure: Outcome, svg: Path | None, *, as_json: bool) -> None:
    from ocr_peer.simulation.drawing import sequence_text
    from ocr_peer.simulation.shrink import shrink

    click.echo(f"seed {failure.scenario.seed} breaks {failure.violation}", err=True)
    smallest = shrink(failure)
    if as_json:
        click.echo(json.dumps({"shrunk": _summary(smallest)}))
    else:
        click.echo(f"smallest failing run: {smallest.scenario.rounds} rounds, with")
        for fault in smallest.plan.faults:
            click.echo(f"  fault: {fault.describe()}")
        click.echo(sequence_text(smallest))
    path = svg or Path(f"sim-seed-{failure.scenario.seed}.svg")
    _draw(smallest, path)


def _draw(outcome: Outcome, path: Path) -> None:
    from ocr_peer.simulation.drawing import sequence_svg

    try:
        path.write_text(sequence_svg(outcome), encoding="utf-8")
    except OSError as error:
        raise OperatingError(f"--svg {path}: cannot be written: {error}") from None
    click.echo(f"drawn to {path}", err=True)
