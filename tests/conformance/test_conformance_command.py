"""`ocr-peer conformance` on the golden vectors, and on files of other kinds, with faults, and renamed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ocr_peer.cli import main
from ocr_peer.conformance.kinds import KINDS
from tests.conformance.vectors import DIRECTORY, cases

NAMES = sorted(path.stem for path in DIRECTORY.glob("*.json"))
DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")


def conformance(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["conformance", *map(str, arguments)], prog_name="ocr-peer")


def written(folder: Path, content: Any, name: str) -> Path:
    path = folder / f"{name}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def case_of(name: str, index: int = 0) -> Any:
    return copy.deepcopy(cases(name)[index])


def test_every_golden_vector_passes() -> None:
    result = conformance(DIRECTORY, "--json")
    assert result.exit_code == 0, result.output
    *files, summary = map(json.loads, result.stdout.splitlines())
    assert [(file["kind"], file["status"], file["failed"]) for file in files] == [
        (name, "passed", 0) for name in NAMES
    ]
    assert {file["kind"]: file["passed"] for file in files} == {
        name: sum(map(len, found.values())) if isinstance(found := cases(name), dict) else len(found)
        for name in NAMES
    }
    assert summary == {
        "summary": True,
        "ok": True,
        "files": len(NAMES),
        "unsupported": 0,
        "malformed": 0,
        "passed": sum(file["passed"] for file in files),
        "failed": 0,
    }
    # What the chain charged cannot be known without running the chain; nothing else passes unseen.
    assert {file["kind"]: file["unchecked"] for file in files if file["unchecked"]} == {
        "ocr2_onchain_e2e": ["set_config_gas", "transmissions[].gas_used"]
    }


def test_the_table_names_kind_and_counts() -> None:
    result = conformance(DIRECTORY / "permutation.json", DIRECTORY / "ocr2_median_config.json")
    assert result.exit_code == 0
    header, first, second, summary = (line.split() for line in result.stdout.splitlines())
    assert header == ["FILE", "KIND", "PASSED", "FAILED"]
    assert first[1:] == ["permutation", "174", "0"]
    assert second[1:] == ["ocr2_median_config", "23", "0"]
    assert summary == ["197", "passed,", "0", "failed"]


@pytest.mark.parametrize("name", NAMES)
def test_a_renamed_file_is_known_by_its_fields(name: str, tmp_path: Path) -> None:
    found = cases(name)
    some = {section: items[:1] for section, items in found.items()} if isinstance(found, dict) else found[:1]
    result = conformance(written(tmp_path, {"cases": some}, "other"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[0])["kind"] == name


@pytest.mark.parametrize(
    "document", [{"cases": [{"a": 1}]}, {"keys": []}, [], 5, {"cases": {}}, {"cases": {"a": []}}]
)
def test_other_files_are_unsupported_and_never_passed(document: Any, tmp_path: Path) -> None:
    path = written(tmp_path, document, "ragep2p_limits")
    alone = conformance(path)
    assert alone.exit_code == 1
    assert "unsupported" in alone.stdout
    assert alone.stdout.splitlines()[-1].endswith("no case was run")
    together = conformance(path, DIRECTORY / "permutation.json", "--json")
    assert together.exit_code == 0
    unsupported, passed, summary = map(json.loads, together.stdout.splitlines())
    assert (unsupported["status"], unsupported["kind"], unsupported["passed"]) == ("unsupported", None, 0)
    assert (passed["status"], summary["unsupported"]) == ("passed", 1)


def test_a_difference_names_case_field_and_both_values(tmp_path: Path) -> None:
    wrong = case_of("permutation", 5)
    wrong["permutation"][0] = 60_000
    good = case_of("permutation", 6)
    path = written(tmp_path, {"cases": [good, wrong]}, "permutation")
    result = conformance(path)
    assert result.exit_code == 1
    assert "permutation.json: cases[1]: permutation[0]" in result.stdout
    assert "expected  60000" in result.stdout
    file, summary = map(json.loads, conformance(path, "--json").stdout.splitlines())
    assert (file["passed"], file["failed"], file["status"]) == (1, 1, "failed")
    (difference,) = file["failures"]
    assert (difference["case"], difference["field"], difference["expected"]) == (
        "cases[1]",
        "permutation[0]",
        "60000",
    )
    assert (summary["ok"], summary["failed"]) == (False, 1)


def test_a_case_is_named_by_its_mode_and_long_values_are_cut_at_the_difference(tmp_path: Path) -> None:
    case = case_of("ocr2_median_report_full_path", 40)
    report = case["report"]
    case["report"] = report[:-1] + ("0" if report[-1] != "0" else "1")
    result = conformance(written(tmp_path, {"cases": [case]}, "renamed"))
    assert result.exit_code == 1
    assert f"renamed.json: cases[0] ({case['mode']}): report\n" in result.stdout
    assert max(map(len, result.stdout.splitlines())) < 200
    assert f"({len(report) // 2} bytes)" in result.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda case: case.pop("key"), "permutation.json: cases[1].key = (missing): missing;"),
        (lambda case: case.update(key="0xzz"), "permutation.json: cases[1].key = 0xzz: not hex;"),
        (
            lambda case: case.update(key="0x00"),
            "permutation.json: cases[1].key = 0x00: 1 bytes instead of 16;",
        ),
        (
            lambda case: case.update(n="7"),
            "permutation.json: cases[1].n = 7: a string instead of an integer;",
        ),
        (lambda case: case.update(n=-1), "permutation.json: cases[1].n = -1: out of range;"),
        (lambda case: case.update(n=1.5), "permutation.json: cases[1].n = 1.5: a number with a fraction"),
        (lambda case: case.update(n=True), "permutation.json: cases[1].n = True: true or false instead"),
        (lambda case: case.update(n=None), "permutation.json: cases[1].n = null: null instead of an integer"),
        (
            lambda case: case.update(permutation=[[]]),
            "permutation.json: cases[1].permutation[0] = []: a list instead of an integer;",
        ),
    ],
)
def test_a_malformed_case_is_one_line(change: Any, message: str, tmp_path: Path) -> None:
    broken = case_of("permutation", 5)
    change(broken)
    path = written(tmp_path, {"cases": [case_of("permutation", 4), broken]}, "permutation")
    result = conformance(path, DIRECTORY / "ocr2_wire_messages.json")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"ocr-peer: error: {message}")
    assert result.stderr.count("\n") == 1
    assert "malformed" in result.stdout
    assert "10 passed, 0 failed; 1 of 2 files malformed" in result.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "permutation.json = {path}: not JSON: "),
        ('{"cases": [], "cases": []}', "permutation.json = {path}: not JSON: an object has 'cases' twice"),
        ("[" * 100_000, "permutation.json = {path}: nested deeper than 64"),
        ("9" * 5_000, "permutation.json = {path}: not JSON: "),
        (b"\xff".decode("latin-1"), "permutation.json = {path}: not JSON: "),
        ("[]", "permutation.json = []: a list instead of an object"),
        ("{}", "permutation.json: cases = (missing): missing"),
        ('{"cases": 5}', "permutation.json: cases = 5: a number instead of a list"),
        ('{"cases": []}', "permutation.json: cases = []: no case"),
        ('{"cases": [5]}', "permutation.json: cases[0] = 5: a number instead of an object"),
        ('{"cases": [{"n": "\\ud800\\u001b"}]}', "permutation.json: cases[0].n = \\ud800\\x1b: a string"),
    ],
)
def test_a_malformed_file_is_one_line(content: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, content, "permutation")
    result = conformance(path, "--json")
    assert result.exit_code == 2
    # The message shortens long paths.
    assert result.stderr.startswith("ocr-peer: error: " + message.partition("{path}")[0])
    assert message.partition("{path}")[2] in result.stderr or len(str(path)) > 100
    assert result.stderr.count("\n") == 1
    file, summary = map(json.loads, result.stdout.splitlines())
    assert (file["status"], file["passed"], summary["ok"]) == ("malformed", 0, False)
    assert file["error"] in result.stderr


def test_paths_that_name_nothing_are_wrong_input(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.json"):
        result = conformance(path)
        assert result.exit_code == 2
        assert result.stderr.startswith("ocr-peer: error: PATH = ")
    assert conformance().exit_code == 2


def test_a_file_that_is_named_twice_runs_once() -> None:
    result = conformance(DIRECTORY, DIRECTORY / "permutation.json", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["files"] == len(NAMES)


def unknown_oracles() -> tuple[Any, Any]:
    """A report's case by an oracle that the published vectors do not have, and its configuration's case."""
    report = next(case for case in cases("ocr2_median_report") if case["n"] == 1 and "signatures" in case)
    config = next(case for case in cases("ocr2_set_config") if case["n"] == 1)
    return copy.deepcopy(report), copy.deepcopy(config)


def test_signatures_of_unknown_keys_are_told_as_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocr_peer.conformance.known_keys.published_keys", dict)
    report, _ = unknown_oracles()
    path = written(tmp_path, {"cases": [report]}, "ocr2_median_report")
    alone = conformance(path)
    assert alone.exit_code == 0
    assert "not checked in ocr2_median_report.json: signed_observations[].ed25519_signature" in alone.stdout
    together = conformance(path, DIRECTORY / "ocr2_set_config.json")
    assert together.exit_code == 0
    assert "not checked" not in together.stdout
    report["signed_observations"][0]["ed25519_signature"] = "0x" + "00" * 64
    written(tmp_path, {"cases": [report]}, "ocr2_median_report")
    assert conformance(path).exit_code == 0
    assert conformance(path, DIRECTORY / "ocr2_set_config.json").exit_code == 1
    report["signed_observations"][0]["offchain_public_key"] = "0x" + "11" * 32
    written(tmp_path, {"cases": [report]}, "ocr2_median_report")
    assert conformance(path).exit_code == 1


def test_an_implementation_that_raises_has_not_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("no permutation today")

    monkeypatch.setattr("ocr_peer.crypto.permutation", broken)
    result = conformance(written(tmp_path, {"cases": [case_of("permutation")]}, "permutation"))
    assert result.exit_code == 1
    assert "RuntimeError: no permutation today" in result.stdout


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_documentation_describes_every_field(kind: Any) -> None:
    _, _, after = DOCUMENTATION.partition(f"## `{kind.name}`")
    chapter = after.partition("\n## ")[0]
    found = cases(kind.name)
    for name in sorted(field_names(found)):
        assert f"`{name}`" in chapter, name


def field_names(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(field_names, value))
    if isinstance(value, dict):
        return set(value).union(*map(field_names, value.values()))
    return set()
