"""Reads the golden vectors in `tests/vectors` (format: `tests/vectors/README.md`)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent.parent / "vectors"


@cache
def cases(name: str) -> Any:
    """The `cases` of a vector file: a list, or an object of lists."""
    return json.loads((DIRECTORY / f"{name}.json").read_text())["cases"]


def unhex(text: str) -> bytes:
    """Bytes of a hex string with or without 0x."""
    return bytes.fromhex(text.removeprefix("0x"))
