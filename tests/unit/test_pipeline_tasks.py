"""Every task type on fixed inputs: values, failures and the Chainlink node's numbers."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from ocr_peer.errors import InputError
from ocr_peer.pipeline import Outcome, RunResult, TaskError, Value, new_http_client, parse_pipeline, run
from ocr_peer.pipeline.values import TaskFailure, number, write_json


def no_network(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"{request.url} was asked for")


async def ran(source: str, variables: dict[str, Value] | None = None) -> RunResult:
    async with new_http_client(httpx.MockTransport(no_network)) as client:
        return await run(parse_pipeline(source), client, timeout_s=1, variables=variables)


async def final(source: str, variables: dict[str, Value] | None = None) -> Outcome:
    (outcome,) = (await ran(source, variables)).finals
    return outcome


async def reason(source: str, variables: dict[str, Value] | None = None) -> str:
    outcome = await final(source, variables)
    assert isinstance(outcome, TaskError)
    return str(outcome)


def sources(*values: str) -> str:
    """Memo tasks s0, s1 … with edges to m; the value `!` stands for a failing task."""
    lines = []
    for position, value in enumerate(values):
        text = "$(jobRun.missing)" if value == "!" else value
        lines.append(f"s{position} [type=memo value=<{text}> index={position + 1}]; s{position} -> m;")
    return "".join(lines)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5000000000000000", Decimal(5000000000000000)),
        ("1.0832", Decimal("1.0832")),
        ('"text"', "text"),
        ("true", True),
        ("null", None),
        ('[1, {"a": [null]}]', [Decimal(1), {"a": [None]}]),
        ('{"x": $(jobRun.meta), "y": [$( jobRun.list.1 )]}', {"x": {"k": "v"}, "y": [Decimal(2)]}),
    ],
)
async def test_memo(value: str, expected: Value) -> None:
    variables: dict[str, Value] = {"jobRun": {"meta": {"k": "v"}, "list": [Decimal(1), Decimal(2)]}}
    assert await final(f"m [type=memo value=<{value}>]", variables) == expected


async def test_memo_without_value_passes_its_input_on() -> None:
    assert await final("s [type=memo value=7] m [type=memo] s -> m") == Decimal(7)


@pytest.mark.parametrize(
    "source",
    [
        'm [type=multiply times=1 input="$(a..b)"]',
        "m [type=memo value=<[ $(a..b) ]>]",
        "m [type=memo value=<" + "[" * 5_000 + "]" * 5_000 + ">]",
        'm [type=jsonparse data="{}"]',
        'm [type=jsonparse data="$(a b)"]',
    ],
)
def test_attributes_that_cannot_be_read(source: str) -> None:
    with pytest.raises(InputError, match="observationSource line 1"):
        parse_pipeline(source)


async def test_a_part_of_a_failed_task_is_that_failure() -> None:
    source = 'a [type=memo value="$(jobRun.missing)"]; m [type=memo value="$(a.b.c)"]'
    assert await reason(source, {"jobRun": {}}) == "m: input failed: a: $(jobRun.missing): no key 'missing'"


async def test_values_too_deep_to_send_are_a_failure() -> None:
    deep: Value = Decimal(1)
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(TaskFailure, match="nested too deeply"):
        write_json(deep)


async def test_decimals_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(TaskFailure, match="not a finite number"):
        number(Decimal("NaN"))


@pytest.mark.parametrize("value", ["abc", "{", '{"a": "x $(b) y"}', "1 2", "NaN", "[Infinity]"])
def test_memo_must_be_json(value: str) -> None:
    with pytest.raises(InputError, match="not JSON"):
        parse_pipeline(f"m [type=memo value=<{value}>]")


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ("$(jobRun.x)", "no key 'x'"),
        ("$(jobRun.list.2)", "no element '2' in an array of 2"),
        ("$(jobRun.list.-1)", None),
        ("$(jobRun.list.x)", "no element 'x'"),
        ("$(jobRun.text.x)", "'x' asks for a part of something that is no object or array"),
        ("$(jobSpec)", "this run has no variable jobSpec"),
    ],
)
async def test_references_that_lead_nowhere(reference: str, part: str | None) -> None:
    variables: dict[str, Value] = {"jobRun": {"list": [None, None], "text": "t"}}
    source = f"m [type=memo value=<{reference}>]"
    if part is None:
        with pytest.raises(InputError):
            parse_pipeline(source)
    else:
        assert part in await reason(source, variables)


DOCUMENT = '{"a":{"b":["x",{"c":1.10}]},"n":12345678901234567890.123456789012345678901,"s":"7","z":null}'


async def parsed(attributes: str, document: str = DOCUMENT) -> Outcome:
    return await final(f'm [type=jsonparse data="$(jobRun)" {attributes}]', {"jobRun": document})


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('path="a,b,1,c"', Decimal("1.10")),
        ('path="a,b,-1,c"', Decimal("1.10")),
        ('path="a,b,0"', "x"),
        ('path="a/b/0" separator="/"', "x"),
        ('path="a, then b" separator=", then "', ["x", {"c": Decimal("1.10")}]),
        ('path="n"', Decimal("12345678901234567890.123456789012345678901")),
        ('path="s"', "7"),
        ('path="z"', None),
        ('path="a,x" lax=true', None),
        ('path="a,x,y,z" lax=true', None),
        ('path="a,b,2" lax=true', None),
        ('path="a,b,18446744073709551616" lax=true', None),
        ('path="s,x" lax=true', None),
        ('path="a,b" lax=false', ["x", {"c": Decimal("1.10")}]),
    ],
)
async def test_jsonparse(attributes: str, expected: Value) -> None:
    outcome = await parsed(attributes)
    assert outcome == expected
    assert str(outcome) == str(expected)


@pytest.mark.parametrize(
    ("attributes", "document", "part"),
    [
        ('path="a,x"', DOCUMENT, "no 'a,x' in the document: no key 'x'"),
        ('path="a,b,2"', DOCUMENT, "no element 2 in an array of 2"),
        ('path="a,b,-3"', DOCUMENT, "no element -3"),
        ('path="a,b,x" lax=true', DOCUMENT, "'x' is not an index of an array"),
        ('path="s,x"', DOCUMENT, "no object or array"),
        ('path=" s"', DOCUMENT, "no key ' s'"),
        ('path="a"', "{", "not JSON"),
        ('path="a"', "", "not JSON"),
        ('path="a"', '{"a": NaN}', "NaN is not a JSON number"),
        ('path="a"', "{} {}", "not JSON"),
        ('path="a"', "[" * 20_000, "JSON is nested too deeply"),
    ],
)
async def test_jsonparse_failures(attributes: str, document: str, part: str) -> None:
    outcome = await parsed(attributes, document)
    assert isinstance(outcome, TaskError)
    assert part in outcome.reason


async def test_jsonparse_takes_its_path_from_elsewhere() -> None:
    source = 'm [type=jsonparse data="$(jobRun.d)" path="$(jobRun.p)"]'
    assert await final(source, {"jobRun": {"d": DOCUMENT, "p": ["a", "b", "0"]}}) == "x"
    assert await final(source, {"jobRun": {"d": DOCUMENT, "p": "a,b,0"}}) == "x"
    mixed: list[Value] = ["a", Decimal(0)]
    assert "not an array of texts" in await reason(source, {"jobRun": {"d": DOCUMENT, "p": mixed}})
    assert "neither text nor" in await reason(source, {"jobRun": {"d": DOCUMENT, "p": Decimal(1)}})
    assert "input is not text" in await reason(source, {"jobRun": {"d": Decimal(1), "p": "a"}})


@pytest.mark.parametrize(
    ("left", "times", "product"),
    [
        ("1.0832", "100000000", "108320000.0000"),
        ('"1.0832"', "1e8", "1.0832E+8"),
        ("0.1", "0.2", "0.02"),
        ("-3", "1.5", "-4.5"),
        ("0", "5", "0"),
        ('".5"', "2.", "1.0"),
        (
            "123456789012345678901234567890.12345",
            "1000000000000",
            "123456789012345678901234567890123450000000.00000",
        ),
    ],
)
async def test_multiply_is_exact(left: str, times: str, product: str) -> None:
    source = f'{sources(left)} m [type=multiply times="{times}"]'
    assert await final(source) == Decimal(product)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ('""', "'' is not a number"),
        ('"1 "', "'1 ' is not a number"),
        ('"1,5"', "is not a number"),
        ('"NaN"', "is not a number"),
        ('"Infinity"', "is not a number"),
        ('"1_000"', "is not a number"),
        ('"٣"', "is not a number"),
        ("true", "true is not a number"),
        ("null", "null is not a number"),
        ("[1]", "a list is not a number"),
        ('{"a":1}', "an object is not a number"),
        ("1e1000", "more than 1000 digits"),
        ("1e-1001", "more than 1000 digits"),
        ("1e999999999999999999999", "is out of range"),
        ("!", "input failed: s0: $(jobRun.missing)"),
    ],
)
async def test_multiply_refuses_what_is_no_number(value: str, part: str) -> None:
    assert part in await reason(f"{sources(value)} m [type=multiply times=2]", {"jobRun": {}})


async def test_products_are_bounded() -> None:
    chain = " -> ".join(["s0", *(f"m{number}" for number in range(5)), "m"])
    squares = "".join(f'm{number} [type=multiply times="1e300"];' for number in range(5))
    source = f"s0 [type=memo value=1]; {squares} m [type=multiply times=1]; {chain}"
    assert "m3: " in await reason(source)


@pytest.mark.parametrize("times", ["abc", "", "$", "$(x", "1e9999", "$(x) "])
def test_times_must_be_a_number_or_a_reference(times: str) -> None:
    with pytest.raises(InputError, match=r"times|declared"):
        parse_pipeline(f'{sources("1")} m [type=multiply times="{times}"]')


async def test_multiply_by_another_task() -> None:
    assert await final('a [type=memo value=3] m [type=multiply input="$(a)" times=" $( a ) "]') == Decimal(9)
    assert await final('m [type=multiply input="1.5" times=2]') == Decimal("3.0")


@pytest.mark.parametrize(
    ("attributes", "quotient"),
    [
        ("divisor=3", "0.3333333333333333"),
        ("divisor=3 precision=2", "0.33"),
        ("divisor=8 precision=2", "0.13"),
        ("divisor=-8 precision=2", "-0.13"),
        ("divisor=0.5", "2.0000000000000000"),
        ("divisor=3 precision=0", "0"),
        ("divisor=0.001 precision=-2", "1E+3"),
        ("divisor=0.007 precision=-1", "1.4E+2"),
    ],
)
async def test_divide_rounds_half_away_from_zero(attributes: str, quotient: str) -> None:
    outcome = await final(f"{sources('1')} m [type=divide {attributes}]")
    assert outcome == Decimal(quotient)


async def test_divide_by_zero() -> None:
    assert "division by zero" in await reason('a [type=memo value=0] m [type=divide input=1 divisor="$(a)"]')
    with pytest.raises(InputError, match="is zero"):
        parse_pipeline(f"{sources('1')} m [type=divide divisor=0]")
    with pytest.raises(InputError, match="precision"):
        parse_pipeline(f"{sources('1')} m [type=divide divisor=1 precision=5000]")


@pytest.mark.parametrize(
    ("task", "values", "expected"),
    [
        ("median", ["3", "1", "2"], "2"),
        ("median", ["1"], "1"),
        ("median", ["1", "2"], "1.5"),
        ("median", ["1", "4", '"2"', "3"], "2.5"),
        ("median", ["!", "!", "5"], "5"),
        ("median", ["1e18", "1", "2"], "2"),
        ("median allowedFaults=1", ["!", "2", "4"], "3"),
        ("median allowedFaults=1", ["null", "2", "4"], "3"),
        ("mean", ["1", "2", "2"], "1.6666666666666667"),
        ("mean precision=1", ["1", "2", "2"], "1.7"),
        ("mean", ["-1", "-2", "-2"], "-1.6666666666666667"),
        ("sum", ["0.1", "0.2", "0.3"], "0.6"),
        ("sum", ["1", "!"], "1"),
        ("any", ["!", "2", "3"], "2"),
        ("any", ['"text"', "2"], "text"),
    ],
)
async def test_aggregation(task: str, values: list[str], expected: str) -> None:
    outcome = await final(f"{sources(*values)} m [type={task}]", {"jobRun": {}})
    assert outcome == (expected if expected == "text" else Decimal(expected))


@pytest.mark.parametrize(
    ("task", "values", "part"),
    [
        ("median", ["!", "!"], "2 of 2 inputs failed, 1 allowed; first: s0: $(jobRun.missing)"),
        ("median allowedFaults=1", ["!", "!", "3"], "2 of 3 inputs failed, 1 allowed"),
        (
            "median allowedFaults=0",
            ["1", '"x"'],
            "1 of 2 inputs failed, 0 allowed; first: 'x' is not a number",
        ),
        ("median allowedFaults=9", ["!", "!"], "2 of 2 inputs failed, 9 allowed"),
        ("any", ["!", "!"], "all 2 inputs failed; first: s0:"),
    ],
)
async def test_aggregation_failures(task: str, values: list[str], part: str) -> None:
    assert part in await reason(f"{sources(*values)} m [type={task}]", {"jobRun": {}})


async def test_values_may_come_from_an_attribute() -> None:
    pair = 'a [type=memo value=1] b [type=memo value="$(jobRun.missing)"]'
    assert await final(pair + " m [type=median values=<[ $(a), $(b), 5 ]>]", {"jobRun": {}}) == Decimal(3)
    assert await final(
        'm [type=sum values="$(jobRun.list)"]', {"jobRun": {"list": ["1", Decimal(2)]}}
    ) == Decimal(3)
    assert "is not an array" in await reason('m [type=sum values="$(jobRun)"]', {"jobRun": "text"})
    assert "0 of 0 inputs failed" in await reason("m [type=sum values=<[]>]")
