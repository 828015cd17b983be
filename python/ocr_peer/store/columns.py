"""How bytes, lists and integers lie in columns. Reading checks, since a file can be damaged: `ValueError`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ocr_peer.protocol.config import ConfigDigest

__all__ = ["Row", "digest_text", "hex_list", "read_bytes", "read_int", "read_list", "read_text"]

Row = tuple[int | str | None, ...]
"""The columns of a table in the order of `migrations`."""


def digest_text(config_digest: ConfigDigest) -> str:
    """The key of everything that belongs to one configuration: 64 hex digits."""
    return config_digest.hex()


def hex_list(values: Iterable[bytes]) -> str:
    """A JSON list of hex strings."""
    return json.dumps([value.hex() for value in values])


def read_int(value: object) -> int:
    """An integer column."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not an integer")  # noqa: TRY004 - damage, not a programming error
    return value


def read_bytes(value: object) -> bytes:
    """A column of hex."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not hex")  # noqa: TRY004
    return bytes.fromhex(value)


def read_list(value: object) -> Sequence[object]:
    """A column that holds a JSON list, or a list inside one."""
    parsed = json.loads(value) if isinstance(value, str) else value
    if not isinstance(parsed, list):
        raise ValueError(f"{value!r} is not a list")  # noqa: TRY004
    return parsed


def read_text(value: object) -> str:
    """A text column."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004
    return value
