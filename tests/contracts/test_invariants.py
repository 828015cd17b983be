"""docs/invariants.md and the tests name each other."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "invariants.md"

ROW = re.compile(r"^\| ([A-Z]\d+) \|.*\| ([^|]*) \|$", re.MULTILINE)
NAME = re.compile(r"\btest_\w+")


def test_every_invariant_has_its_tests() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    sources = {
        path: path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py") if path != Path(__file__)
    }
    defined = {
        name for source in sources.values() for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)
    }
    rows = ROW.findall(text)
    labels = [label for label, _ in rows]
    assert len(labels) == len(set(labels)) > 30
    for label, tests in rows:
        assert NAME.search(tests), f"{label} has no test"
    named = {name for _, tests in rows for name in NAME.findall(tests)}
    assert named - defined == set(), "named in the document, not there"
    assert defined - named == set(), "there, not named in the document"


def test_every_invariant_label_in_the_tests_exists() -> None:
    labels = {label for label, _ in ROW.findall(DOCUMENT.read_text(encoding="utf-8"))}
    for path in HERE.glob("test_*.py"):
        used = set(re.findall(r"^# -+ ([A-Z]\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert used <= labels, f"{path.name} names invariants that are not in the document"
