"""Vector files with faults: only `InputError` comes out, and no result that is stated passes unseen."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_peer.conformance.kinds import KINDS, Kind
from ocr_peer.conformance.output import file_object, table_lines
from ocr_peer.conformance.reading import VectorFormatError
from ocr_peer.conformance.suite import FileResult, VectorFile, run_file, run_suite
from tests.conformance.vectors import cases

Path_ = tuple[str | int, ...]

SENSELESS: dict[str, frozenset[str]] = {
    # Labels, what is not checked, and the words of a refusal.
    "ocr2_onchain_e2e": frozenset({"set_config_gas", "transmissions[].gas_used"}),
    "ocr2_wire_malleable": frozenset({"what", "error", "raw"}),
    "ocr2_median_observation_malleable": frozenset({"what", "observation"}),
    "ocr2_median_report": frozenset({"mode"}),
    "packed_report": frozenset(
        {"mode", "n", "malformed"}
        | {f"observations_in_order[].{name}" for name in ("timestamp", "juels_per_fee_coin")}
    ),
    # Arguments that need not change the result.
    "ocr2_median_report_full_path": frozenset({"mode", "n", "attributed_observations[].observation"}),
    "ocr2_median_plugin": frozenset(
        {"mode", "n", "epoch", "round", "config_digest", "onchain_config", "reporting_plugin_config", "error"}
        | {f"chain.{name}" for name in ("age_s", "config_digest", "epoch", "round", "latest_answer")}
        | {f"chain.requested_{name}" for name in ("config_digest", "epoch", "round")}
    ),
    "ocr2_leader_and_schedule": frozenset(
        {"leaders[].epoch", "transmission[].epoch", "transmission[].round", "s[]"}
    ),
    "ocr2_median_config": frozenset({"old", "new", "threshold_ppb"}),
    "ocr2_wire_messages": frozenset({"bytes"}),
    "permutation": frozenset({"key"}),
}
"""Fields whose change may leave a case passed."""


def documents(kind: Kind) -> list[Any]:
    """Documents of one small case each, of every form that the kind's cases have."""
    found = cases(kind.name)
    sections = found if isinstance(found, dict) else {None: found}
    documents: list[Any] = []
    for section, items in sections.items():
        forms: dict[frozenset[str], Any] = {}
        for item in sorted(
            (item for item in items if item.get("n", 4) >= 4), key=lambda i: len(json.dumps(i))
        ):
            forms.setdefault(frozenset(item), item)
        documents += [{"cases": [item] if section is None else {section: [item]}} for item in forms.values()]
    return documents


FILES = [
    pytest.param(kind, document, id=f"{kind.name}-{index}")
    for kind in KINDS
    for index, document in enumerate(documents(kind))
]


def run(kind: Kind, document: Any) -> FileResult:
    return run_file(VectorFile(Path(f"{kind.name}.json"), document, kind))


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Paths to everything inside, containers as well."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]
    return value


def generic(path: Path_) -> str:
    """The path inside the case, as `unchecked` writes it."""
    inside = path[2:] if isinstance(path[1], int) else path[3:]
    return "".join("[]" if isinstance(key, int) else f".{key}" for key in inside).removeprefix(".")


def raised(result: FileResult) -> list[str]:
    return [
        mismatch.got
        for failure in result.failures
        for mismatch in failure.mismatches
        if mismatch.field == "(the whole case)"
    ]


@pytest.mark.parametrize(("kind", "document"), FILES)
def test_the_small_cases_pass(kind: Kind, document: Any) -> None:
    assert run(kind, document).status == "passed"


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**70),
    st.sampled_from([2**2000, -(2**300), 1e400, float("nan")]),
    st.floats(),
    st.sampled_from(["", "0x", "0x0", "0xzz", "zz", "0x" + "ff" * 33, "-", "1e9", "٣", "\ud800", "\x1b[2J"]),
    st.sampled_from([[], {}, [[]], [{}], {"": 0}, ["0x00"], [1, 2, 3]]),
)


