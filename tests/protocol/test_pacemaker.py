"""The pacemaker alone: wishes in, epochs and records out. n = 7, f = 2, so that f+1 = 3 and 2f+1 = 5."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocr_peer.protocol.config import SECOND, Duration, OracleId
from ocr_peer.protocol.effects import Broadcast, Effect, PacemakerRecord, Persist
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.messages import NewEpoch
from ocr_peer.protocol.pacemaker import EpochChange, Pacemaker
from tests.protocol.committee import committee_config
from tests.protocol.machines import NOW, Turns, after, records, view

CONFIG = committee_config(7, 2, delta_progress=Duration(10 * SECOND), delta_resend=Duration(4 * SECOND))
OWN = OracleId(6)
LAST_EPOCH = 2**32 - 1


def pacemaker(
    record: PacemakerRecord | None = None, chain: ChainView | None = None, own_id: int = OWN
) -> Pacemaker:
    machine = Pacemaker(CONFIG, OracleId(own_id), Turns(CONFIG))  # type: ignore[arg-type]
    machine.start(record, chain, NOW, [])
    return machine


def wished(effects: list[Effect]) -> list[int]:
    """Epochs that are wished for aloud; each must stand behind a record that says so."""
    epochs = []
    for before, effect in zip([None, *effects], effects, strict=False):
        if isinstance(effect, Broadcast):
            assert isinstance(effect.message, NewEpoch)
            assert isinstance(before, Persist)
            assert isinstance(before.record, PacemakerRecord)
            assert before.record.highest_wished_epoch == effect.message.epoch
            epochs.append(effect.message.epoch)
    return epochs


def hear(machine: Pacemaker, *wishes: tuple[int, int]) -> tuple[list[EpochChange | None], list[Effect]]:
    effects: list[Effect] = []
    changes = [machine.on_new_epoch(OracleId(sender), epoch, NOW, effects) for sender, epoch in wishes]
    return changes, effects


def test_the_first_start_wishes_for_the_epoch_it_is_in() -> None:
    machine = Pacemaker(CONFIG, OWN, Turns(CONFIG))  # type: ignore[arg-type]
    assert machine.next_deadline() is None
    effects: list[Effect] = []
    assert machine.start(None, None, NOW, effects) == EpochChange(1, OracleId(1))
    assert effects == [Persist(PacemakerRecord(1, 1, (0,) * 7)), Broadcast(NewEpoch(1))]
    assert machine.next_deadline() == after(4)


def test_the_leader_of_the_first_epoch_leads_it_at_its_first_start() -> None:
    machine = Pacemaker(CONFIG, OracleId(1), Turns(CONFIG))  # type: ignore[arg-type]
    effects: list[Effect] = []
    assert machine.start(None, None, NOW, effects) == EpochChange(1, OracleId(1))
    assert wished(effects) == [1]


@pytest.mark.parametrize(
    ("record", "epoch", "highest_wished"),
    [
        (PacemakerRecord(5, 6, (1, 2, 3, 4, 5, 6, 7)), 5, 6),
        (PacemakerRecord(5, 3, (0,) * 7), 5, 5),
        (PacemakerRecord(0, 0, (0,) * 7), 1, 1),
    ],
)
def test_a_record_is_resumed(record: PacemakerRecord, epoch: int, highest_wished: int) -> None:
    machine = Pacemaker(CONFIG, OWN, Turns(CONFIG))  # type: ignore[arg-type]
    effects: list[Effect] = []
    change = machine.start(record, None, NOW, effects)
    assert change == EpochChange(epoch, OracleId(epoch % 7))
    assert wished(effects) == [highest_wished]
    assert machine.wishes == list(record.wishes)


@pytest.mark.parametrize("wishes", [(9,) * 6, (9,) * 8])
def test_a_record_of_another_committee_size_is_not_resumed(wishes: tuple[int, ...]) -> None:
    machine = pacemaker(PacemakerRecord(5, 6, wishes))
    assert (machine.epoch, machine.highest_wished, machine.wishes) == (1, 1, [0] * 7)


@pytest.mark.parametrize(("chain_epoch", "expected"), [(0, 1), (1, 2), (8, 9), (LAST_EPOCH, LAST_EPOCH)])
def test_the_chain_leads_a_node_without_memory_behind_its_epoch(chain_epoch: int, expected: int) -> None:
    assert pacemaker(chain=view(CONFIG, chain_epoch, 1)).highest_wished == expected


def test_the_chain_never_leads_back() -> None:
    assert pacemaker(PacemakerRecord(5, 20, (0,) * 7), view(CONFIG, 8, 1)).highest_wished == 20


def test_the_chain_of_another_configuration_says_nothing() -> None:
    assert pacemaker(chain=view(CONFIG, 8, 1, digest=b"\1" * 32)).highest_wished == 1


@pytest.mark.parametrize(
    ("own_id", "epoch", "wished_before", "expected"),
    [
        (5, 5, 5, 6),  # led it
        (5, 5, 9, 9),
        (4, 5, 5, 5),  # led by another
        (LAST_EPOCH % 7, LAST_EPOCH, 7, LAST_EPOCH),
    ],
)
def test_a_restarted_leader_asks_for_the_next_epoch(
    own_id: int, epoch: int, wished_before: int, expected: int
) -> None:
    machine = Pacemaker(CONFIG, OracleId(own_id), Turns(CONFIG))  # type: ignore[arg-type]
    effects: list[Effect] = []
    change = machine.start(PacemakerRecord(epoch, wished_before, (0,) * 7), None, NOW, effects)
    assert change.epoch == epoch
    assert wished(effects) == [expected]


def test_f_plus_one_wishes_are_joined_at_the_third_highest() -> None:
    machine = pacemaker()
    changes, effects = hear(machine, (0, 90), (1, 80))
    assert changes == [None, None]
    assert effects == []
    changes, effects = hear(machine, (2, 7))
    assert changes == [None]
    assert wished(effects) == [7]
    changes, effects = hear(machine, (3, 8))
    assert wished(effects) == [8]


def test_wishes_that_are_no_higher_than_the_own_do_not_count_as_joined() -> None:
    machine = pacemaker(PacemakerRecord(1, 5, (0,) * 7))
    assert wished(hear(machine, (0, 5), (1, 5), (2, 6), (3, 6))[1]) == []
    assert wished(hear(machine, (4, 6))[1]) == [6]


def test_two_f_plus_one_wishes_are_entered_at_the_fifth_highest() -> None:
    machine = pacemaker()
    changes, effects = hear(machine, (0, 90), (1, 80), (2, 7), (3, 3))
    assert changes == [None] * 4
    changes, effects = hear(machine, (4, 4))
    assert changes == [EpochChange(3, OracleId(3))]
    assert machine.epoch == 3
    assert records(effects)[-1] == PacemakerRecord(3, 7, (90, 80, 7, 3, 4, 0, 0))
    # The wishes that lead beyond it are counted again from there.
    changes, _ = hear(machine, (3, 6))
    assert changes == [EpochChange(4, OracleId(4))]
    changes, _ = hear(machine, (4, 5))
    assert changes == [EpochChange(5, OracleId(5))]


def test_entering_an_epoch_is_recorded_and_raises_the_own_wish() -> None:
    machine = pacemaker()
    machine.highest_wished = 1
    _, effects = hear(machine, *((oracle, 2) for oracle in range(5)))
    assert records(effects)[-1] == PacemakerRecord(2, 2, (2, 2, 2, 2, 2, 0, 0))
    assert not isinstance(effects[-1], Broadcast)
    machine = pacemaker(PacemakerRecord(4, 4, (6, 6, 6, 6, 0, 0, 0)))
    machine.highest_wished = 6
    changes, _ = hear(machine, (4, 9))
    assert changes == [EpochChange(6, OracleId(6))]
    assert machine.highest_wished == 6


def test_a_wish_no_higher_than_its_senders_last_changes_nothing() -> None:
    machine = pacemaker()
    hear(machine, (0, 4), (1, 4), (2, 4), (3, 4))
    for epoch in (4, 3, 0):
        changes, effects = hear(machine, (0, epoch))
        assert (changes, effects) == ([None], [])
    assert machine.wishes == [4, 4, 4, 4, 0, 0, 0]


def test_the_own_wish_counts_like_any_other() -> None:
    machine = pacemaker()
    changes, _ = hear(machine, (0, 2), (1, 2), (2, 2), (3, 2), (OWN, 2))
    assert changes[-1] == EpochChange(2, OracleId(2))


def test_wishes_are_repeated_every_delta_resend() -> None:
    machine = pacemaker()
    effects: list[Effect] = []
    machine.on_time(after(3.999), effects)
    assert effects == []
    machine.on_time(after(4), effects)
    assert wished(effects) == [1]
    assert machine.next_deadline() == after(8)


def test_without_progress_the_next_epoch_is_wished_for_once() -> None:
    machine = pacemaker()
    machine.on_time(after(8), [])
    assert machine.next_deadline() == after(10)
    effects: list[Effect] = []
    machine.on_time(after(10), effects)
    assert wished(effects) == [2]
    assert machine.next_deadline() == after(14)
    effects = []
    machine.on_time(after(14), effects)
    assert wished(effects) == [2]


def test_both_timers_due_at_once_make_one_wish() -> None:
    machine = pacemaker()
    effects: list[Effect] = []
    machine.on_time(after(30), effects)
    assert wished(effects) == [2]


def test_progress_of_the_epoch_puts_giving_up_off() -> None:
    machine = pacemaker()
    machine.on_progress(1, after(9))
    machine.on_time(after(18), [])
    assert machine.next_deadline() == after(19)
    machine.on_progress(2, after(18))
    machine.on_progress(0, after(18))
    assert machine.next_deadline() == after(19)


def test_giving_up_wishes_for_one_epoch_more_than_the_current() -> None:
    machine = pacemaker(PacemakerRecord(5, 9, (0,) * 7))
    effects: list[Effect] = []
    machine.change_leader(after(1), effects)
    assert wished(effects) == [9]
    machine = pacemaker(PacemakerRecord(LAST_EPOCH, 1, (0,) * 7))
    machine.change_leader(after(1), effects)
    assert wished(effects)[1:] == [LAST_EPOCH]
    assert machine.next_deadline() == after(5)


def patience(machine: Pacemaker) -> float:
    """Seconds until an epoch entered at `NOW` is given up."""
    assert machine._progress_deadline is not None
    return (machine._progress_deadline - NOW) / SECOND


def enter(machine: Pacemaker, epoch: int) -> float:
    changes, _ = hear(machine, *((oracle, epoch) for oracle in range(5)))
    assert changes[-1] is not None
    assert changes[-1].epoch == epoch
    return patience(machine)


def test_patience_doubles_after_more_than_f_epochs_without_progress() -> None:
    machine = pacemaker()
    assert patience(machine) == 10
    # The first change ends an epoch that is given the benefit of the doubt.
    waits = [enter(machine, epoch) for epoch in range(2, 11)]
    assert waits == [10, 10, 10, 20, 40, 80, 80, 80, 80]


def test_progress_makes_it_short_again() -> None:
    machine = pacemaker()
    for epoch in range(2, 7):
        enter(machine, epoch)
    machine.on_progress(6, NOW)
    assert patience(machine) == 10
    assert [enter(machine, epoch) for epoch in range(7, 12)] == [10, 10, 10, 20, 40]


def test_an_epoch_starts_its_patience_anew() -> None:
    machine = pacemaker()
    machine.change_leader(after(3), [])
    effects: list[Effect] = []
    for oracle in range(5):
        machine.on_new_epoch(OracleId(oracle), 2, after(5), effects)
    assert machine._progress_deadline == after(15)


def test_nothing_is_due_before_the_start() -> None:
    effects: list[Effect] = []
    Pacemaker(CONFIG, OWN, Turns(CONFIG)).on_time(NOW, effects)  # type: ignore[arg-type]
    assert effects == []


def test_no_fault_tolerance_needs_one_wish() -> None:
    config = replace(CONFIG, f=0, oracles=CONFIG.oracles[:2])
    machine = Pacemaker(config, OracleId(1), Turns(config))  # type: ignore[arg-type]
    machine.start(None, None, NOW, [])
    assert patience(machine) == 10
    effects: list[Effect] = []
    assert machine.on_new_epoch(OracleId(0), 3, NOW, effects) == EpochChange(3, OracleId(1))
    assert wished(effects) == [3]
    # Every epoch without progress doubles the patience, as there is nobody whose turn might be dead.
    for epoch, expected in ((4, 20), (5, 40)):
        machine.on_new_epoch(OracleId(0), epoch, NOW, effects)
        assert patience(machine) == expected
    machine.on_progress(5, NOW)
    assert patience(machine) == 10
