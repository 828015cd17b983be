"""The transmission machine alone: final reports and looks at the chain in, reads and transmissions out.

Four oracles, one per stage; this one is in stage 2, then 1, then 0 (`machines.Turns`). ΔStage is 2 s, so
that a whole schedule takes 5 × 2 s and 10 s of slack.
"""

from __future__ import annotations

from typing import Any

import pytest

from ocr_peer.protocol.config import SECOND, Duration, Instant, OracleId
from ocr_peer.protocol.effects import (
    ChainReadPurpose,
    ChainReadTag,
    Effect,
    MilestoneKind,
    PendingTransmission,
    ReadChain,
    SettledTransmission,
    Transmit,
)
from ocr_peer.protocol.report import AttestedReport, RoundTag
from ocr_peer.protocol.transmission import MAX_ATTEMPTS, MAX_PENDING, Transmission
from tests.protocol.committee import committee_config
from tests.protocol.machines import (
    NOW,
    ObedientPlugin,
    Turns,
    after,
    attested,
    details,
    only,
    records,
    told,
    view,
)

CONFIG = committee_config(
    4,
    1,
    delta_stage=Duration(2 * SECOND),
    max_duration_should_accept=Duration(3),
    max_duration_should_transmit=Duration(4),
)
OWN = OracleId(2)
TAG = RoundTag(3, 2)
REPORT = attested(CONFIG, TAG)
ACCEPT, TRANSMIT = ChainReadPurpose.ACCEPT, ChainReadPurpose.TRANSMIT
LIFE = 60.0
"""Three schedules of 20 s."""
BEHIND = view(CONFIG, 3, 1)
SHOWN = view(CONFIG, 3, 2)


class Machine:
    """A transmission whose effects come as return values."""

    def __init__(self, never: frozenset[int] = frozenset()) -> None:
        self.plugin = ObedientPlugin()
        self.transmission = Transmission(CONFIG, OWN, Turns(CONFIG, never=never), self.plugin)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: object) -> list[Effect]:
            effects: list[Effect] = []
            getattr(self.transmission, name)(*arguments, effects)
            return effects

        return call

    @property
    def deadline(self) -> Instant | None:
        return self.transmission.next_deadline()

    def accepted(self, report: AttestedReport = REPORT, at: float = 0) -> list[Effect]:
        """Through acceptance; the effects of the decision."""
        (read,) = only(ReadChain, self.on_attested(report, after(at)))
        return self.on_chain_read(read.tag, BEHIND, after(at))  # type: ignore[no-any-return]

    def its_turn(self, at: float) -> ChainReadTag:
        """The read that the turn begins with."""
        (read,) = only(ReadChain, self.on_time(after(at)))
        assert read.tag.purpose is TRANSMIT
        return read.tag


def pending(tag: RoundTag, finalized_at: float, due: float, attempt: int = 0) -> PendingTransmission:
    return PendingTransmission(attested(CONFIG, tag), after(finalized_at), after(due), attempt)


def test_a_final_report_is_first_looked_up_on_chain() -> None:
    machine = Machine()
    assert machine.deadline is None
    assert machine.on_attested(REPORT, NOW) == [ReadChain(ChainReadTag(ACCEPT, TAG, 1), Duration(3))]
    assert machine.deadline is None
    assert machine.on_attested(REPORT, NOW) == []


def test_an_accepted_report_waits_for_its_stage_in_the_store() -> None:
    machine = Machine()
    effects = machine.accepted()
    assert records(effects) == [PendingTransmission(REPORT, NOW, after(4), 0)]
    assert told(effects) == [(MilestoneKind.ACCEPTED, TAG)]
    assert details(effects) == {"stage": 2, "attempt": 0}
    assert machine.deadline == after(4)
    assert machine.on_time(after(3.9)) == []
    assert machine.on_time(after(4)) == [ReadChain(ChainReadTag(TRANSMIT, TAG, 2), Duration(4))]
    assert machine.deadline is None


