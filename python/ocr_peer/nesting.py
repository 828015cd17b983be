"""How deep foreign JSON nests, told before a parser that recurses is let near it."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

__all__ = ["json_depth"]

_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _STEP)


def json_depth(body: bytes) -> int:
    """How deep the JSON nests, at most: brackets inside strings count as well.

    Python's parser recurses on the C stack, and what protects that is a process-wide limit which any
    import may raise (py-ecc does, to 100,000: from then on a hostile answer could kill the process).
    """
    return max(accumulate(_STEP[bracket] for bracket in body.translate(None, _NO_BRACKETS)), default=0)
