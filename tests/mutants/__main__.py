"""`python -m tests.mutants`: change the core in one place at a time and see whether a test notices."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.mutants.equivalent import Equivalents
from tests.mutants.journal import Journal, Outcome, Result
from tests.mutants.operators import mutants_of
from tests.mutants.pool import TIMED_OUT, forked, preload
from tests.mutants.reach import STAGES, Reach, SuiteFailsError, suite_digest
from tests.mutants.session import import_mutated, run_selected
from tests.mutants.source import ROOT, Mutant, core_modules
from tests.mutants.verdict import verdict

WORK = ROOT / ".mutants"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not known yet; 0 if every mutant died or is explained."""
    options = _options(arguments)
    every = [mutant for module in core_modules() for mutant in mutants_of(module)]
    chosen = [
        mutant
        for mutant in every
        if (not options.module or mutant.module.name.startswith(tuple(options.module)))
        and (not options.mutant or mutant.name in options.mutant)
    ]
    if not chosen:
        print("no such mutant; --list shows all", file=sys.stderr)
        return 2
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}:{mutant.line}\t{mutant.edit.function}\t{mutant.edit.operator}")
            print(f"    - {mutant.original}\n    + {mutant.mutated}")
        return 0
    equivalents = Equivalents.load()
    WORK.mkdir(exist_ok=True)
    journal, suite = Journal(WORK / "results.jsonl"), f"{suite_digest()} {options.stages} {options.longest}"
    todo = [mutant for mutant in chosen if options.rerun or journal.find(mutant.key, suite) is None]
    try:
        _run(todo, journal, suite, options)
    except SuiteFailsError as failure:
        print(f"fails without a mutant: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the next run goes on from here", file=sys.stderr)
        return 130
    results = {m.key: result for m in chosen if (result := journal.find(m.key, suite)) is not None}
    report, code = verdict(chosen, results, equivalents, equivalents.stale(every))
    print(report)
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--module", action="append", help="protocol, median.config …; more than once for several"
    )
    parser.add_argument("--mutant", action="append", help="a single one by its name, protocol.leader#17")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument(
        "--longest", type=float, default=15.0, help="leave out tests above so many seconds (15)"
    )
    parser.add_argument(
        "--stages",
        type=int,
        choices=range(1, len(STAGES) + 1),
        default=len(STAGES),
        help="only so many stages of tests, to be quick (all)",
    )
    parser.add_argument("--list", action="store_true", help="show the mutants, run nothing")
    parser.add_argument("--rerun", action="store_true", help="run even those whose result is known")
    return parser.parse_args(arguments)


def _run(todo: list[Mutant], journal: Journal, suite: str, options: argparse.Namespace) -> None:
    if not todo:
        return
    preload()
    reach = Reach.measure(WORK / "tests.json", options.jobs, options.longest, options.stages)
    print(
        f"{len(todo)} mutants to run; {reach.left_out} tests are too slow or start processes", file=sys.stderr
    )
    started = time.monotonic()

    def work(mutant: Mutant) -> dict[str, Any]:
        return _try(mutant, reach)

    for done, (mutant, answer) in enumerate(forked(todo, work, options.jobs), start=1):
        journal.add(_result(mutant, suite, answer))
        spent = time.monotonic() - started
        left = spent / done * (len(todo) - done) / 60
        print(
            f"\r{done}/{len(todo)}  {left:.0f} min left  {mutant.name:<30}",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)


def _try(mutant: Mutant, reach: Reach) -> dict[str, Any]:
    """In the child: import the mutant and run what executes it, stage after stage, until a test fails."""
    started = time.monotonic()
    stages = reach.stages(mutant)
    import_mutated(mutant)
    killer = None
    for stage in stages:
        killer = run_selected(stage)
        if killer is not None:
            break
    outcome = Outcome.KILLED if killer else Outcome.SURVIVED if stages else Outcome.NOT_COVERED
    return {"outcome": outcome, "by": killer or "", "seconds": round(time.monotonic() - started, 2)}


def _result(mutant: Mutant, suite: str, answer: dict[str, Any]) -> Result:
    if "exit" not in answer:
        return Result(
            mutant.key, suite, mutant.name, Outcome(answer["outcome"]), answer["by"], answer["seconds"]
        )
    timed_out = answer["exit"] in {TIMED_OUT, -9}
    outcome = Outcome.TIMED_OUT if timed_out else Outcome.KILLED
    return Result(mutant.key, suite, mutant.name, outcome, f"exit {answer['exit']}", 0.0)


if __name__ == "__main__":
    sys.exit(main())