def test_a_report_that_is_not_accepted_is_forgotten() -> None:
    machine = Machine()
    machine.plugin.acceptable = False
    effects = machine.accepted()
    assert records(effects) == []
    assert told(effects) == [(MilestoneKind.NOT_ACCEPTED, TAG)]
    assert machine.deadline is None
    # Forgotten, so that an echo may bring it again, and the next is compared with nothing.
    machine.plugin.acceptable = True
    assert records(machine.accepted()) != []
    assert machine.plugin.last_accepted == [None, None]


def test_a_report_that_the_contract_refuses_for_good_is_let_go() -> None:
    machine = Machine()
    machine.accepted()
    effects = machine.on_refused(TAG)
    assert records(effects) == [SettledTransmission(TAG)]
    assert details(effects) == {"reason": "refused by the contract"}
    assert machine.deadline is None
    assert machine.on_refused(TAG) == []


def test_a_report_that_is_not_accepted_yet_cannot_have_been_refused() -> None:
    machine = Machine()
    (read,) = only(ReadChain, machine.on_attested(REPORT, NOW))
    assert machine.on_refused(TAG) == []
    assert records(machine.on_chain_read(read.tag, BEHIND, NOW)) != []


def test_an_oracle_outside_the_schedule_forgets_what_it_accepted() -> None:
    machine = Machine(never=frozenset({OWN}))
    effects = machine.accepted()
    assert records(effects) == []
    assert details(effects) == {"stage": -1, "attempt": 0}
    assert machine.deadline is None
    assert only(ReadChain, machine.on_attested(REPORT, NOW)) != []


def test_the_last_accepted_report_is_remembered_until_it_would_expire() -> None:
    machine = Machine()
    newer, newest = (attested(CONFIG, RoundTag(3, round_)) for round_ in (3, 4))
    machine.accepted(at=0)
    machine.accepted(newer, at=LIFE - 0.1)
    machine.accepted(newest, at=2 * LIFE - 0.1)
    assert machine.plugin.last_accepted == [None, REPORT, None]


def test_the_turn_is_taken_and_the_next_attempt_scheduled() -> None:
    machine = Machine()
    machine.accepted()
    effects = machine.on_chain_read(machine.its_turn(4), BEHIND, after(4.5))
    assert only(Transmit, effects) == [Transmit(REPORT, 2, 0)]
    assert records(effects) == [PendingTransmission(REPORT, NOW, after(22), 1)]
    assert told(effects) == [(MilestoneKind.TRANSMISSION_DUE, TAG), (MilestoneKind.ACCEPTED, TAG)]
    effects = machine.on_chain_read(machine.its_turn(22), BEHIND, after(22))
    assert only(Transmit, effects) == [Transmit(REPORT, 1, 1)]
    assert records(effects) == [PendingTransmission(REPORT, NOW, after(40), 2)]
    effects = machine.on_chain_read(machine.its_turn(40), BEHIND, after(40))
    assert only(Transmit, effects) == [Transmit(REPORT, 0, 2)]
    assert records(effects) == []
    assert machine.deadline == after(LIFE)
    effects = machine.on_time(after(LIFE))
    assert records(effects) == [SettledTransmission(TAG)]
    assert details(effects) == {"reason": "expired"}
    assert MAX_ATTEMPTS == 3


def test_a_transmission_carries_the_signatures_that_the_contract_takes() -> None:
    machine = Machine()
    extra = attested(CONFIG, TAG)
    signatures = (*extra.signatures, *attested(CONFIG, TAG).signatures)
    report = AttestedReport(extra.context, extra.report, signatures)
    effects = machine.accepted(report)
    assert records(effects) == [PendingTransmission(report, NOW, after(4), 0)]
    (transmit,) = only(Transmit, machine.on_chain_read(machine.its_turn(4), BEHIND, after(4)))
    assert transmit.report.signatures == signatures[:2]


