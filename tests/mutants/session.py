"""One pytest session inside a child: the chosen tests in the chosen order, up to the first that fails."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, FrameType

import pytest
from hypothesis import Phase, settings

from tests.mutants.pool import TIMED_OUT
from tests.mutants.source import ROOT, Mutant

__all__ = ["Timing", "import_mutated", "run_pytest", "run_selected"]

Timing = dict[str, float]
"""Seconds that each test takes without a mutant, by node id; the order is the order to run them in."""


def import_mutated(mutant: Mutant) -> None:
    """Have the import of the mutant's module find the mutated source; nothing on disk changes."""
    name, path, source = mutant.module.import_name, str(mutant.module.path), mutant.source

    class Loader(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            return compile(source, path, "exec", dont_inherit=True)

    class Finder(MetaPathFinder):
        def find_spec(self, fullname: str, path_: object, target: object = None) -> ModuleSpec | None:
            if fullname != name:
                return None
            return importlib.util.spec_from_file_location(name, path, loader=Loader(name, path))

    sys.meta_path.insert(0, Finder())


def run_pytest(files: Sequence[str], plugin: object) -> int:
    """A session over `files` with the same random choices every time."""
    os.chdir(ROOT)
    # Shrinking makes a failure easier to read, and nobody reads these.
    settings.register_profile(
        "mutants", database=None, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate]
    )
    settings.load_profile("mutants")
    # Only the plugin that the tests need, and assertions as they stand: a session has to begin quickly.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-q", "-o", "addopts=", "-p", "pytest_trio.plugin", "--assert=plain", "--exitfirst"]
    options += ["-p", "no:cacheprovider", "-W", "ignore::pytest.PytestConfigWarning"]
    return int(pytest.main([*options, *files], plugins=[plugin]))


def run_selected(timing: Timing) -> str | None:
    """Run the given tests; the name of the first that fails, `None` if all pass."""
    plugin = _Selected(timing)
    files = list(dict.fromkeys(name.partition("::")[0] for name in timing))
    with _time_limit(60.0):
        code = run_pytest(files, plugin)
    if code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        return None
    return plugin.failed or f"pytest exit {code}"


class _Selected:
    """Orders the tests, watches their time, and remembers which one failed."""

    def __init__(self, timing: Timing) -> None:
        self.failed = ""
        self._timing = timing
        self._order = {name: place for place, name in enumerate(timing)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        with _time_limit(3 + 5 * self._timing[item.nodeid]):
            return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End the process when a test takes many times what it takes without the mutant.

    Processor seconds, so that a busy machine times nothing out; wall time twenty times as much. The process
    ends at once, because what waits in an endless loop might catch any exception.
    """
    timers = (
        (signal.ITIMER_VIRTUAL, signal.SIGVTALRM, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, 20 * seconds),
    )
    for timer, number, limit in timers:
        signal.signal(number, _expire)
        signal.setitimer(timer, limit)
    yield
    for timer, _, _ in timers:
        signal.setitimer(timer, 0)


def _expire(number: int, frame: FrameType | None) -> None:
    os._exit(TIMED_OUT)
