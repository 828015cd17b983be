"""Runs `ocr-peer demo --json` as a process and reads its events."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("ocr-peer"))


@dataclass
class DemoRun:
    """A finished run."""

    status: int
    events: list[dict[str, Any]]
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        return self.events[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


def run_demo(*arguments: str, limit_s: float = 240) -> DemoRun:
    """Run to the end; the caller checks status and events."""
    done = subprocess.run(
        [COMMAND, "demo", "--json", *arguments], capture_output=True, text=True, timeout=limit_s, check=False
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return DemoRun(done.returncode, events, done.stderr)
