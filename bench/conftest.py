"""Prints what the benchmarks measured besides their own time, as one table."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    rows = [
        (bench.name, bench.extra_info) for bench in getattr(session, "benchmarks", []) if bench.extra_info
    ]
    if not rows:
        return
    terminalreporter.section("measured")
    for name, facts in rows:
        told = "  ".join(f"{fact} = {value}" for fact, value in facts.items())
        terminalreporter.write_line(f"{name:42} {told}")
