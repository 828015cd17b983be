"""Final reports alone: certificates in, echoes and attested reports out. n = 4, f = 1, r_max = 5."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocr_peer.protocol.config import SECOND, Duration, OracleId, ReportFormat
from ocr_peer.protocol.effects import Broadcast, Effect, MilestoneKind
from ocr_peer.protocol.evidence import Evidence, differing_reports
from ocr_peer.protocol.finalizer import CERTIFICATES_COMPARED, Finalizer, certificate_fault
from ocr_peer.protocol.messages import Final, FinalEcho
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext, RoundTag
from tests.protocol.committee import committee_config
from tests.protocol.machines import (
    ObedientPlugin,
    ReadableKeys,
    blamed,
    details,
    only,
    records,
    report_signature,
    signing_hash,
    told,
)

CONFIG = committee_config(4, 1, r_max=5)
SENDER = OracleId(3)


def finalizer(**changes: Any) -> Finalizer:
    return Finalizer(replace(CONFIG, **changes), ReadableKeys(0), ObedientPlugin())


def final(
    epoch: int = 2,
    round_: int = 1,
    *,
    report: bytes = b"report",
    extra_hash: bytes = bytes(32),
    signers: tuple[int, ...] = (0, 2),
) -> Final:
    covered = signing_hash(RoundTag(epoch, round_), extra_hash, report)
    signatures = tuple(report_signature(signer, covered) for signer in signers)
    return Final(epoch, round_, extra_hash, report, signatures)


def take(machine: Finalizer, message: Final) -> tuple[AttestedReport | None, list[Effect]]:
    effects: list[Effect] = []
    return machine.on_final(SENDER, message, effects), effects


def taken(machine: Finalizer, message: Final) -> bool:
    return take(machine, message)[0] is not None


def test_a_certified_report_is_handed_on_and_echoed_once() -> None:
    machine = finalizer()
    attested, effects = take(machine, final())
    context = ReportContext(CONFIG.config_digest, 2, 1, bytes(32))
    assert attested == AttestedReport(context, b"report", final().signatures)
    assert only(Broadcast, effects) == [Broadcast(FinalEcho(final()))]
    assert told(effects) == [(MilestoneKind.FINALIZED, RoundTag(2, 1))]
    assert details(effects) == {"signers": (0, 2), "sender": 3}
    assert take(machine, final()) == (None, [])
    # Another quorum's signatures on the same report are no news.
    assert take(machine, final(signers=(1, 3))) == (None, [])


@pytest.mark.parametrize(("round_", "expected"), [(0, False), (1, True), (5, True), (6, False)])
def test_rounds_are_those_of_an_epoch(round_: int, expected: bool) -> None:
    attested, effects = take(finalizer(), final(round_=round_))
    assert (attested is not None) is expected
    assert blamed(effects) == ([] if expected else [SENDER])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (final(extra_hash=bytes(31)), False),
        (final(extra_hash=bytes(33)), False),
        (final(report=bytes(20)), True),
        (final(report=bytes(21)), False),
        (final(signers=(0,)), False),
        (final(signers=(0, 1, 2)), False),
        (final(signers=(1, 1)), False),
        (replace(final(), signatures=(final().signatures[0], AttributedSignature(b"", OracleId(1)))), False),
        (replace(final(), signatures=(AttributedSignature(b"", OracleId(1)), final().signatures[0])), False),
        (replace(final(), epoch=3), False),
        (replace(final(), round=2), False),
        (replace(final(), report=b"other"), False),
        (replace(final(), extra_hash=b"\1" * 32), False),
    ],
)
def test_a_certificate_certifies_exactly_what_a_quorum_signed(message: Final, expected: bool) -> None:
    machine = finalizer()
    attested, effects = take(machine, message)
    assert (attested is not None) is expected
    assert blamed(effects) == ([] if expected else [SENDER])
    # A refused one does not keep the true one out.
    assert taken(machine, final()) is not expected


@pytest.mark.parametrize(
    ("extra_hash", "expected"), [(bytes(32), True), (b"\1" + bytes(31), False), (bytes(31) + b"\1", False)]
)
def test_a_packed_report_has_no_extra_hash(extra_hash: bytes, expected: bool) -> None:
    machine = finalizer(report_format=ReportFormat.PACKED)
    assert taken(machine, final(extra_hash=extra_hash)) is expected
    assert taken(finalizer(), final(extra_hash=extra_hash))


def test_why_a_certificate_is_refused() -> None:
    fault = certificate_fault(final(signers=(0,)), CONFIG, ReadableKeys(0))
    assert fault == "1 signatures instead of 2"
    assert certificate_fault(final(signers=(1, 1)), CONFIG, ReadableKeys(0)) == "a signer twice"
    broken = replace(final(), signatures=(final().signatures[0], AttributedSignature(b"", OracleId(1))))
    assert certificate_fault(broken, CONFIG, ReadableKeys(0)) == "invalid signature of oracle 1"
    assert certificate_fault(final(), CONFIG, ReadableKeys(0)) is None


@pytest.mark.parametrize(
    ("delta_round", "window"),
    [
        (0, 1000),
        (SECOND // 10, 1000),
        (SECOND, 600),
        (7 * SECOND, 86),  # 600 / 7, rounded up
        (60 * SECOND, 10),
        (200 * SECOND, 10),
    ],
)
def test_the_window_is_ten_minutes_of_rounds_within_bounds(delta_round: int, window: int) -> None:
    assert finalizer(delta_round=Duration(delta_round)).window == window


def small_window() -> Finalizer:
    machine = finalizer(delta_round=Duration(60 * SECOND))
    assert machine.window == 10
    return machine


def test_a_report_within_the_window_is_taken_late() -> None:
    machine = small_window()
    assert taken(machine, final(7, 3))  # index 38
    assert not taken(machine, final(5, 3))  # 28
    assert take(machine, final(5, 3, signers=())) == (None, [])
    assert taken(machine, final(5, 4))  # 29
    assert not taken(machine, final(5, 4))
    assert not taken(machine, final(7, 3))
    # The late one did not move the window back.
    assert not taken(machine, final(5, 3))
    assert taken(machine, final(7, 2))


def test_what_leaves_the_window_is_forgotten_and_not_taken_again() -> None:
    machine = small_window()
    for index in range(1, 40):
        epoch, round_ = divmod(index - 1, 5)
        assert taken(machine, final(epoch, round_ + 1))
        assert machine._finalized == set(range(max(1, index - 9), index + 1))
    assert not taken(machine, final(5, 4))
    assert machine._newest_index == 39


def test_a_jump_of_just_the_window_and_one_beyond_it() -> None:
    machine = small_window()
    for round_ in range(1, 5):
        assert taken(machine, final(2, round_))  # 11 … 14
    assert taken(machine, final(4, 3))  # 23: 14 … 23 stay
    assert machine._finalized == {14, 23}
    assert taken(machine, final(6, 3))  # 33: 24 … 33
    assert machine._finalized == {33}
    assert taken(machine, final(9, 1))  # 46
    assert machine._finalized == {46}
    assert not taken(machine, final(7, 1))  # 36
    assert taken(machine, final(7, 2))  # 37
    assert machine._finalized == {37, 46}


def test_a_jump_over_all_epochs_takes_no_time() -> None:
    machine = small_window()
    assert taken(machine, final(1, 1))
    assert taken(machine, final(2**32 - 1, 5))
    assert machine._finalized == {5 * 2**32}


def test_an_unverified_report_of_a_far_epoch_does_not_move_the_window() -> None:
    machine = small_window()
    assert taken(machine, final(2, 1))
    assert not taken(machine, replace(final(900, 1), signatures=()))
    assert taken(machine, final(2, 2))


def test_two_final_reports_of_one_round_convict_who_signed_both() -> None:
    machine = finalizer()
    first, second = final(signers=(0, 2)), final(report=b"another", signers=(2, 3))
    assert taken(machine, first)
    attested, effects = take(machine, second)
    assert attested is None
    assert only(Broadcast, effects) == []
    (evidence,) = records(effects)
    assert isinstance(evidence, Evidence)
    assert evidence.oracle == 2
    assert evidence.tag == RoundTag(2, 1)
    assert blamed(effects) == [2]
    assert take(machine, second) == (None, [])


def test_the_same_report_of_another_quorum_convicts_nobody_and_the_next_is_still_compared() -> None:
    machine = finalizer()
    first, again = final(signers=(0, 2)), final(signers=(2, 3))
    assert taken(machine, first)
    assert take(machine, again) == (None, [])
    assert differing_reports(CONFIG, first, again) == []
    assert blamed(take(machine, final(report=b"another", signers=(1, 2)))[1]) == [2]


def test_a_second_report_that_is_not_certified_convicts_its_sender_only() -> None:
    machine = finalizer()
    assert taken(machine, final())
    attested, effects = take(machine, final(report=b"another", signers=(2,)))
    assert attested is None
    assert records(effects) == []
    assert blamed(effects) == [SENDER]
    # It does not use the comparison up.
    assert blamed(take(machine, final(extra_hash=b"\1" * 32, signers=(2, 3)))[1]) == [2]


def test_as_many_reports_are_compared_as_are_kept_whole() -> None:
    machine = finalizer()
    rounds = [(2 + index // 5, 1 + index % 5) for index in range(CERTIFICATES_COMPARED + 1)]
    for epoch, round_ in rounds:
        assert taken(machine, final(epoch, round_))
    assert len(machine._compared) == CERTIFICATES_COMPARED == 32
    assert take(machine, final(*rounds[0], report=b"another")) == (None, [])
    for epoch, round_ in rounds[1:]:
        assert blamed(take(machine, final(epoch, round_, report=b"another"))[1]) == [0, 2]
