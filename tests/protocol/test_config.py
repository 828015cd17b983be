"""Which configurations run, to the last value on either side, and what follows from the numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import MAX_ORACLES, MILLISECOND, SECOND, Duration, PrivateConfig
from tests.protocol.committee import committee_config

CONFIG = committee_config(4, 1)


def test_units_are_nanoseconds() -> None:
    assert (MILLISECOND, SECOND, MAX_ORACLES) == (1_000_000, 1_000_000_000, 31)


@pytest.mark.parametrize(
    ("n", "f", "unique", "observations", "reports"),
    [
        (1, 0, False, 1, 1),
        (4, 1, False, 3, 2),
        (31, 10, False, 21, 11),
        (1, 0, True, 1, 1),
        (4, 1, True, 3, 3),
        (5, 1, True, 3, 4),
        (7, 2, True, 5, 5),
        (31, 10, True, 21, 21),
    ],
)
def test_quorums(n: int, f: int, unique: bool, observations: int, reports: int) -> None:
    config = committee_config(n, f, unique_reports=unique)
    assert (config.n, config.observation_quorum, config.report_quorum) == (n, observations, reports)
    assert config.contract_signatures == f + 1


def test_reports_are_not_unique_unless_asked_for() -> None:
    assert committee_config(7, 1).report_quorum == 2


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((60, 5, 1, 2, 1), 9),  # the budget of all steps
        ((16, 5, 1, 2, 1), 8),  # no more than half the patience
        ((16, 9, 1, 2, 1), 9),  # no less than ΔRound
        ((12, 1, 4, 5, 3), 9),  # no less than the steps until the request
        ((12, 1, 7, 8, 3), 12 - 1e-9),  # always before the epoch is given up
        ((15, 1, 1, 1, 9), 7.5),
    ],
)
def test_a_round_has_its_budget_within_the_epochs_patience(seconds: tuple[int, ...], expected: float) -> None:
    names = (
        "delta_progress", "delta_round", "delta_grace", "max_duration_observation", "max_duration_report"
    )  # fmt: skip
    durations = {name: Duration(count * SECOND) for name, count in zip(names, seconds, strict=True)}
    assert replace(CONFIG, **durations).delta_round_max == round(expected * SECOND)  # type: ignore[arg-type]


def test_half_the_patience_is_rounded_down() -> None:
    config = replace(CONFIG, delta_progress=Duration(2001), delta_round=Duration(5), delta_grace=Duration(3))
    config = replace(config, max_duration_observation=Duration(500), max_duration_report=Duration(900))
    assert config.delta_round_max == 1000


def test_the_transmit_window_covers_all_stages_and_the_last_ones_turn() -> None:
    assert replace(CONFIG, stage_sizes=(1, 2, 1), delta_stage=Duration(7)).transmit_window == 28
    assert replace(CONFIG, stage_sizes=(), delta_stage=Duration(7)).transmit_window == 7


def with_budgets(query: int, observation: int, report: int) -> dict[str, int]:
    return {
        "max_duration_query": query,
        "max_duration_observation": observation,
        "max_duration_report": report,
    }


GOOD: list[dict[str, Any]] = [
    {},
    {"delta_progress": 1_000_000_001, **with_budgets(0, 0, 0)},
    {"delta_resend": 200_000_000},
    {"delta_progress": 200_000_000, "delta_round": 0, **with_budgets(0, 0, 0)},
    {"delta_round": 0, "delta_grace": 0, "delta_stage": 0},
    {"delta_round": 4_999_999_999},
    with_budgets(1_000_000_000, 1_000_000_000, 2_999_999_999),
    {"r_max": 1},
    {"r_max": 254},
    {"stage_sizes": ()},
    {"stage_sizes": (0, 31)},
    {"stage_sizes": (1,) * 999},
]

BAD: list[tuple[dict[str, Any], str]] = [
    ({"delta_progress": 199_999_999, "delta_round": 0}, "delta_progress"),
    ({"delta_resend": 199_999_999}, "delta_resend"),
    ({"delta_round": -1}, "delta_round"),
    ({"delta_grace": -1}, "delta_grace"),
    ({"delta_stage": -1}, "delta_stage"),
    ({"delta_round": 5_000_000_000}, "delta_round"),
    (with_budgets(1_000_000_000, 1_000_000_000, 3_000_000_000), "max_duration_query + observation + report"),
    (with_budgets(5_000_000_000, 0, 0), "max_duration_query + observation + report"),
    (with_budgets(0, 5_000_000_000, 0), "max_duration_query + observation + report"),
    ({"r_max": 0}, "r_max"),
    ({"r_max": 255}, "r_max"),
    ({"stage_sizes": (1,) * 1000}, "s"),
    ({"stage_sizes": (1, -1)}, "s[1]"),
    ({"stage_sizes": (32,)}, "s[0]"),
    ({"f": -1}, "f"),
    ({"f": 2}, "f"),
]


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_runs(changes: dict[str, Any]) -> None:
    replace(CONFIG, **changes).check()


@pytest.mark.parametrize(("changes", "field"), BAD, ids=str)
def test_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(CONFIG, **changes).check()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("n", "f", "field"),
    [(31, 10, None), (32, 10, "oracles"), (1, 0, None), (0, 0, "f"), (3, 1, "f"), (6, 2, "f")],
)
def test_committee_sizes(n: int, f: int, field: str | None) -> None:
    config = committee_config(n, f)
    if field is None:
        config.check()
        return
    with pytest.raises(InputError) as caught:
        config.check()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ("offchain_public_key", "offchain_public_keys[3]"),
        ("onchain_signing_address", "signers[3]"),
        ("peer_id", "peer_ids[3]"),
        ("transmit_account", "transmitters[3]"),
    ],
)
def test_every_oracle_has_its_own(attribute: str, field: str) -> None:
    first, second, third, fourth = CONFIG.oracles
    shared = getattr(second, attribute)
    oracles = (first, second, third, replace(fourth, **{attribute: shared}))
    with pytest.raises(InputError, match="oracle 1 has the same") as caught:
        replace(CONFIG, oracles=oracles).check()
    assert caught.value.field == field
    assert caught.value.value == (shared if isinstance(shared, str) else "0x" + shared.hex())


def test_a_secret_does_not_show() -> None:
    assert "secret" not in repr(PrivateConfig(b"secret key 16 by", b"secret key 16 by"))
