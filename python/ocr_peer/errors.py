"""Errors that people see, and the one that stops an instance.

Three families, and nothing else crosses a module boundary:

* a fault of a *peer* is never an exception: it is a `PeerFault` effect, counted;
* a fault of the *surroundings* (a file, an endpoint, a key) is an `OperatingError`; adapters translate
  library exceptions into it. `InputError` is the kind that the operator mends by changing an input;
* a broken rule of our own is an `InvariantError`: the instance stops rather than go on wrongly.
"""

from __future__ import annotations

__all__ = ["InputError", "InvariantError", "OperatingError"]


class OperatingError(Exception):
    """Something outside this program failed; the message is one line that an operator can act on."""


class InputError(OperatingError):
    """An input is wrong. The message names the field, the value and the fix, on one line.

    Args:
        field: dotted name of the option, key or argument, with its file where there is one.
        value: what was given; shown shortened. `None` shows as "missing".
        problem: what is wrong with it, as a clause without a full stop.
        fix: what to do instead, as an imperative clause.
    """

    def __init__(self, field: str, value: object, problem: str, fix: str) -> None:
        self.field = field
        self.value = value
        self.problem = problem
        self.fix = fix
        super().__init__(f"{field} = {_shown(value)}: {problem}; {fix}")


class InvariantError(Exception):
    """A rule that this program itself guarantees does not hold. Not an `assert`: `python -O` keeps it."""


def _shown(value: object, limit: int = 120) -> str:
    if value is None:
        return "(missing)"
    text = value if isinstance(value, str) else repr(value)
    # A value may come from a foreign file: what steers a terminal is spelled out.
    text = "".join(_visible(letter) for letter in " ".join(text.split())[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()
