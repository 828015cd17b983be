"""The crypto table as data and as text."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ocr_peer import crypto
from ocr_peer.bench.crypto import AGAINST_PRIMITIVES, AGAINST_PYTHON, Row

__all__ = ["as_object", "machine", "table_lines"]

Measured = Iterable[tuple[Row, dict[str, float]]]


def machine() -> dict[str, str]:
    """What the figures depend on."""
    built = crypto.build_info()
    return {
        "cpu": _cpu(),
        "curve25519_backend": built["curve25519_backend_in_use"],
        "ocr_crypto": built["version"],
        "rustc": built["rustc"],
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def as_object(measured: Measured) -> dict[str, Any]:
    """`{"machine": …, path: {size: figures}}`; microseconds, and ratios of the minima and of the pairs."""
    found: dict[str, Any] = {"machine": machine()}
    for row, figures in measured:
        found.setdefault(row.path, {})[row.size] = {**figures, "peer": row.peer}
    return found


def table_lines(measured: Measured) -> Iterable[str]:
    """A Markdown table: what stands in docs/crypto.md."""
    yield "| path | size | µs, min | median | Python µs, min | × Python, min | median | × primitives, min | median |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row, figures in measured:
        cells = [
            row.path,
            row.size,
            _number(figures["us"]),
            _number(figures["us_median"]),
            _number(figures["python_us"]),
            *(_ratios(figures, AGAINST_PYTHON)),
            *(_ratios(figures, AGAINST_PRIMITIVES)),
        ]
        yield f"| {' | '.join(cells)} |"


def _ratios(figures: dict[str, float], name: str) -> tuple[str, str]:
    if name not in figures:
        return "", ""
    return f"{figures[name]:.2f}", f"{figures[f'{name}_median']:.2f}"


def _number(microseconds: float) -> str:
    return f"{microseconds:.2f}" if microseconds < 10 else f"{microseconds:.0f}"
