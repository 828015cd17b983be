"""What a run says in the end: a table by module, every survivor in full, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.mutants.equivalent import LIST, Equivalent, Equivalents
from tests.mutants.journal import Outcome, Result
from tests.mutants.source import ROOT, Mutant

__all__ = ["verdict"]

_ALIVE = {Outcome.SURVIVED, Outcome.NOT_COVERED}


def verdict(
    mutants: Sequence[Mutant],
    results: Mapping[str, Result],
    equivalents: Equivalents,
    stale: Sequence[Equivalent],
) -> tuple[str, int]:
    """The report, and 0 if every mutant died or is explained and the explanations are true."""
    alive = [mutant for mutant in mutants if results[mutant.key].outcome in _ALIVE]
    unexplained = [mutant for mutant in alive if equivalents.reason(mutant) is None]
    died_explained = [
        mutant
        for mutant in mutants
        if results[mutant.key].outcome not in _ALIVE and equivalents.reason(mutant) is not None
    ]
    lines = _table(mutants, results, equivalents)
    for mutant in alive:
        reason = equivalents.reason(mutant)
        if reason is not None:
            lines += ["", f"explained: {reason}", *_shown(mutant)]
    for mutant in died_explained:
        lines += ["", f"explained as equivalent, yet killed by {results[mutant.key].by}", *_shown(mutant)]
    for entry in stale:
        lines += ["", f"{LIST.name} explains no mutant, or more than one: {entry.module} {entry.function}"]
        lines += [f"    - {entry.original}", f"    + {entry.mutated}"]
    for mutant in unexplained:
        lines += ["", f"{results[mutant.key].outcome.upper()}", *_shown(mutant)]
    failures = len(unexplained) + len(stale) + len(died_explained)
    lines += ["", "every mutant died or is explained" if not failures else f"{failures} to look at"]
    return "\n".join(lines), int(failures > 0)


def _table(mutants: Sequence[Mutant], results: Mapping[str, Result], equivalents: Equivalents) -> list[str]:
    columns = ("mutants", "killed", "timed out", "explained", "survived", "not covered")
    counts: dict[str, Counter[str]] = {}
    for mutant in mutants:
        outcome = results[mutant.key].outcome
        column = (
            "explained" if outcome in _ALIVE and equivalents.reason(mutant) is not None else outcome.value
        )
        for row in (mutant.module.name, "all"):
            counts.setdefault(row, Counter()).update(["mutants", column])
    order = sorted(counts, key=lambda row: (row == "all", row))
    width = max(map(len, order))
    lines = [f"{'module':{width}}" + "".join(f"{column:>13}" for column in columns)]
    lines += [f"{row:{width}}" + "".join(f"{counts[row][column]:>13}" for column in columns) for row in order]
    return lines


def _shown(mutant: Mutant) -> list[str]:
    path = mutant.module.path.relative_to(ROOT)
    place = f"{path}:{mutant.line}  {mutant.name}  {mutant.edit.function}  ({mutant.edit.operator})"
    return [place, f"    - {mutant.original}", f"    + {mutant.mutated}"]
