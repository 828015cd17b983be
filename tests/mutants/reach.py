"""Which tests enter which functions of the core, and how long each takes: the choice of tests for a mutant."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from tests.mutants.pool import forked
from tests.mutants.session import Timing, run_pytest
from tests.mutants.source import ROOT, Module, Mutant, core_modules

__all__ = ["STAGES", "Reach", "SuiteFailsError", "suite_digest"]

STAGES = (
    ("tests/protocol",),
    ("tests/conformance", "tests/property", "tests/unit"),
    ("tests/simulation", "tests/scenarios"),
)
"""Where tests are taken from, direct ones first. Those that need the network have no part."""

_NO_JUDGES = {"test_mutants.py", "test_golden.py"}
"""Golden digests notice every change, the right ones as well: what dies by them alone has died of nothing."""

_QUICK = 0.25
"""Seconds; slower tests wait for the last stage."""


class SuiteFailsError(Exception):
    """A test fails without any mutant, so its failing with one says nothing."""


class Reach:
    """The suite's tests by what they execute."""

    @dataclass(frozen=True, slots=True)
    class Test:
        """One test, as it ran without a mutant."""

        seconds: float
        lines: dict[str, list[int]]
        """Lines that it executes, by module name."""
        spawns: bool
        """Whether it starts processes: they would import the module as it is on disk."""

    def __init__(self, tests: dict[str, Test], longest: float, limit: int) -> None:
        self._limit = limit
        self._tests = {
            name: test for name, test in tests.items() if not test.spawns and test.seconds <= longest
        }
        self.left_out = len(tests) - len(self._tests)

    @classmethod
    def measure(cls, cache: Path, jobs: int, longest: float, stages: int) -> Reach:
        """Run every test file once under a tracer; files that nothing changed for come from `cache`."""
        known: dict[str, Any] = json.loads(cache.read_text()) if cache.exists() else {}
        files = [str(path.relative_to(ROOT)) for path in _test_files(stages)]
        missing = [
            name
            for name in files
            if name not in known or known[name]["digest"] != _digest(known[name]["stands_on"])
        ]
        for done, (name, result) in enumerate(forked(missing, _trace_file, jobs), start=1):
            sys.stderr.write(f"\rtests measured without a mutant: {done} of {len(missing)} files ")
            if result.get("failed") is not None or "exit" in result:
                raise SuiteFailsError(result.get("failed") or name)
            known[name] = {**result, "digest": _digest(result["stands_on"])}
            cache.write_text(json.dumps(known))
        if missing:
            sys.stderr.write("\n")
        return cls(
            {test: cls.Test(**row) for name in files for test, row in known[name]["tests"].items()},
            longest,
            stages,
        )

    def stages(self, mutant: Mutant) -> list[Timing]:
        """The tests that execute the mutant, quickest first, by stage."""
        module, wanted = mutant.module.name, set(mutant.lines)
        chosen = []
        for name, test in self._tests.items():
            executed = test.lines.get(module, [])
            if (mutant.edit.at_import and executed) or not wanted.isdisjoint(executed):
                chosen.append((test.seconds, name))
        stages: list[Timing] = [{} for _ in STAGES]
        for seconds, name in sorted(chosen):
            folder = next(place for place, folders in enumerate(STAGES) if name.startswith(folders))
            stages[folder if seconds <= _QUICK else -1][name] = seconds
        return [stage for stage in stages[: self._limit] if stage]


def suite_digest() -> str:
    """Of all that decides whether a mutant survives, apart from the module itself."""
    return _digest(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if path.parent.name != "mutants"
    )


def _test_files(stages: int = len(STAGES)) -> list[Path]:
    files = [
        path for stage in STAGES[:stages] for folder in stage for path in (ROOT / folder).glob("test_*.py")
    ]
    return sorted(path for path in files if path.name not in _NO_JUDGES)


def _digest(files: Iterable[str]) -> str:
    """Of these files and the core."""
    digest = hashlib.sha256()
    paths = [ROOT / file for file in sorted(files)] + [module.path for module in core_modules()]
    for path in paths:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:20]


def _trace_file(name: str) -> dict[str, Any]:
    tracer = _Tracer(core_modules())
    code = run_pytest([name], tracer)
    imported = (getattr(module, "__file__", None) or "" for module in sys.modules.copy().values())
    tests = f"{ROOT / 'tests'}/"
    return {
        "tests": tracer.rows(),
        "failed": tracer.failed or (f"{name}: exit {code}" if code else None),
        "stands_on": sorted(path.removeprefix(f"{ROOT}/") for path in imported if path.startswith(tests)),
    }


class _Tracer:
    """Notes the lines of the core that each test executes."""

    def __init__(self, modules: list[Module]) -> None:
        self.failed = ""
        self._names = {str(module.path): module.name for module in modules}
        self._shared: set[tuple[str, int]] = set()
        """Executed while collecting, or in a fixture: every test of the file stands on it."""
        self._tests: dict[str, tuple[float, set[tuple[str, int]]]] = {}
        self._spawning: set[str] = set()
        self._current = ""
        sys.addaudithook(self._audit)

    def rows(self) -> dict[str, dict[str, Any]]:
        """As JSON takes them."""
        rows = {}
        for test, (seconds, places) in self._tests.items():
            lines: dict[str, list[int]] = {}
            for module, line in sorted(places | self._shared):
                lines.setdefault(module, []).append(line)
            rows[test] = {"seconds": round(seconds, 4), "lines": lines, "spawns": test in self._spawning}
        return rows

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        with self._tracing(self._shared):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        with self._tracing(self._shared):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        self._current = item.nodeid
        places: set[tuple[str, int]] = set()
        started = time.process_time()
        with self._tracing(places):
            try:
                return (yield)
            finally:
                self._tests[item.nodeid] = time.process_time() - started, places

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def _audit(self, event: str, _arguments: object) -> None:
        if event in {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec"}:
            self._spawning.add(self._current)

    @contextmanager
    def _tracing(self, places: set[tuple[str, int]]) -> Iterator[None]:
        seen: set[CodeType] = set()

        def enter(frame: FrameType, event: str, argument: object) -> None:
            # Entered functions count as a whole: line by line, the simulations would take half an hour.
            code = frame.f_code
            if code in seen:
                return
            seen.add(code)
            module = self._names.get(code.co_filename)
            if module is not None and code.co_name != "<module>":
                places.update((module, line) for _, _, line in code.co_lines() if line)

        sys.settrace(enter)
        try:
            yield
        finally:
            sys.settrace(None)
