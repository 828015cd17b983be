"""Every scenario of the specification is one named test."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def test_every_number_from_1_to_57_is_a_test_exactly_once() -> None:
    names = [
        node.name
        for path in sorted(Path(__file__).parent.glob("test_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    numbers = [int(found[1]) for name in names if (found := re.match(r"test_scenario_(\d\d)_", name))]
    assert sorted(numbers) == list(range(1, 58))
    elsewhere = [
        path
        for path in Path(__file__).parent.parent.rglob("test_*.py")
        if "def test_scenario_" in path.read_text(encoding="utf-8") and path.parent != Path(__file__).parent
    ]
    assert not elsewhere
