"""Two ways of doing the same, timed in turns within one run.

Machines are shared and clocks vary, so a ratio is only worth something when both sides met the same noise: the
sides alternate, and so does who goes first, and a sample of the faster side repeats the work until it lasts as long as
one of the slower: a longer sample would be interrupted more often, and the ratio would flatter the faster side.
The minimum is what the code costs; the median is what it cost here.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Comparison", "compare"]

_SAMPLE_NS = 100_000
"""A sample lasts at least this long, so that reading the clock does not count."""
_MOST_REPEATS = 10_000

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Microseconds for one call of each, and how many times longer the reference takes."""

    min_us: float
    median_us: float
    reference_min_us: float
    reference_median_us: float
    ratio: float
    """Of the minima."""
    median_ratio: float
    """The median of the pairs' ratios."""


def compare(work: Work, reference: Work, *, pairs: int) -> Comparison:
    """Times `pairs` samples of each."""
    took, reference_took = _took(work), _took(reference)
    sample = max(took, reference_took, _SAMPLE_NS)
    repeats, reference_repeats = _repeats(sample, took), _repeats(sample, reference_took)
    ours: list[float] = []
    theirs: list[float] = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for pair in range(pairs):
            if pair % 2:
                theirs.append(_sample(reference, reference_repeats))
                ours.append(_sample(work, repeats))
            else:
                ours.append(_sample(work, repeats))
                theirs.append(_sample(reference, reference_repeats))
    finally:
        if collecting:
            gc.enable()
    return Comparison(
        min_us=min(ours),
        median_us=statistics.median(ours),
        reference_min_us=min(theirs),
        reference_median_us=statistics.median(theirs),
        ratio=min(theirs) / min(ours),
        median_ratio=statistics.median(b / a for a, b in zip(ours, theirs, strict=True)),
    )


def _took(work: Work) -> int:
    """Nanoseconds of one call, the best of a few."""
    best = _SAMPLE_NS * 1000
    for _ in range(5):
        started = time.perf_counter_ns()
        work()
        best = min(best, time.perf_counter_ns() - started)
    return max(best, 1)


def _repeats(sample: int, took: int) -> int:
    return max(1, min(_MOST_REPEATS, sample // took))


def _sample(work: Work, repeats: int) -> float:
    turns = range(repeats)
    started = time.perf_counter_ns()
    for _ in turns:
        work()
    return (time.perf_counter_ns() - started) / repeats / 1000
