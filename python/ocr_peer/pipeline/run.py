"""Running a pipeline on trio: every task as soon as its inputs are there, nothing past its deadline.

Source of the rules: the Chainlink node's `scheduler.go` and `runner.go`. An attempt ends at the first of the
task's `timeout`, the job's `maxTaskDuration` and the run's deadline. A failure is a value that flows to the
tasks that depend on it; what only computes still runs after the deadline, so that a source that hangs never
takes the answer of the others with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import trio

from ocr_peer.durations import SECOND_NS
from ocr_peer.pipeline.graph import Node, Pipeline
from ocr_peer.pipeline.tasks import RunContext
from ocr_peer.pipeline.tasks.http import DEFAULT_RESPONSE_LIMIT
from ocr_peer.pipeline.values import Outcome, TaskError, TaskFailure, Value, to_int192

__all__ = ["RunResult", "TaskOutcome", "run"]


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How one task ended. Times are trio's monotonic clock, in seconds."""

    name: str
    type_name: str
    outcome: Outcome
    started: float
    """When its dependencies had ended."""
    finished: float
    attempts: int
    """0 if the run ended before the task's turn."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    tasks: tuple[TaskOutcome, ...]
    """One per task, in dependency order."""
    finals: tuple[Outcome, ...]
    """Outcomes of the final tasks, by index."""
    started: float
    finished: float

    def task(self, name: str) -> TaskOutcome:
        """The outcome of one task; raises `KeyError`."""
        return {outcome.name: outcome for outcome in self.tasks}[name]

    def errors(self) -> tuple[TaskError, ...]:
        """Every task error, in dependency order."""
        return tuple(task.outcome for task in self.tasks if isinstance(task.outcome, TaskError))

    def final_int192(self) -> int | TaskError:
        """The one final result as the integer that an observation carries.

        Decimals are cut off towards zero, as the Chainlink node does (`data_source.go`, `Decimal.BigInt`).
        An error says why there is no integer: a failed task, no number, outside int192, or several results.
        """
        if len(self.finals) != 1:
            return TaskError(
                "result", f"pipeline has {len(self.finals)} final results where a feed needs one"
            )
        outcome = self.finals[0]
        if isinstance(outcome, TaskError):
            return outcome
        try:
            return to_int192(outcome)
        except TaskFailure as failure:
            return TaskError("result", failure.reason)


async def run(
    pipeline: Pipeline,
    http_client: httpx.AsyncClient,
    *,
    timeout_s: float,
    max_task_s: float | None = None,
    variables: Mapping[str, Value] | None = None,
    response_limit: int = DEFAULT_RESPONSE_LIMIT,
) -> RunResult:
    """Run every task once and return how each ended; only cancellation and programming errors are raised.

    Args:
        pipeline: what to run.
        http_client: shared between runs; see `new_http_client`.
        timeout_s: deadline of the whole run, in seconds; what waits for the network ends by then.
        max_task_s: the job's limit of one attempt, in seconds.
        variables: the run's `jb`, `jobRun` and `jobSpec`, where references use them.
        response_limit: most bytes of one HTTP answer.
    """
    seen: dict[str, Outcome] = dict(variables or {})
    state = _Run(
        pipeline=pipeline,
        seen=seen,
        context=RunContext(seen, http_client, response_limit),
        started=trio.current_time(),
        timeout_s=timeout_s,
        max_task_s=max_task_s,
    )
    async with trio.open_nursery() as nursery:
        for node in pipeline.nodes:
            nursery.start_soon(state.run_node, node, nursery.cancel_scope)
    return state.result()


@dataclass(slots=True)
class _Run:
    pipeline: Pipeline
    seen: dict[str, Outcome]
    """What references resolve against; grows as tasks end."""
    context: RunContext
    """Its `variables` is `seen`."""
    started: float
    timeout_s: float
    max_task_s: float | None
    outcomes: dict[str, TaskOutcome] = field(default_factory=dict)
    ended: dict[str, trio.Event] = field(init=False)
    ended_by: str | None = None
    """The `failEarly` task that ended the run."""

    def __post_init__(self) -> None:
        self.ended = {node.name: trio.Event() for node in self.pipeline.nodes}

    @property
    def deadline(self) -> float:
        return self.started + self.timeout_s

    async def run_node(self, node: Node, whole_run: trio.CancelScope) -> None:
        for dependency in node.dependencies:
            await self.ended[dependency].wait()
        started = trio.current_time()
        attempts = 0
        outcome: Outcome
        while True:
            attempts += 1
            try:
                outcome = await self.attempt(node)
                break
            except TaskFailure as failure:
                outcome = TaskError(node.name, failure.reason, failure.origin)
                if (
                    not failure.retryable
                    or attempts >= node.attempts
                    or not await self.back_off(node, attempts)
                ):
                    break
        self.seen[node.name] = outcome
        self.outcomes[node.name] = TaskOutcome(
            node.name, node.task.type_name, outcome, started, trio.current_time(), attempts
        )
        self.ended[node.name].set()
        if isinstance(outcome, TaskError) and node.fail_early:
            self.ended_by = node.name
            whole_run.cancel()

    async def attempt(self, node: Node) -> Value:
        inputs = [self.outcomes[name].outcome for name in node.inputs]
        timeouts = [] if node.timeout_ns is None else [node.timeout_ns / SECOND_NS]
        if self.max_task_s is not None:
            timeouts.append(self.max_task_s)
        timeout_s = min(timeouts, default=float("inf"))
        value: Value = None
        with trio.move_on_at(min(self.deadline, trio.current_time() + timeout_s)) as limit:
            value = await node.task.run(inputs, self.context)
        if limit.cancelled_caught:
            if trio.current_time() >= self.deadline:
                raise TaskFailure(f"run's deadline of {self.timeout_s:g} s passed")
            raise TaskFailure(f"no answer within {timeout_s:g} s", retryable=True)
        return value

    async def back_off(self, node: Node, attempts: int) -> bool:
        """Wait before the next attempt; `False` if the deadline comes first."""
        wait_ns = min(node.min_backoff_ns * 2 ** (attempts - 1), node.max_backoff_ns)
        wake = trio.current_time() + wait_ns / SECOND_NS
        if wake >= self.deadline:
            return False
        await trio.sleep_until(wake)
        return True

    def result(self) -> RunResult:
        now = trio.current_time()
        for node in self.pipeline.nodes:
            if node.name not in self.outcomes:
                error = TaskError(node.name, f"cancelled: {self.ended_by} failed and has failEarly")
                self.outcomes[node.name] = TaskOutcome(node.name, node.task.type_name, error, now, now, 0)
        return RunResult(
            tasks=tuple(self.outcomes[node.name] for node in self.pipeline.nodes),
            finals=tuple(self.outcomes[name].outcome for name in self.pipeline.finals),
            started=self.started,
            finished=now,
        )
