"""The demo's nodes: separate processes, started exactly as an operator starts them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from ocr_peer.errors import InvariantError, OperatingError

if TYPE_CHECKING:
    # libp2p brings stubs that hide trio\'s own annotations.
    from trio_typing import TaskStatus

__all__ = ["LogLine", "NodeProcess", "command_path"]

LogLine = dict[str, Any]

_KEPT_LINES = 40
_MAX_LINE = 1 << 16
_QUIET_LEVELS = ("debug", "info")


def command_path() -> str:
    """The installed `ocr-peer` command that belongs to this interpreter."""
    return str(Path(sys.executable).with_name("ocr-peer"))


class NodeProcess:
    """One `ocr-peer` process and what it logs.

    Args:
        name: for messages, such as "oracle 2".
        arguments: the command line behind `ocr-peer`.
        directory: its working directory.
        on_line: told every log line; a line that is not JSON comes as `{"event": text}`.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], directory: Path, on_line: Callable[[LogLine], None]
    ) -> None:
        self.name = name
        self.directory = directory
        self._arguments = list(arguments)
        self._on_line = on_line
        self._process: trio.Process | None = None
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.expected_to_end = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> int:
        """Run the process to its end and return its exit status; ends it in good order when cancelled."""
        self.expected_to_end = False
        # A session of its own: Ctrl-C at the terminal is for the demo, which then ends its nodes itself.
        process = await trio.lowlevel.open_process(
            [command_path(), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            start_new_session=True,
        )
        self._process = process
        task_status.started()
        try:
            await self._read_lines(process)
            return await process.wait()
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)

    def kill(self) -> None:
        """Kill -9."""
        self.expected_to_end = True
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    def resident_mb(self) -> float | None:
        """Resident memory, MB; `None` when it does not run, or the system does not tell."""
        if self.pid is None:
            return None
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return None

    def failure(self, status: int) -> OperatingError:
        """What to tell people when the process ended by itself."""
        tail = " | ".join(list(self.last_lines)[-3:]) or "it gave no reason"
        return OperatingError(f"{self.name} ended with exit status {status}: {tail}")

    async def _read_lines(self, process: trio.Process) -> None:
        if process.stdout is None:
            raise InvariantError("the process was started with a pipe for its output")
        buffered = bytearray()
        async for chunk in process.stdout:
            buffered += chunk
            *lines, rest = buffered.split(b"\n")
            for line in lines:
                self._tell(bytes(line).decode(errors="replace"))
            buffered = bytearray(rest[-_MAX_LINE:])

    def _tell(self, text: str) -> None:
        if not text.strip():
            return
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            line = {"event": text}
        if line.get("level") not in _QUIET_LEVELS:
            self.last_lines.append(" ".join(str(line[key]) for key in ("event", "reason") if key in line))
        self._on_line(line)


async def _end(process: trio.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(5):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()
