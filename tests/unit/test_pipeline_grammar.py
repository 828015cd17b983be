"""The DOT dialect of `observationSource`: what is read, and what is said about what is not."""

from __future__ import annotations

import pytest

from ocr_peer.errors import InputError
from ocr_peer.pipeline.grammar import MAX_SOURCE_BYTES, MAX_TASKS, Place, read_graph

FIELD = "observationSource"


def attributes(source: str, name: str) -> dict[str, str]:
    declaration = read_graph(source, field=FIELD).declarations[name]
    return {attribute.name: attribute.value for attribute in declaration.attributes.values()}


def edges(source: str) -> list[tuple[str, str]]:
    return [(edge.source, edge.target) for edge in read_graph(source, field=FIELD).edges]


@pytest.mark.parametrize(
    "separator",
    [" ", ",", ", ", ";", "\n", "\t", "\r\n", " // remark\n", " /* re ** mark */ ", " # remark\n"],
)
def test_attributes_are_separated_by_blanks_commas_semicolons_and_comments(separator: str) -> None:
    assert attributes(f'a [type=http{separator}url="u"]', "a") == {"type": "http", "url": "u"}


def test_a_published_job_is_read() -> None:
    source = """
        // data source 1
        ds1          [type=bridge name=voter_turnout];
        ds1_parse    [type=jsonparse path="one,two"];
        ds1_multiply [type=multiply times=1.23];
        ds2 [type=http method=GET url="https://chain.link/voter_turnout/USA-2020" requestData=<{"hi": "hello"}>];
        ds1 -> ds1_parse -> ds1_multiply -> answer1;
        ds2 -> answer1;
        answer1 [type=median index=0];
    """
    assert attributes(source, "ds2")["requestData"] == '{"hi": "hello"}'
    assert attributes(source, "ds1_multiply") == {"type": "multiply", "times": "1.23"}
    assert edges(source) == [
        ("ds1", "ds1_parse"),
        ("ds1_parse", "ds1_multiply"),
        ("ds1_multiply", "answer1"),
        ("ds2", "answer1"),
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("plain_1", "plain_1"),
        ("-1.5", "-1.5"),
        (".5", ".5"),
        ('"a b"', "a b"),
        ('""', ""),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"back\\slash\tand\n"', "back\\slash\tand\n"),
        (r'"\x41\u00e9\U0001F600\101"', "Aé😀A"),
        ('"two\nlines"', "two\nlines"),
        ('<{"a": "b"}>', '{"a": "b"}'),
        ('<{"a": "<b>"}>', '{"a": "<b>"}'),
        ("< // no comment >", " // no comment "),
        ('"// no comment"', "// no comment"),
        ("ünï", "ünï"),
    ],
)
def test_values(written: str, value: str) -> None:
    assert attributes(f"a [x={written}]", "a") == {"x": value}


def test_statements_need_no_semicolon_and_may_repeat_a_task() -> None:
    source = "a [type=http]\na [url=u] b a -> b\n a -> c [label=x];;"
    assert attributes(source, "a") == {"type": "http", "url": "u"}
    assert edges(source) == [("a", "b"), ("a", "c")]
    assert list(read_graph(source, field=FIELD).declarations) == ["a", "b"]


def test_settings_outside_tasks_are_kept_apart() -> None:
    graph = read_graph("rankdir=LR; a [x=y]", field=FIELD)
    assert [(setting.name, setting.value) for setting in graph.settings] == [("rankdir", "LR")]


def test_positions_count_from_one() -> None:
    graph = read_graph("\n  a [\n    x=y]", field=FIELD)
    assert graph.declarations["a"].place == Place(2, 3)
    assert graph.declarations["a"].attributes["x"].place == Place(3, 5)


@pytest.mark.parametrize(
    ("source", "place", "fix"),
    [
        ("a [", "line 1, column 4", "close the list with ']'"),
        ("a [timeout=5s]", "line 1, column 14", "double quotes"),
        ("a [x=1e8]", "line 1, column 9", "double quotes"),
        ("a [url=https://x.y]", "line 1, column 13", "double quotes"),
        ("a [x=$(b)]", "line 1, column 6", "double quotes"),
        ('a\nb [x="u]', "line 2, column 6", "close the string"),
        ("a -- b", "line 1, column 3", "'a -> b'"),
        ("{a b} -> c", "line 1, column 1", "subgraphs are not supported"),
        ("digraph { a }", "line 1, column 9", "subgraphs are not supported"),
        ("a [x=<{<<>>}>]", "line 1, column 6", "one more level"),
        ("a /* b", "line 1, column 3", "'*/'"),
        ("a ->", "line 1, column 5", "a name or value"),
        ("a [x]", "line 1, column 5", "name=value"),
        (r'a [x="\d"]', "line 1, column 6", "two backslashes"),
        (r'a [x="\ud800"]', "line 1, column 6", "two backslashes"),
        (r'a [x="\U00110000"]', "line 1, column 6", "two backslashes"),
        ("a [x=1 X=2]", "line 1, column 8", "remove one of the two"),
    ],
)
def test_errors_name_place_and_fix(source: str, place: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        read_graph(source, field=FIELD)
    message = str(caught.value)
    assert place in message
    assert fix in message
    assert "\n" not in message


def test_size_is_bounded() -> None:
    with pytest.raises(InputError, match="too long"):
        read_graph("é" * (MAX_SOURCE_BYTES // 2 + 1), field=FIELD)
    read_graph("/*" + "x" * (MAX_SOURCE_BYTES - 4) + "*/", field=FIELD)


def test_number_of_tasks_is_bounded() -> None:
    read_graph("\n".join(f"t{number} [x=y]" for number in range(MAX_TASKS)), field=FIELD)
    with pytest.raises(InputError, match="201 tasks"):
        read_graph("\n".join(f"t{number}" for number in range(MAX_TASKS + 1)), field=FIELD)


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(InputError, match="not text"):
        read_graph("a\ud800", field=FIELD)
