"""Linking: dependency order, names, inputs and final tasks."""

from __future__ import annotations

import pytest

from ocr_peer.errors import InputError
from ocr_peer.pipeline import Pipeline, parse_pipeline
from ocr_peer.pipeline.tasks import LATER_TYPES, TASK_TYPES

MEMO = '{name} [type=memo value="{value}" index={index}];'


def memos(*names: str) -> str:
    return "".join(
        MEMO.format(name=name, value=number, index=number + 1) for number, name in enumerate(names)
    )


def order(pipeline: Pipeline) -> list[str]:
    return [node.name for node in pipeline.nodes]


def refused(source: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_pipeline(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tasks_come_after_what_they_depend_on_and_else_as_declared() -> None:
    pipeline = parse_pipeline(
        """
        answer [type=median];
        b [type=multiply times=2 input="$(a)"];
        a [type=memo value="1"];
        c [type=memo value="2"];
        b -> answer; c -> answer;
        """
    )
    assert order(pipeline) == ["a", "b", "c", "answer"]
    assert pipeline.finals == ("answer",)


def test_a_reference_makes_a_task_wait_but_hands_nothing_on() -> None:
    node = parse_pipeline('a [type=memo value="1"]; b [type=multiply times=2 input="$(a)"];').node("b")
    assert node.dependencies == ("a",)
    assert node.inputs == ()


def test_inputs_are_ordered_by_index_and_then_by_dependency_order() -> None:
    source = 'x [type=memo value="1" index=7]; y [type=memo value="2"]; z [type=memo value="3"];'
    pipeline = parse_pipeline(source + "x -> m; z -> m; y -> m; x -> m; m [type=median]")
    assert pipeline.node("m").inputs == ("y", "z", "x")


def test_types_and_attribute_names_know_no_case() -> None:
    node = parse_pipeline('a [TYPE=Memo VALUE="1" failearly=true RETRIES=3 Timeout="2s"]').node("a")
    assert (node.task.type_name, node.fail_early, node.attempts, node.timeout_ns) == (
        "memo",
        True,
        3,
        2 * 10**9,
    )


def test_defaults_are_those_of_the_chainlink_node() -> None:
    pipeline = parse_pipeline(
        'a [type=http url="https://h/"]; b [type=http url="https://h/" timeout=0]; a -> b'
    )
    first, second = pipeline.nodes
    assert (first.timeout_ns, first.attempts, first.fail_early, first.index) == (15 * 10**9, 1, False, 0)
    assert (first.min_backoff_ns, first.max_backoff_ns) == (5 * 10**9, 60 * 10**9)
    assert second.timeout_ns is None


@pytest.mark.parametrize("type_name", sorted(LATER_TYPES))
def test_later_types_say_so(type_name: str) -> None:
    message = refused(f'ds1 [type="{type_name}" name="coingecko"];')
    assert f"task type '{type_name}' is not supported yet" in message
    assert "line 1, column 6" in message


def test_registry_names_every_type_once() -> None:
    assert sorted(TASK_TYPES) == [
        "any",
        "divide",
        "http",
        "jsonparse",
        "mean",
        "median",
        "memo",
        "multiply",
        "sum",
    ]
    assert not LATER_TYPES & set(TASK_TYPES)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("", ["holds no task"]),
        ("// nothing", ["holds no task"]),
        ("a [x=y]", ["a.type = (missing)", "is required"]),
        ("a [type=medain]", ["unknown task type", "did you mean median?"]),
        ("a [type=zzz]", ["unknown task type", "known are any, divide"]),
        ('a [type=http url="https://h/" tiemout="4s"]', ["a.tiemout", "did you mean timeout?"]),
        ('a [type=memo value="1" allowedFaults=1]', ["a.allowedFaults", "unknown attribute"]),
        ("a [type=median]", ["a: has no inputs"]),
        ('a [type=memo value="1"]; a -> b', ["line 1, column 26", "b: is no task declared here"]),
        (memos("ds1") + "ds2 -> ds1", ["did you mean ds1?"]),
        ("a [type=multiply times=2]", ["has no input"]),
        ('a [type=multiply times=2 input="$(c)"]', ["$(c)", "refers to a task that is not declared"]),
        ("a [type=jsonparse path=x]", ["has nothing to parse"]),
        ("a [type=memo]", ["has no value"]),
        ("a [type=any]", ["has no inputs"]),
        (memos("a", "b") + "c [type=multiply times=1] a -> c; b -> c", ["has 2 incoming edges"]),
        (memos("a", "b") + "c [type=memo] a -> c; b -> c", ["has 2 incoming edges"]),
        (memos("a", "b") + "c [type=jsonparse] a -> c; b -> c", ["has 2 incoming edges"]),
        ("input [type=memo value=1]", ["input: is reserved"]),
        ("jobRun [type=memo value=1]", ["jobRun: is reserved"]),
        ("node [shape=box]; a [type=memo value=1]", ["node: is reserved"]),
        ('"a b" [type=memo value=1]', ["a b: is not a task name"]),
        ("1 [type=memo value=1]", ["1: is not a task name"]),
        ("a [type=memo value=1 index=x]", ["a.index", "write a number from 0 to"]),
        ("a [type=memo value=1 index=-1]", ["a.index"]),
        ("a [type=memo value=1 retries=11]", ["a.retries", "write a number from 0 to 10"]),
        ('a [type=memo value=1 timeout="4"]', ["a.timeout", "is not a duration"]),
        ("a [type=memo value=1 failEarly=maybe]", ["a.failEarly", '"true" or "false"']),
        ("a [type=memo value=1] b [type=memo value=2]", ["a and b are both final", "index 0"]),
        ("a [type=memo value=1 index=3] b [type=memo value=2 index=3]", ["is the index of a too"]),
    ],
)
def test_what_cannot_work_is_refused(source: str, parts: list[str]) -> None:
    message = refused(source)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("source", "circle"),
    [
        ("a [type=memo] a -> a", "a -> a"),
        ('a [type=memo value="$(a)"]', "a -> a"),
        ("a [type=memo] b [type=memo] c [type=memo] a -> b -> c -> a", "b -> c -> a -> b"),
        ('a [type=any] b [type=memo value="$(a.x)"] b -> a', "b -> a -> b"),
    ],
)
def test_circles_are_named(source: str, circle: str) -> None:
    message = refused(source)
    assert "circle" in message
    found = message.split(" = ")[1].split(": ")[0].split(" -> ")
    wanted = circle.split(" -> ")
    rotations = [wanted[i:-1] + wanted[: i + 1] for i in range(len(wanted) - 1)]
    assert found in rotations


def test_several_finals_are_told_apart_by_index() -> None:
    pipeline = parse_pipeline(
        "a [type=memo value=1 index=2] b [type=memo value=2 index=1] c [type=memo value=3]"
    )
    assert pipeline.finals == ("c", "b", "a")


def test_run_variables_may_be_referred_to() -> None:
    node = parse_pipeline('a [type=memo value=<{"x": $(jobRun.meta.latestAnswer)}>]').node("a")
    assert node.dependencies == ()


def test_long_chains_need_no_recursion() -> None:
    names = [f"t{number}" for number in range(200)]
    source = "".join(f"{name} [type=memo value=1];" for name in names) + " -> ".join(names)
    assert order(parse_pipeline(source)) == names
