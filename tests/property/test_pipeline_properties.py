"""Pipelines under arbitrary text, numbers and answers."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from statistics import median

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_peer.errors import InputError
from ocr_peer.pipeline import Pipeline, TaskError, Value, lint, new_http_client, parse_pipeline, run
from ocr_peer.pipeline.values import (
    TaskFailure,
    exact_product,
    exact_sum,
    number,
    parse_json,
    quotient,
    to_int192,
    write_json,
)

FRAGMENTS = r"""
a b c ds1 answer input node [ ] { } < > = -> - ; , : " ' \ $( ) $(a) $(b.x) $(jobRun.meta) # // /* */
type=http type=median type=memo type=multiply type=jsonparse type=bridge url="https://h/" path=x times=1.5
value=1 value=<{"x":1}> allowedFaults=1 index=1 timeout="4s" timeout=5 retries=2 "\n" "\u00e9" é 😀 1e8 .5
"""
FRAGMENT_TEXT = st.lists(st.sampled_from([*FRAGMENTS.split(), "\n"]), max_size=40).map(" ".join)
TASKS = (
    '{} [type=memo value="1"];',
    "{} [type=median];",
    "{} [type=any];",
    "{} [type=multiply times=2];",
    '{} [type=multiply times=2 input="$({ref})"];',
    '{} [type=jsonparse path="a,0"];',
    '{} [type=http url="https://h/"];',
)

PLAIN_DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, places=12, min_value=-(10**30), max_value=10**30
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | PLAIN_DECIMALS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def parsed_or_refused(source: str) -> Pipeline | None:
    try:
        pipeline = parse_pipeline(source)
    except InputError as error:
        refusal = str(error)
    else:
        names = {node.name for node in pipeline.nodes}
        assert all(set(node.dependencies) <= names for node in pipeline.nodes)
        lint(pipeline)
        return pipeline
    assert "\n" not in refusal
    return None


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet='ab[]="<>{}->;,/*#\\$() \n1.', max_size=60) | FRAGMENT_TEXT)
def test_any_text_is_parsed_or_refused_with_a_line_of_advice(source: str) -> None:
    parsed_or_refused(source)


@st.composite
def linked_tasks(draw: st.DrawFn) -> str:
    names = [f"t{number}" for number in range(draw(st.integers(1, 6)))]
    lines = [draw(st.sampled_from(TASKS)).format(name, ref=draw(st.sampled_from(names))) for name in names]
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=8))
    return "".join(lines + [f"{source} -> {target};" for source, target in pairs])


@settings(deadline=None)
@given(linked_tasks())
def test_accepted_graphs_run_in_dependency_order(source: str) -> None:
    pipeline = parsed_or_refused(source)
    if pipeline is not None:
        seen: set[str] = set()
        for node in pipeline.nodes:
            assert set(node.dependencies) <= seen
            seen.add(node.name)


@settings(deadline=None)
@given(linked_tasks(), st.binary(max_size=60) | JSON_VALUES.map(lambda value: write_json(value).encode()))
async def test_a_run_always_returns_and_every_task_has_an_outcome(source: str, body: bytes) -> None:
    pipeline = parsed_or_refused(source)
    if pipeline is None:
        return
    async with new_http_client(httpx.MockTransport(lambda _: httpx.Response(200, content=body))) as client:
        result = await run(pipeline, client, timeout_s=5)
    assert [task.name for task in result.tasks] == [node.name for node in pipeline.nodes]
    assert isinstance(result.final_int192(), int | TaskError)


@settings(deadline=None)
@given(PLAIN_DECIMALS, PLAIN_DECIMALS)
def test_products_and_sums_are_exact(left: Decimal, right: Decimal) -> None:
    assert Fraction(exact_product(left, right)) == Fraction(left) * Fraction(right)
    assert Fraction(exact_sum([left, right])) == Fraction(left) + Fraction(right)


@settings(deadline=None)
@given(PLAIN_DECIMALS, PLAIN_DECIMALS.filter(bool), st.integers(-20, 40))
def test_quotients_round_half_away_from_zero(left: Decimal, right: Decimal, places: int) -> None:
    exact = Fraction(left) / Fraction(right) * Fraction(10) ** places
    whole, rest = divmod(abs(exact), 1)
    expected = (whole + (rest >= Fraction(1, 2))) * (-1 if exact < 0 else 1)
    assert Fraction(quotient(left, right, places)) == expected / Fraction(10) ** places


@settings(deadline=None)
@given(st.text(alphabet="0123456789.eE+-_ NaInfity", max_size=12))
def test_numbers_are_what_shopspring_decimal_reads(text: str) -> None:
    try:
        value = number(text)
    except TaskFailure:
        return
    mantissa, _, exponent = text.lower().partition("e")
    assert Fraction(value) == Fraction(Decimal(mantissa)) * Fraction(10) ** int(exponent or "0")
    assert value.is_finite()


@settings(deadline=None)
@given(st.integers(-(2**191), 2**191 - 1), st.integers(0, 10**6 - 1))
def test_integers_are_cut_off_towards_zero(whole: int, millionths: int) -> None:
    assert to_int192(f"{whole}.{millionths:06d}") == whole


@settings(deadline=None)
@given(st.lists(PLAIN_DECIMALS, min_size=1, max_size=31))
async def test_the_median_is_exact(values: list[Decimal]) -> None:
    tasks = "".join(
        f"v{number} [type=memo value=<{value}>]; v{number} -> m;" for number, value in enumerate(values)
    )
    async with new_http_client(httpx.MockTransport(lambda _: httpx.Response(500))) as client:
        (result,) = (await run(parse_pipeline(tasks + "m [type=median]"), client, timeout_s=1)).finals
    assert isinstance(result, Decimal)
    assert Fraction(result) == median(Fraction(value) for value in values)


@settings(deadline=None)
@given(JSON_VALUES)
def test_json_round_trips_digit_for_digit(value: Value) -> None:
    text = write_json(value)
    assert parse_json(text) == value
    assert write_json(parse_json(text)) == text
    json.loads(text)


@settings(deadline=None)
@given(st.text(max_size=40) | st.text(alphabet='[]{}":,0123456789eE+-. tnul', max_size=40))
def test_any_text_is_json_or_a_failure(text: str) -> None:
    try:
        value = parse_json(text)
    except TaskFailure:
        return
    assert parse_json(write_json(value)) == value
