"""When a median is worth reporting (libocr `reportingplugin/median/median.go`). Pure functions."""

from __future__ import annotations

__all__ = ["deviates"]

_BILLION = 1_000_000_000


def deviates(threshold_ppb: int, old: int, new: int) -> bool:
    """Whether `new` differs from `old` by at least the threshold, exactly and inclusively.

    From 0, every other value deviates; a threshold of 0 calls everything a deviation except 0 against 0.
    """
    if old == 0:
        return new != 0
    return abs(new - old) * _BILLION >= threshold_ppb * abs(old)