def test_what_is_not_worth_it_any_more_is_settled_without_transmitting() -> None:
    machine = Machine()
    machine.accepted()
    machine.plugin.transmittable = False
    effects = machine.on_chain_read(machine.its_turn(4), BEHIND, after(4))
    assert only(Transmit, effects) == []
    assert records(effects) == [SettledTransmission(TAG)]
    assert details(effects) == {"reason": "on chain or overtaken"}
    assert machine.deadline is None


@pytest.mark.parametrize("purpose", [ACCEPT, TRANSMIT])
def test_a_failed_read_is_repeated_after_a_second_with_the_same_purpose(purpose: ChainReadPurpose) -> None:
    machine = Machine()
    if purpose is TRANSMIT:
        machine.accepted()
        read = machine.its_turn(4)
    else:
        read = only(ReadChain, machine.on_attested(REPORT, NOW))[0].tag
    assert machine.on_chain_read(read, None, after(5)) == []
    assert machine.deadline == after(6)
    (again,) = only(ReadChain, machine.on_time(after(6)))
    assert again.tag == ChainReadTag(purpose, TAG, read.generation + 1)
    assert machine.on_chain_read(read, BEHIND, after(7)) == []
    assert machine.on_chain_read(again.tag, BEHIND, after(7)) != []


def test_an_answer_counts_once() -> None:
    machine = Machine()
    (read,) = only(ReadChain, machine.on_attested(REPORT, NOW))
    assert machine.on_chain_read(read.tag, BEHIND, NOW) != []
    assert machine.on_chain_read(read.tag, BEHIND, NOW) == []
    assert machine.on_chain_read(read.tag, None, NOW) == []
    assert machine.deadline == after(4)


def test_an_answer_about_an_unknown_report_is_ignored() -> None:
    machine = Machine()
    assert machine.on_chain_read(ChainReadTag(ACCEPT, TAG, 1), BEHIND, NOW) == []


@pytest.mark.parametrize("shown", [SHOWN, view(CONFIG, 3, 3), view(CONFIG, 4, 1)])
def test_any_look_at_the_chain_settles_what_it_shows(shown: Any) -> None:
    machine = Machine()
    machine.accepted()
    machine.accepted(attested(CONFIG, RoundTag(5, 1)))
    effects = machine.on_view(shown)
    assert records(effects) == [SettledTransmission(TAG)]
    assert told(effects) == [(MilestoneKind.TRANSMISSION_SETTLED, TAG)]
    assert details(effects) == {"reason": "on chain or overtaken"}
    assert machine.on_view(shown) == []


def test_the_answer_to_one_reports_read_settles_others() -> None:
    machine = Machine()
    machine.accepted()
    (read,) = only(ReadChain, machine.on_attested(attested(CONFIG, RoundTag(5, 1)), after(1)))
    assert SettledTransmission(TAG) in records(machine.on_chain_read(read.tag, SHOWN, after(1)))
    machine.accepted()
    stray = ChainReadTag(TRANSMIT, RoundTag(9, 9), 1)
    assert records(machine.on_chain_read(stray, SHOWN, after(1))) == [SettledTransmission(TAG)]


def test_a_chain_behind_or_of_another_configuration_settles_nothing() -> None:
    machine = Machine()
    machine.accepted()
    assert machine.on_view(BEHIND) == []
    assert machine.on_view(view(CONFIG, 9, 9, digest=b"\1" * 32)) == []
    assert machine.deadline == after(4)


def test_what_is_not_yet_accepted_is_decided_by_its_own_read() -> None:
    machine = Machine()
    machine.on_attested(REPORT, NOW)
    assert machine.on_view(SHOWN) == []
    assert machine.on_chain_read(ChainReadTag(ACCEPT, TAG, 1), SHOWN, NOW) != []


