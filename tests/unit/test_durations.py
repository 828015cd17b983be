"""Go duration strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import InputError
from ocr_peer.pipeline import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("4s", 4 * 10**9),
        ("+4s", 4 * 10**9),
        ("1m30s", 90 * 10**9),
        ("500ms", 5 * 10**8),
        ("1.5h", 5_400 * 10**9),
        (".5s", 5 * 10**8),
        ("1.s", 10**9),
        ("2us3ns", 2_003),
        ("2µs", 2_000),
        ("2μs", 2_000),
        ("1.9ns", 1),
    ],
)
def test_durations_read_as_in_go(text: str, nanoseconds: int) -> None:
    assert parse_duration(text, field="timeout") == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "4", "s", ".s", "-1s", "1 s", "1d", "٣s", "1e3s", "9" * 70 + "s", "3000000h"]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="timeout"):
        parse_duration(text, field="timeout")


@given(st.integers(0, 2**63 - 1) | st.integers(0, 10**7).map(lambda n: n * 10**8))
def test_durations_round_trip(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds), field="timeout") == nanoseconds
