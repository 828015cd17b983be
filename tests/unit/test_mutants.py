"""The mutation check itself: what it changes, how it remembers, and when it is content."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import __main__ as command
from tests.mutants.equivalent import Equivalent, Equivalents
from tests.mutants.journal import Journal, Outcome, Result
from tests.mutants.operators import mutants_of
from tests.mutants.reach import Reach
from tests.mutants.session import import_mutated
from tests.mutants.source import ROOT, Module, Mutant, core_modules
from tests.mutants.verdict import verdict


def module(source: str) -> Module:
    return Module("protocol.sample", ROOT / "python" / "ocr_peer" / "protocol" / "sample.py", source)


def changes(source: str) -> set[tuple[str, str]]:
    """The touched lines before and after, of every mutant."""
    return {(mutant.original, mutant.mutated) for mutant in mutants_of(module(source))}


def mutated(source: str) -> set[str]:
    return {after for _, after in changes(source)}


def test_a_guard_never_applies_and_always() -> None:
    source = "def f(Δ):\n    if 'Δ' in Δ:  # Δ counts as two bytes\n        return\n    go(Δ)\n"
    assert mutated(source) == {
        "if True: # Δ counts as two bytes",
        "if False: # Δ counts as two bytes",
        "if 'Δ' not in Δ: # Δ counts as two bytes",
        "pass",
    }
    assert ("return", "pass") in changes(source)
    assert ("go(Δ)", "pass") in changes(source)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a > b", {"a >= b", "a <= b"}),
        ("(a) <= (b)", {"(a) < (b)", "(a) > (b)"}),
        ("a == b != c", {"a != b != c", "a == b == c"}),
        ("a is not None", {"a is None"}),
        ("a not in b", {"a in b"}),
        ("a and b", {"a or b", "True and b", "a and True"}),
        ("a or b", {"a and b", "False or b", "a or False"}),
        ("not a", {"bool(a)"}),
        ("f + 1", {"f - 1", "f + 0", "f + 2"}),
        ("-f", {"(f)"}),
        ("a % b", {"a * b"}),
        ("min(a, b)", {"max(a, b)", "(a)", "(b)"}),
        ("sorted(a, key=k)", {"list(a)"}),
        ("all(a)", {"any(a)"}),
        ("a[:b]", {"a"}),
        ("True", {"False"}),
        ("x if a else y", {"x if True else y", "x if False else y"}),
        ("[x for x in y if x.z]", {"[x for x in y if True]"}),
        ("PeerFault(a, f'{b + 1}')", set()),
        ("'text'", set()),
    ],
)
def test_expressions(expression: str, expected: set[str]) -> None:
    assert mutated(f"def f():\n    return {expression}\n") == {f"return {after}" for after in expected}


def test_effects_and_records_are_dropped_one_by_one() -> None:
    assert mutated("def f():\n    effects.append(\n        Persist(r)\n    )\n") == {"pass"}
    assert "effects += (PeerFault(o),)" in mutated("def f():\n    effects += (Persist(r), PeerFault(o))\n")
    assert "effects += (Persist(r),)" in mutated("def f():\n    effects += (Persist(r), PeerFault(o))\n")


def test_statements_of_state() -> None:
    source = (
        "class A:\n    def __init__(self):\n        self.a = x\n"
        "    def f(self):\n        self.a = x\n        b = x\n"
    )
    (mutant,) = mutants_of(module(source))
    assert (mutant.line, mutant.edit.function, mutant.mutated) == (5, "A.f", "pass")


def test_results_and_alternatives() -> None:
    assert mutated("def f() -> int | None:\n    return x\n") == {"return None"}
    assert mutated("def f() -> int:\n    return x\n") == set()
    source = "def f():\n    match x:\n        case A() | B() if y:\n            pass\n"
    assert mutated(source) == {
        "case A() if y:",
        "case B() if y:",
        "case A() | B() if True:",
        "case A() | B() if False:",
    }


def test_wording_and_types_are_left_alone() -> None:
    source = (
        '"""Text 1."""\n__all__ = ["A"]\nRecord = A | B\n'
        'class A:\n    """Text 2."""\n    a: int | None\n'
        "    def __repr__(self):\n        return 1 + 1\n"
        "def f(a: int | None = None) -> None:\n    assert_never(a)\n"
    )
    assert mutated(source) == set()


def test_code_that_runs_at_import_is_marked() -> None:
    source = "A = 1\nclass B:\n    c = True\n    def f(self):\n        return 2\n"
    marks = {mutant.original: mutant.edit.at_import for mutant in mutants_of(module(source))}
    assert marks == {"A = 1": True, "c = True": True, "return 2": False}


def test_numbers_follow_the_text_and_are_the_same_every_time() -> None:
    for core in core_modules():
        mutants = mutants_of(core)
        assert mutants == mutants_of(core)
        assert [mutant.number for mutant in mutants] == list(range(1, len(mutants) + 1))
        starts = [mutant.edit.start for mutant in mutants]
        assert starts == sorted(starts)


def test_every_mutant_of_the_core_compiles_and_differs() -> None:
    mutants = [mutant for core in core_modules() for mutant in mutants_of(core)]
    assert len(mutants) > 1500
    for mutant in mutants[::7]:
        assert mutant.source != mutant.module.source
        compile(mutant.source, mutant.name, "exec")
    assert len({mutant.key for mutant in mutants}) == len(mutants)


SAMPLE = mutants_of(module("def f(a):\n    return a > 1\n"))


def result(mutant: Mutant, outcome: Outcome, suite: str = "now") -> Result:
    return Result(mutant.key, suite, mutant.name, outcome, "a test", 0.1)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    first, second, third, _ = SAMPLE
    journal = Journal(path)
    journal.add(result(first, Outcome.KILLED))
    journal.add(result(second, Outcome.SURVIVED))
    journal.add(result(third, Outcome.TIMED_OUT))
    with path.open("a") as file:
        file.write('{"key": "cut o')
    journal = Journal(path)
    assert [journal.find(mutant.key, "now") is not None for mutant in SAMPLE] == [True, True, True, False]
    # Another suite may kill what survived; what died is dead.
    assert [journal.find(mutant.key, "later") is not None for mutant in SAMPLE] == [True, False, True, False]
    edited = mutants_of(module("def f(a):\n    return a > 1  # edited\n"))
    assert all(journal.find(mutant.key, "now") is None for mutant in edited)


def explained(mutant: Mutant, **fields: str) -> Equivalent:
    entry = {"original": mutant.original, "mutated": mutant.mutated, "function": mutant.edit.function}
    return Equivalent("protocol.sample", **{**entry, "reason": "because", **fields})


def test_an_explanation_is_matched_by_text() -> None:
    first, second, *_ = SAMPLE
    equivalents = Equivalents([explained(first)])
    assert equivalents.reason(first) == "because"
    assert equivalents.reason(second) is None
    assert equivalents.stale(SAMPLE) == []
    moved = mutants_of(module("A = x\n\n\ndef f(a):\n    return a > 1\n"))
    assert [equivalents.reason(mutant) for mutant in moved] == ["because", None, None, None]
    gone = [explained(first, mutated="return a < 1"), explained(first, function="g")]
    assert Equivalents(gone).stale(SAMPLE) == gone


def test_places_that_read_the_same_are_told_apart_by_the_line_above() -> None:
    source = "def f(a):\n    if a:\n        return\n    if b:\n        return\n"
    mutants = [mutant for mutant in mutants_of(module(source)) if mutant.mutated == "pass"]
    vague, exact = explained(mutants[1]), explained(mutants[1], previous="if b:")
    assert Equivalents([vague]).stale(mutants) == [vague]
    assert Equivalents([exact]).stale(mutants) == []
    assert [Equivalents([exact]).reason(mutant) for mutant in mutants] == [None, "because"]


@pytest.mark.parametrize(("text", "problem"), [('reason = " "\n', "no reason"), ("", "reason")])
def test_an_explanation_without_a_reason_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    fields = 'module = "m"\nfunction = "f"\noriginal = "a"\nmutated = "b"\n'
    path = tmp_path / "equivalent.toml"
    path.write_text("[[mutant]]\n" + fields + text)
    with pytest.raises((ValueError, TypeError), match=problem):
        Equivalents.load(path)


def test_the_list_speaks_of_mutants_there_are() -> None:
    mutants = [mutant for core in core_modules() for mutant in mutants_of(core)]
    assert Equivalents.load().stale(mutants) == []


@pytest.mark.parametrize(
    ("outcomes", "entries", "code", "said"),
    [
        ([Outcome.KILLED, Outcome.TIMED_OUT], [], 0, "every mutant died or is explained"),
        ([Outcome.SURVIVED, Outcome.KILLED], [], 1, "SURVIVED\n"),
        ([Outcome.NOT_COVERED, Outcome.KILLED], [], 1, "NOT COVERED\n"),
        ([Outcome.SURVIVED, Outcome.KILLED], [explained(SAMPLE[0])], 0, "explained: because"),
        ([Outcome.KILLED, Outcome.KILLED], [explained(SAMPLE[0])], 1, "yet killed by a test"),
        (
            [Outcome.KILLED, Outcome.KILLED],
            [explained(SAMPLE[0], function="g")],
            1,
            "explains no mutant, or more",
        ),
    ],
)
def test_the_verdict(outcomes: list[Outcome], entries: list[Equivalent], code: int, said: str) -> None:
    mutants = SAMPLE[:2]
    results = {m.key: result(m, outcome) for m, outcome in zip(mutants, outcomes, strict=True)}
    equivalents = Equivalents(entries)
    report, exit_code = verdict(mutants, results, equivalents, equivalents.stale(mutants))
    assert exit_code == code
    assert said in report
    if code and outcomes[0] is Outcome.SURVIVED:
        assert "python/ocr_peer/protocol/sample.py:2  protocol.sample#1  f" in report
        assert f"    - {mutants[0].original}\n    + {mutants[0].mutated}" in report


def test_the_command_runs_what_is_not_known_and_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "WORK", tmp_path)
    monkeypatch.setattr(command, "suite_digest", lambda: "suite")
    runs = []

    def run(todo: list[Mutant], journal: Journal, suite: str, options: object) -> None:
        runs.append(len(todo))
        for mutant in todo:
            journal.add(result(mutant, Outcome.KILLED, suite))

    monkeypatch.setattr(command, "_run", run)
    monkeypatch.setattr(command.Equivalents, "load", lambda: Equivalents([]))
    assert command.main(["--module", "median.policy"]) == 0
    assert command.main(["--module", "median.policy"]) == 0
    assert command.main(["--mutant", "median.policy#1", "--rerun"]) == 0
    assert runs == [runs[0], 0, 1]
    assert runs[0] > 10
    assert "median.policy" in capsys.readouterr().out
    assert command.main(["--module", "nothing.like.it"]) == 2
    assert command.main(["--list", "--module", "median.policy"]) == 0
    assert capsys.readouterr().out.count("    + ") == runs[0]


def test_a_mutated_module_is_imported_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = next(core for core in core_modules() if core.name == "median.policy")
    before = policy.path.read_bytes()
    mutant = next(mutant for mutant in mutants_of(policy) if mutant.mutated == "return new == 0")
    importlib.import_module("ocr_peer.median.policy")
    package = sys.modules["ocr_peer.median"]
    monkeypatch.setattr(package, "policy", sys.modules["ocr_peer.median.policy"])
    monkeypatch.delitem(sys.modules, "ocr_peer.median.policy")
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    import_mutated(mutant)
    mutated_policy = importlib.import_module("ocr_peer.median.policy")
    assert mutated_policy.deviates(1, 0, 0)
    assert policy.path.read_bytes() == before


ONE_MUTANT = """
import json, sys
from pathlib import Path
from tests.mutants import reach
from tests.mutants.__main__ import _try
from tests.mutants.operators import mutants_of
from tests.mutants.pool import forked, preload
from tests.mutants.source import core_modules
policy = next(core for core in core_modules() if core.name == "median.policy")
reach._test_files = lambda stages=3: [reach.ROOT / "tests/unit/test_median_plugin.py"]
preload()
chosen = [m for m in mutants_of(policy) if m.mutated in ("return new == 0", "_BILLION = 1000000001")]
known = reach.Reach.measure(Path(sys.argv[1]), 1, 5.0, 3)
outcomes = {m.mutated: answer for m, answer in forked(chosen, lambda m: _try(m, known), 2)}
print(json.dumps(outcomes))
"""


def test_a_child_finds_the_test_that_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_MUTANT, str(tmp_path / "tests.json")],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == 2
    for answer in outcomes.values():
        assert answer["outcome"] == "killed"
        assert answer["by"].startswith("tests/unit/test_median_plugin.py::test_")


def test_tests_are_chosen_by_what_they_enter() -> None:
    rows = {
        "tests/protocol/test_a.py::slow": (3.0, [2], False),
        "tests/protocol/test_a.py::quick": (0.1, [2], False),
        "tests/unit/test_b.py::quick": (0.01, [2], False),
        "tests/unit/test_b.py::elsewhere": (0.01, [7], False),
        "tests/unit/test_b.py::spawns": (0.01, [2], True),
        "tests/simulation/test_c.py::endless": (99.0, [2], False),
    }
    tests = {
        name: Reach.Test(seconds, {"protocol.sample": lines}, spawns)
        for name, (seconds, lines, spawns) in rows.items()
    }
    reach = Reach(tests, longest=15.0, limit=3)
    assert reach.left_out == 2
    assert reach.stages(SAMPLE[0]) == [
        {"tests/protocol/test_a.py::quick": 0.1},
        {"tests/unit/test_b.py::quick": 0.01},
        {"tests/protocol/test_a.py::slow": 3.0},
    ]
    at_import = mutants_of(module("A = 1\n"))[0]
    assert [name for stage in reach.stages(at_import) for name in stage][
        1
    ] == "tests/unit/test_b.py::elsewhere"
    assert Reach({}, longest=15.0, limit=3).stages(SAMPLE[0]) == []
