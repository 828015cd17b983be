"""Running: concurrency, deadlines, failures as values, and the final integer. All on a virtual clock."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import httpx
import pytest
import trio
import trio.testing

from ocr_peer.pipeline import RunResult, TaskError, new_http_client, parse_pipeline, run

FEED = """
    ds1       [type="http" method=GET url="https://one.example/" timeout="4s"];
    ds1_parse [type="jsonparse" path="price"];
    ds1_mult  [type="multiply" times=100000000];
    ds2       [type="http" method=GET url="https://two.example/" timeout="4s"];
    ds2_parse [type="jsonparse" path="result,EURUSD,c,0"];
    ds2_mult  [type="multiply" times=100000000];
    ds3       [type="http" method=GET url="https://three.example/" timeout="4s"];
    ds3_parse [type="jsonparse" path="data,rate"];
    ds3_mult  [type="multiply" times=100000000];
    ds1 -> ds1_parse -> ds1_mult -> answer;
    ds2 -> ds2_parse -> ds2_mult -> answer;
    ds3 -> ds3_parse -> ds3_mult -> answer;
    answer [type="median" allowedFaults=1 index=0];
"""
ANSWERS = {
    "one.example": '{"price": "1.08320"}',
    "two.example": '{"result": {"EURUSD": {"c": ["1.08310", "1"]}}}',
    "three.example": '{"data": {"rate": 1.08335}}',
}


async def observed(
    source: str = FEED,
    *,
    delays: Mapping[str, float] | None = None,
    answers: Mapping[str, str] = ANSWERS,
    timeout_s: float = 10,
    max_task_s: float | None = None,
) -> RunResult:
    """Run against hosts that answer after their delay, in seconds, or with 503."""

    async def answer(request: httpx.Request) -> httpx.Response:
        host = request.url.host
        await trio.sleep((delays or {}).get(host, 0))
        return httpx.Response(200, text=answers[host]) if host in answers else httpx.Response(503)

    async with new_http_client(httpx.MockTransport(answer)) as client:
        return await run(parse_pipeline(source), client, timeout_s=timeout_s, max_task_s=max_task_s)


def reason(result: RunResult, task: str) -> str:
    outcome = result.task(task).outcome
    assert isinstance(outcome, TaskError)
    return outcome.reason


async def test_a_feed_gives_the_scaled_median(autojump_clock: trio.testing.MockClock) -> None:
    result = await observed()
    assert result.final_int192() == 108_320_000
    assert result.errors() == ()
    assert [task.name for task in result.tasks][-1] == "answer"


async def test_tasks_run_at_the_same_time(autojump_clock: trio.testing.MockClock) -> None:
    result = await observed(delays=dict.fromkeys(ANSWERS, 3.0))
    assert result.finished - result.started == pytest.approx(3)
    for name in ("ds1", "ds2", "ds3"):
        assert result.task(name).started == pytest.approx(result.started)
        assert result.task(name).finished == pytest.approx(result.started + 3)
    assert result.task("answer").started == pytest.approx(result.started + 3)


async def test_a_slow_source_is_a_fault_not_a_stop(autojump_clock: trio.testing.MockClock) -> None:
    result = await observed(delays={"one.example": 100})
    assert reason(result, "ds1") == "no answer within 4 s"
    assert reason(result, "ds1_mult") == "input failed: ds1: no answer within 4 s"
    assert result.final_int192() == 108_322_500
    assert result.finished - result.started == pytest.approx(4)


async def test_the_deadline_ends_waiting_but_the_rest_is_still_computed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    result = await observed(delays={"three.example": 100}, timeout_s=0.5)
    assert reason(result, "ds3") == "run's deadline of 0.5 s passed"
    assert result.final_int192() == 108_315_000
    assert result.finished - result.started == pytest.approx(0.5)


async def test_the_jobs_limit_for_a_task_holds_too(autojump_clock: trio.testing.MockClock) -> None:
    result = await observed(delays={"one.example": 100}, max_task_s=1.5)
    assert reason(result, "ds1") == "no answer within 1.5 s"


async def test_too_many_faults_are_the_answer(autojump_clock: trio.testing.MockClock) -> None:
    result = await observed(answers={"one.example": ANSWERS["one.example"]})
    final = result.final_int192()
    assert isinstance(final, TaskError)
    assert str(final) == "answer: 2 of 3 inputs failed, 1 allowed; first: ds2: two.example: status 503"
    assert {error.root.task for error in result.errors()} == {"ds2", "ds3", "answer"}


async def test_a_dependent_request_does_not_start_after_a_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    source = 'a [type=http url="https://down.example/"] b [type=http url="https://one.example/"] a -> b'
    result = await observed(source)
    assert reason(result, "b") == "input failed: a: down.example: status 503"


async def test_a_request_that_waits_for_another_still_ends_by_the_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    source = 'a [type=http url="https://one.example/"] b [type=http url="https://two.example/"] a -> b'
    result = await observed(source, delays={"one.example": 3, "two.example": 3}, timeout_s=5)
    assert reason(result, "b") == "run's deadline of 5 s passed"
    assert result.finished - result.started == pytest.approx(5)


async def test_retries_end_by_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    source = 'a [type=http url="https://down.example/" retries=10 minBackoff="2s" maxBackoff="2s"]'
    result = await observed(source, timeout_s=5)
    assert (result.task("a").attempts, reason(result, "a")) == (3, "down.example: status 503")
    assert result.finished - result.started == pytest.approx(4)


async def test_a_timed_out_attempt_may_be_retried(autojump_clock: trio.testing.MockClock) -> None:
    source = 'a [type=http url="https://one.example/" timeout="1s" retries=2 minBackoff="1s"]'
    result = await observed(source, delays={"one.example": 100})
    assert (result.task("a").attempts, reason(result, "a")) == (2, "no answer within 1 s")
    assert result.finished - result.started == pytest.approx(3)


async def test_fail_early_ends_the_run(autojump_clock: trio.testing.MockClock) -> None:
    source = """
        a [type=http url="https://down.example/" failEarly=true];
        b [type=http url="https://one.example/"];
        c [type=any]; a -> c; b -> c;
    """
    result = await observed(source, delays={"one.example": 8, "down.example": 1})
    assert result.finished - result.started == pytest.approx(1)
    assert str(result.finals[0]) == "c: cancelled: a failed and has failEarly"
    assert result.task("b").attempts == 0


async def test_cancellation_from_outside_passes_through(autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(1) as scope:
        await observed(delays=dict.fromkeys(ANSWERS, 3.0))
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("value", "integer"),
    [
        ("1.9", 1),
        ("-1.9", -1),
        ('"12.0"', 12),
        (str(2**191 - 1), 2**191 - 1),
        (str(-(2**191)), -(2**191)),
        (f"{2**191 - 1}.99", 2**191 - 1),
        ("1e57", 10**57),
    ],
)
async def test_the_final_value_is_cut_off_towards_zero(value: str, integer: int) -> None:
    assert (await observed(f"a [type=memo value=<{value}>]")).final_int192() == integer


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (str(2**191), "does not fit int192"),
        (str(-(2**191) - 1), "does not fit int192"),
        ("1e1001", "more than 1000 digits"),
        ('"NaN"', "is not a number"),
        ('"-Infinity"', "is not a number"),
        ("null", "null is not a number"),
        ("true", "true is not a number"),
        ("[]", "a list is not a number"),
    ],
)
async def test_other_final_values_are_refused_with_a_reason(value: str, part: str) -> None:
    final = (await observed(f"a [type=memo value=<{value}>]")).final_int192()
    assert isinstance(final, TaskError)
    assert part in final.reason


async def test_a_feed_needs_one_final_value() -> None:
    result = await observed("a [type=memo value=1] b [type=memo value=2 index=1]")
    assert result.finals == (Decimal(1), Decimal(2))
    assert "2 final results" in str(result.final_int192())


async def test_runs_do_not_share_state(autojump_clock: trio.testing.MockClock) -> None:
    first, second = await observed(), await observed(answers={})
    assert first.final_int192() == 108_320_000
    assert isinstance(second.final_int192(), TaskError)
