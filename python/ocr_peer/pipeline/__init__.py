"""Data sources as jobs describe them: an `observationSource` is parsed once and run in every round.

`parse_pipeline` reads and checks the DOT text, `lint` warns about what is allowed but unwise, `run` runs it
and always returns: every failure is a value. `docs/jobs.md` describes the language for operators.
"""

from __future__ import annotations

from ocr_peer.durations import format_duration, parse_duration
from ocr_peer.pipeline.graph import Node, Pipeline, parse_pipeline
from ocr_peer.pipeline.lint import lint
from ocr_peer.pipeline.run import RunResult, TaskOutcome, run
from ocr_peer.pipeline.tasks import TASK_TYPES
from ocr_peer.pipeline.tasks.http import DEFAULT_RESPONSE_LIMIT, new_http_client
from ocr_peer.pipeline.values import Outcome, TaskError, Value

__all__ = [
    "DEFAULT_RESPONSE_LIMIT",
    "TASK_TYPES",
    "Node",
    "Outcome",
    "Pipeline",
    "RunResult",
    "TaskError",
    "TaskOutcome",
    "Value",
    "format_duration",
    "lint",
    "new_http_client",
    "parse_duration",
    "parse_pipeline",
    "run",
]
