"""Who transmits when, in the schedule's own turn and in the rotated repeats."""

from __future__ import annotations

import pytest

from ocr_peer import crypto
from ocr_peer.protocol.config import SECOND, Duration, OracleId, PrivateConfig
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule
from tests.protocol.committee import committee_config

CONFIG = committee_config(7, 2, stage_sizes=(1, 2, 2), delta_stage=Duration(3 * SECOND))
SCHEDULE = Schedule(CONFIG, PrivateConfig(b"leader key 16 by", b"transmission key"))
TAG = RoundTag(9, 3)


def test_both_keys_are_used_for_what_they_are_for() -> None:
    leaders = [SCHEDULE.leader(epoch) for epoch in range(1, 20)]
    assert leaders == [crypto.leader(b"leader key 16 by", epoch, 7) for epoch in range(1, 20)]
    assert SCHEDULE.stages(TAG) == crypto.transmission_delay_stages(
        b"transmission key", CONFIG.config_digest, 9, 3, 7, [1, 2, 2]
    )


def in_order(attempt: int) -> list[int | None]:
    """The stages of an attempt, by place in the schedule's own order."""
    own = SCHEDULE.stages(TAG)
    order = sorted(range(7), key=lambda oracle: (own[oracle] is None, own[oracle], oracle))
    return [SCHEDULE.stage(TAG, OracleId(oracle), attempt) for oracle in order]


@pytest.mark.parametrize(
    ("attempt", "stages"),
    [
        (0, [0, 1, 1, 2, 2, None, None]),
        (1, [2, 0, 1, 1, 2, None, None]),
        (2, [2, 2, 0, 1, 1, None, None]),
        (5, [0, 1, 1, 2, 2, None, None]),
    ],
)
def test_every_repeat_moves_the_schedule_by_one_place(attempt: int, stages: list[int | None]) -> None:
    assert in_order(attempt) == stages


def test_all_rounds_have_their_own_order() -> None:
    orders = {tuple(SCHEDULE.stages(RoundTag(epoch, round_))) for epoch in (1, 2) for round_ in (1, 2, 3)}
    assert len(orders) == 6


def test_a_stage_waits_for_all_before_it() -> None:
    assert [SCHEDULE.delay(stage) for stage in (0, 1, 4)] == [0, 3 * SECOND, 12 * SECOND]


def test_nobody_transmits_where_no_stage_is_configured() -> None:
    schedule = Schedule(committee_config(4, 1, stage_sizes=()), PrivateConfig(bytes(16), bytes(16)))
    for attempt in range(3):
        assert [schedule.stage(TAG, OracleId(oracle), attempt) for oracle in range(4)] == [None] * 4
