"""Runs tasks in forked children of a process that has imported all slow libraries once."""

from __future__ import annotations

import gc
import json
import os
import resource
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

__all__ = ["TIMED_OUT", "forked", "preload"]

TIMED_OUT = 124
"""Exit code of a child whose test took too long."""

_LIBRARIES = (
    "pytest", "hypothesis", "trio.testing", "pytest_trio.plugin", "pydantic", "httpx", "structlog", "lark", "click",
    "rich.console", "eth_abi", "eth_account", "coincurve", "blake3", "nacl", "ocr_peer.crypto",
    "ocr_peer.errors", "ocr_peer.protobuf", "ocr_peer.nesting", "ocr_peer.durations", "multiprocessing",
    "sqlite3", "asyncio", "unittest.mock",
)  # fmt: skip

_MEMORY_BYTES = 6 * 2**30
"""A loop that a mutant made endless must not take the machine along."""

_HANGS_AFTER = 1200.0
"""Wall seconds; children watch their own processor time, this is for those that cannot."""

T = TypeVar("T")


def preload() -> None:
    """Import what no mutant changes."""
    for name in _LIBRARIES:
        import_module(name)
    # Children share these pages as long as nobody counts references for a collection.
    gc.collect()
    gc.freeze()


@dataclass
class _Child:
    pid: int
    task: Any
    started: float
    output: bytearray = field(default_factory=bytearray)


def forked(
    tasks: Iterable[T], work: Callable[[T], dict[str, Any]], jobs: int
) -> Iterator[tuple[T, dict[str, Any]]]:
    """Each task with what `work` made of it in a child, as they finish; `{"exit": code}` if the child died."""
    waiting = iter(tasks)
    with selectors.DefaultSelector() as selector:
        running = 0
        try:
            while True:
                while running < jobs and (task := next(waiting, None)) is not None:
                    reader, child = _fork(task, work)
                    selector.register(reader, selectors.EVENT_READ, child)
                    running += 1
                if not running:
                    return
                for key, _ in selector.select(timeout=5):
                    chunk = os.read(key.fd, 1 << 16)
                    key.data.output += chunk
                    if not chunk:
                        selector.unregister(key.fd)
                        os.close(key.fd)
                        _, status = os.waitpid(key.data.pid, 0)
                        running -= 1
                        output = key.data.output or b'{"exit": %d}' % os.waitstatus_to_exitcode(status)
                        yield key.data.task, json.loads(output)
                for key in list(selector.get_map().values()):
                    if time.monotonic() - key.data.started > _HANGS_AFTER:
                        os.kill(key.data.pid, signal.SIGKILL)
        finally:
            for key in list(selector.get_map().values()):
                os.kill(key.data.pid, signal.SIGKILL)
                os.waitpid(key.data.pid, 0)


def _fork(task: T, work: Callable[[T], dict[str, Any]]) -> tuple[int, _Child]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return reader, _Child(pid, task, time.monotonic())
    try:
        os.close(reader)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(work(task)).encode())
    finally:
        # Not even an exception may run on in the copy of the parent's program.
        os._exit(0)
