"""The page that users of the crypto alone find: its example runs."""

from __future__ import annotations

import doctest
from pathlib import Path

README = Path(__file__).parents[2] / "rust" / "ocr_crypto" / "README.md"


def test_the_example_of_the_readme_runs() -> None:
    results = doctest.testfile(str(README), module_relative=False)
    assert results.attempted > 10
    assert results.failed == 0
