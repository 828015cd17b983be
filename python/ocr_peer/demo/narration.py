"""Tells what happens: JSON lines for machines, plain lines for a pipe, notes for the live view."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

from ocr_peer.demo.state import CommitteeState, SeenAnswer

__all__ = ["Narrator"]


class Narrator:
    """One voice for the whole demo.

    Args:
        state: gets the notes that the live view shows.
        json_lines: print every event as one JSON object per line.
        quiet: print nothing but JSON; a live view speaks instead.
        stream: where lines go.
    """

    def __init__(
        self, state: CommitteeState, *, json_lines: bool, quiet: bool, stream: TextIO | None = None
    ) -> None:
        self._state = state
        self._json = json_lines
        self._quiet = quiet
        self._stream = stream or sys.stdout
        self._started = time.monotonic()

    def event(self, kind: str, **fields: object) -> None:
        """A machine-readable event; silent unless JSON is wanted."""
        if self._json:
            line = {"event": kind, "t_s": round(time.monotonic() - self._started, 3), **fields}
            print(json.dumps(line), file=self._stream, flush=True)

    def note(self, text: str, kind: str = "note", **fields: object) -> None:
        """Something that people should read."""
        stamped = f"{time.monotonic() - self._started:7.1f} s  {text}"
        self._state.notes.append(stamped)
        self.event(kind, text=text, **fields)
        if not self._json and not self._quiet:
            print(stamped, file=self._stream, flush=True)

    def answer(self, answer: SeenAnswer) -> None:
        """An answer on chain."""
        audit = answer.audit
        self.event(
            "answer",
            round_id=audit.round_id,
            answer=audit.answer,
            median=audit.median,
            epoch=audit.epoch,
            round=audit.round,
            observers=audit.observers,
            signers=audit.signers,
            transmitter=audit.transmitter,
            gas_used=audit.gas_used,
            block=audit.block_number,
            updated_at=audit.updated_at,
            latency_ms=None if answer.latency_ms is None else round(answer.latency_ms, 1),
            problems=audit.problems,
        )
        if not self._json and not self._quiet:
            latency = (
                ""
                if answer.latency_ms is None
                else f", {answer.latency_ms:.0f} ms after the leader's request"
            )
            print(
                f"{time.monotonic() - self._started:7.1f} s  answer {audit.answer / 1e8:.8f} = median of "
                f"{len(audit.observers)}; epoch {audit.epoch} round {audit.round}, round id {audit.round_id}, "
                f"sent by oracle {audit.transmitter}, {audit.gas_used:,} gas{latency}",
                file=self._stream,
                flush=True,
            )
        for problem in audit.problems:
            self.note(f"PROBLEM with round id {audit.round_id}: {problem}", kind="problem")

    def summary(self, fields: dict[str, object]) -> None:
        """The last line."""
        if self._json:
            print(json.dumps({"event": "summary", **fields}), file=self._stream, flush=True)
            return
        print("\nsummary", file=self._stream)
        for name, value in fields.items():
            print(f"  {name:18} {value}", file=self._stream)
        self._stream.flush()