def test_what_cannot_be_read_in_its_lifetime_expires() -> None:
    machine = Machine()
    (read,) = only(ReadChain, machine.on_attested(REPORT, NOW))
    machine.on_chain_read(read.tag, None, after(LIFE - 1))
    effects = machine.on_time(after(LIFE))
    assert told(effects) == [(MilestoneKind.TRANSMISSION_SETTLED, TAG)]
    # Nothing was stored of it, so nothing is struck off.
    assert records(effects) == []
    assert machine.deadline is None


def test_the_oldest_gives_way() -> None:
    machine = Machine()
    tags = [RoundTag(3, round_) for round_ in range(2, MAX_PENDING + 3)]
    for tag in (tags[1], tags[0], *tags[2:-1]):
        assert told(machine.accepted(attested(CONFIG, tag))) == [(MilestoneKind.ACCEPTED, tag)]
    effects = machine.on_attested(attested(CONFIG, tags[-1]), after(1))
    assert records(effects) == [SettledTransmission(tags[0])]
    assert details(effects) == {"reason": "displaced"}
    assert MAX_PENDING == 64


def test_turns_that_come_together_are_taken_in_the_order_of_rounds() -> None:
    machine = Machine()
    later, earlier = RoundTag(4, 1), RoundTag(3, 9)
    for tag in (later, earlier):
        machine.accepted(attested(CONFIG, tag))
    assert [read.tag.round for read in only(ReadChain, machine.on_time(after(4)))] == [earlier, later]


def test_a_restart_takes_up_what_is_to_come() -> None:
    machine = Machine()
    first, second = pending(RoundTag(3, 1), -1, 3), pending(TAG, -2, 7)
    assert machine.start((second, first), NOW) == []
    assert machine.deadline == after(3)
    (read,) = only(ReadChain, machine.on_time(after(3)))
    assert read.tag == ChainReadTag(TRANSMIT, RoundTag(3, 1), 1)
    assert machine.deadline == after(7)
    machine.accepted(attested(CONFIG, RoundTag(3, 5)), at=8)
    assert machine.plugin.last_accepted == [second.report]


def test_what_was_accepted_before_a_restart_is_remembered_until_it_would_expire() -> None:
    machine = Machine()
    machine.start((pending(TAG, -30, 7),), NOW)
    machine.accepted(attested(CONFIG, RoundTag(3, 4)), at=LIFE - 30)
    assert machine.plugin.last_accepted == [None]


def test_of_the_overdue_a_restart_takes_up_the_newest() -> None:
    machine = Machine()
    overdue = [pending(RoundTag(3, round_), -20, due) for round_, due in ((1, -1), (3, -9), (2, 0))]
    effects = machine.start((*overdue, pending(RoundTag(3, 4), -1, 1)), NOW)
    assert records(effects) == [SettledTransmission(RoundTag(3, 1)), SettledTransmission(RoundTag(3, 2))]
    assert machine.deadline == NOW
    (read,) = only(ReadChain, machine.on_time(NOW))
    assert read.tag.round == RoundTag(3, 3)


def test_what_is_due_at_the_very_start_is_taken_up() -> None:
    machine = Machine()
    assert machine.start((pending(TAG, -4, 0),), NOW) == []
    assert machine.deadline == NOW


def test_of_the_overdue_an_expired_one_is_not_taken_up() -> None:
    machine = Machine()
    assert records(machine.start((pending(TAG, -LIFE, -1),), NOW)) == [SettledTransmission(TAG)]
    assert machine.deadline is None
    machine = Machine()
    assert machine.start((pending(TAG, -LIFE + 0.1, -1),), NOW) == []
    assert machine.deadline == NOW


def test_the_repeats_go_on_after_a_restart_where_they_stopped() -> None:
    machine = Machine()
    machine.start((pending(TAG, -24, -2, attempt=1),), NOW)
    effects = machine.on_chain_read(machine.its_turn(0), BEHIND, NOW)
    assert only(Transmit, effects) == [Transmit(REPORT, 1, 1)]
    assert records(effects) == [pending(TAG, -24, 16, attempt=2)]