@pytest.mark.parametrize(("kind", "document"), FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_only_input_errors_come_out(kind: Kind, document: Any, data: st.DataObject) -> None:
    document = copy.deepcopy(document)
    path = data.draw(st.sampled_from(list(places(document))))
    container, key = at(document, path[:-1]), path[-1]
    how = data.draw(st.sampled_from(["drop", "replace", "twist"]))
    value = container[key]
    if how == "drop":
        del container[key]
    elif how == "twist" and isinstance(value, str) and value:
        container[key] = value[: data.draw(st.integers(0, len(value)))] + data.draw(st.sampled_from("gx 0-é"))
    elif how == "twist" and isinstance(value, int):
        container[key] = value + data.draw(st.sampled_from([-1, 1, 256, 2**32, 2**64, -(2**64)]))
    else:
        container[key] = data.draw(JUNK)
    try:
        result = run(kind, document)
    except VectorFormatError as malformed:
        line = str(malformed)
    else:
        # A result may be wrong now, but nothing may have been read without its type being checked.
        assert not [got for got in raised(result) if not got.startswith(("ValueError", "InputError"))], result
        return
    assert line.startswith(f"{kind.name}.json")
    assert "\n" not in line
    line.encode()


TEXTS = {
    "ocr2_set_config": ("oracles", 0, "peer_id"),
    "ocr2_wire_messages": ("type",),
    "ocr2_wire_malleable": ("what",),
    "ocr2_median_plugin": ("mode",),
}
"""A field of text by kind."""


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("text", ["\ud800", "12D3\udfffKoo", "\udc00\ud800"])
def test_half_a_surrogate_pair_is_an_error_that_names_the_case(name: str, text: str, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    document = copy.deepcopy(documents(kind)[0])
    path = ("cases", 0, *TEXTS[name])
    at(document, path[:-1])[path[-1]] = text
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(document), encoding="ascii")
    (result,) = run_suite([file])
    place = generic(path).replace("[]", "[0]")
    assert str(result.error).startswith(f"{name}.json: cases[0].{place} = ")
    assert "half a surrogate pair" in str(result.error)
    for line in (str(result.error), file_object(result), *table_lines([result])):
        line.encode()


def test_a_pair_of_surrogates_is_one_character(tmp_path: Path) -> None:
    document = {"cases": [{**cases("ocr2_wire_malleable")[0], "what": "\U0001f600"}]}
    file = tmp_path / "ocr2_wire_malleable.json"
    file.write_text(json.dumps(document), encoding="ascii")
    assert "\\ud83d\\ude00" in file.read_text(encoding="ascii")
    (result,) = run_suite([file])
    assert result.status == "passed"


def test_names_of_fields_with_half_a_surrogate_pair_are_printed(tmp_path: Path) -> None:
    document = {"cases": [{**cases("ocr2_wire_malleable")[0], "\ud800": "\ud800"}]}
    file = tmp_path / "ocr2_wire_malleable.json"
    file.write_text(json.dumps(document), encoding="ascii")
    (result,) = run_suite([file])
    assert (result.status, result.unchecked) == ("passed", ("\ud800",))
    for line in (file_object(result), *table_lines([result])):
        line.encode()


def changed(value: Any) -> Any:
    """Another value of the same form."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1 if value < 200 else value - 1
        case None:
            return 5
        case str() if value.removeprefix("-").isdigit() and len(value) < 59:
            return str(int(value) + 1) if int(value) < 2**191 - 1 else str(int(value) - 1)
        case "" | "0x":
            return value + "00"
        case _ if set(value.removeprefix("0x")) <= set("0123456789abcdefABCDEF"):
            return value[:-1] + ("2" if value[-1] == "1" else "1")
        case _:
            return value + "z"


@pytest.mark.parametrize(("kind", "document"), FILES)
def test_no_stated_value_can_change_unseen(kind: Kind, document: Any) -> None:
    unseen = set()
    seen: dict[str, int] = {}
    for path in places(document["cases"], ("cases",)):
        value = at(document, path)
        if isinstance(value, dict | list):
            continue
        name = generic(path)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 4 or name in SENSELESS.get(kind.name, ()):
            continue
        other = copy.deepcopy(document)
        at(other, path[:-1])[path[-1]] = changed(value)
        try:
            if run(kind, other).status == "passed":
                unseen.add(name)
        except VectorFormatError:
            continue
    assert not unseen
