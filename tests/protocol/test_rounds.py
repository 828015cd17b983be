"""Whole rounds through real oracles in memory."""

from __future__ import annotations

import itertools
import random

import pytest

from ocr_peer import crypto
from ocr_peer.median.config import MedianOffchainConfig
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.protocol.attestation import committee_keys
from ocr_peer.protocol.config import SECOND, Duration, OracleId, ReportFormat
from ocr_peer.protocol.effects import MilestoneKind, PeerFault
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.messages import Final, FinalEcho, NewEpoch, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import RoundTag
from ocr_peer.wire.codec import encode_message
from ocr_peer.wire.limits import max_message_bytes, oversize
from tests.protocol.committee import MS, Committee


@pytest.mark.parametrize(("n", "f"), [(1, 0), (4, 1), (7, 2), (16, 5), (31, 10)])
def test_a_committee_without_faults_brings_every_round_on_chain(n: int, f: int) -> None:
    committee = Committee(n, f)
    committee.start()
    assert committee.run(30, lambda: len(committee.answers()) >= 5)
    assert not committee.faults
    finalized = set(committee.reached(MilestoneKind.FINALIZED))
    for tag in finalized:
        assert committee.reached(MilestoneKind.FINALIZED).count(tag) in range(1, n + 1)


def test_the_answer_is_the_median_of_the_observations() -> None:
    committee = Committee()
    committee.observe = lambda oracle, tag: [5, 1_000_000, 70, 60][oracle]
    committee.start()
    committee.run(10, lambda: bool(committee.answers()))
    assert committee.answers()[0] == 70


def test_all_oracles_finalize_the_same_report() -> None:
    committee = Committee(7, 2)
    committee.start()
    committee.run(3)
    first = RoundTag(1, 1)
    assert committee.reached(MilestoneKind.FINALIZED).count(first) == 7


def test_f_silent_oracles_do_not_stop_the_committee() -> None:
    committee = Committee(7, 2)
    committee.start(0, 1, 2, 3, 4)
    assert committee.run(120, lambda: len(committee.answers()) >= 10)


def test_f_plus_one_silent_oracles_stop_it_and_one_return_revives_it() -> None:
    committee = Committee(4, 1)
    committee.start(0, 1)
    assert not committee.run(60, lambda: bool(committee.answers()))
    committee.start(2)
    assert committee.run(120, lambda: len(committee.answers()) >= 3)


def test_a_dead_leader_costs_one_epoch() -> None:
    committee = Committee()
    committee.start()
    committee.run(3, lambda: bool(committee.answers()))
    leader = committee.oracles[OracleId(0)].leader
    before = len(committee.answers())
    committee.kill(leader)
    assert committee.run(30, lambda: len(committee.answers()) >= before + 3)
    assert all(oracle.epoch > 1 for oracle in committee.oracles.values())


def test_a_leader_changes_after_r_max_rounds() -> None:
    committee = Committee(r_max=2, delta_progress=Duration(60 * SECOND))
    committee.start()
    committee.run(20)
    entered = committee.reached(MilestoneKind.EPOCH_ENTERED, oracle=0)
    assert len(entered) > 3
    assert max(tag.round for tag in committee.reached(MilestoneKind.FINALIZED)) == 2


def test_a_final_report_that_only_one_oracle_got_reaches_all_by_echo() -> None:
    committee = Committee()
    lucky = OracleId(2)
    committee.delays = lambda sender, to, message: (
        () if isinstance(message, Final) and to != lucky else (5 * MS,)
    )
    committee.start()
    committee.run(3)
    assert committee.reached(MilestoneKind.FINALIZED).count(RoundTag(1, 1)) == 4


def test_a_lost_report_request_costs_a_round_and_not_the_epoch() -> None:
    committee = Committee()
    committee.delays = lambda sender, to, message: (
        () if isinstance(message, ReportReq) and message.round == 1 else (5 * MS,)
    )
    committee.start()
    assert committee.run(5, lambda: bool(committee.answers()))
    assert all(oracle.epoch == 1 for oracle in committee.oracles.values())
    assert committee.reached(MilestoneKind.ROUND_ABANDONED) == [RoundTag(1, 1)]


def test_lost_wishes_are_repeated() -> None:
    dice = random.Random(1)
    committee = Committee(r_max=1)
    committee.delays = lambda sender, to, message: (
        () if isinstance(message, NewEpoch) and dice.random() < 0.9 else (5 * MS,)
    )
    committee.start()
    assert committee.run(300, lambda: len(committee.answers()) >= 3)


def test_reordered_duplicated_and_late_messages_do_no_harm() -> None:
    dice = random.Random(2)
    committee = Committee(7, 2)
    committee.delays = lambda *_: [dice.randrange(400) * MS for _ in range(3)]
    committee.start()
    assert committee.run(60, lambda: len(committee.answers()) >= 5)


def test_a_report_request_that_overtakes_its_observe_request_is_held() -> None:
    committee = Committee()
    committee.delays = lambda sender, to, message: (
        (600 * MS,) if isinstance(message, ObserveReq) and to == 3 else (5 * MS,)
    )
    committee.start()
    committee.run(2)
    assert RoundTag(1, 1) in committee.reached(MilestoneKind.REPORT_REQUESTED, oracle=3)


def test_messages_of_a_coming_epoch_wait_for_it() -> None:
    committee = Committee(r_max=1)
    late = OracleId(3)
    committee.delays = lambda sender, to, message: (
        (300 * MS,) if isinstance(message, NewEpoch) and to == late else (5 * MS,)
    )
    committee.start()
    committee.run(4)
    requested = committee.reached(MilestoneKind.OBSERVATION_REQUESTED, oracle=late)
    assert {tag.epoch for tag in requested} >= {1, 2}
    assert RoundTag(2, 1) in requested


def test_no_report_when_nothing_changed_before_the_heartbeat() -> None:
    committee = Committee(
        reporting_plugin_config=MedianOffchainConfig(False, 10**7, False, 0, Duration(10**18)).encode()
    )
    committee.observe = lambda oracle, tag: 1000
    committee.start()
    committee.run(20)
    assert len(committee.answers()) == 1
    assert committee.reached(MilestoneKind.REPORT_SKIPPED)
    # Skipping is progress: no epoch is given up for it before its rounds are used up.
    rounds = {tag.epoch for tag in committee.reached(MilestoneKind.REPORT_SKIPPED)}
    assert {
        tag.round for tag in committee.reached(MilestoneKind.REPORT_SKIPPED) if tag.epoch == min(rounds) + 1
    } == {1, 2, 3, 4, 5}


def test_the_heartbeat_brings_a_report_without_deviation() -> None:
    committee = Committee(
        reporting_plugin_config=MedianOffchainConfig(True, 0, True, 0, Duration(10 * SECOND)).encode(),
    )
    committee.observe = lambda oracle, tag: 1000
    committee.start()
    committee.run(60)
    times = [at // SECOND for at, _, _ in committee.chain.accepted]
    assert len(times) >= 4
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(times))


def test_an_unreadable_chain_does_not_keep_oracles_from_signing() -> None:
    committee = Committee()
    committee.chain.readable = False
    committee.start()
    committee.run(3)
    assert committee.reached(MilestoneKind.FINALIZED)
    assert not committee.answers()
    committee.chain.readable = True
    assert committee.run(20, lambda: bool(committee.answers()))


def test_answers_outside_the_range_are_skipped() -> None:
    committee = Committee()
    committee.observe = lambda oracle, tag: 10**13
    committee.start()
    committee.run(5)
    assert not committee.reached(MilestoneKind.REPORT_SIGNED)
    assert committee.reached(MilestoneKind.REPORT_SKIPPED)


def test_messages_stay_below_their_kinds_limits() -> None:
    committee = Committee(31, 10)
    committee.start()
    committee.run(2)
    limits = MedianPlugin(committee.config, committee_keys(committee.config)).limits
    kinds = set()
    for _, _, message in committee.sent:
        encoded = encode_message(message)
        assert not oversize(message, len(encoded), 31, limits)
        assert len(encoded) <= max_message_bytes(31, limits)
        kinds.add(type(message))
    assert kinds == {NewEpoch, ObserveReq, Observe, ReportReq, Report, Final, FinalEcho}


@pytest.mark.parametrize(("n", "f"), [(1, 0), (4, 1), (7, 2), (31, 10)])
@pytest.mark.parametrize("unique", [False, True])
def test_a_committee_of_the_packed_format(n: int, f: int, unique: bool) -> None:
    committee = Committee(n, f, report_format=ReportFormat.PACKED, unique_reports=unique)
    committee.observe = lambda oracle, tag: 10**11 + oracle - 5
    committee.start()
    assert committee.run(30, lambda: len(committee.answers()) >= 3)
    assert not committee.faults
    keys = committee_keys(committee.config)
    assert keys.report_format == "packed"
    for _, _, report in committee.chain.accepted:
        context = report.context
        assert context.extra_hash == bytes(32)
        covered = crypto.packed_signing_hash(
            context.config_digest, context.epoch, context.round, report.report
        )
        assert len(report.signatures) == f + 1
        assert all(keys.verify_report_signature(covered, s.signer, s.signature) for s in report.signatures)
        assert len(report.report) < 7 + 2 * n + 24
    limits = MedianPlugin(committee.config, keys).limits
    assert not any(oversize(m, len(encode_message(m)), n, limits) for _, _, m in committee.sent)


def test_oracles_of_different_formats_do_not_agree_and_say_so() -> None:
    committee = Committee(4, 1)
    packing = Committee(4, 1, report_format=ReportFormat.PACKED)
    committee.start(0, 1, 2)
    packing.start(3)
    committee.oracles[OracleId(3)] = packing.oracles[OracleId(3)]
    assert committee.run(30, lambda: len(committee.answers()) >= 3), "three of four are enough"
    reasons = {fault.reason for _, fault in committee.faults}
    assert any(reason.startswith(("final report refused: ", "signed a different")) for reason in reasons)


@pytest.mark.parametrize(("n", "f", "quorum"), [(4, 1, 3), (5, 1, 4), (7, 2, 5), (31, 10, 21)])
def test_unique_reports_take_a_byzantine_quorum_and_are_transmitted_with_f_plus_one(
    n: int, f: int, quorum: int
) -> None:
    committee = Committee(n, f, unique_reports=True)
    committee.start()
    assert committee.run(30, lambda: len(committee.answers()) >= 3)
    finals = [message for _, _, message in committee.sent if isinstance(message, Final)]
    assert {len(final.signatures) for final in finals} == {quorum}
    assert {len(report.signatures) for _, _, report in committee.chain.accepted} == {f + 1}
    assert not committee.faults


def test_a_smaller_quorum_is_refused_where_reports_are_unique() -> None:
    committee = Committee(7, 2, unique_reports=True, delays=lambda *_: ())
    lone = Committee(7, 2)
    lone.start()
    lone.run(3)
    final = next(message for _, _, message in lone.sent if isinstance(message, Final))
    committee.start()
    effects = committee.inject(0, MessageReceived(OracleId(1), final))
    assert [effect.reason for effect in effects if isinstance(effect, PeerFault)] == [
        "final report refused: 3 signatures instead of 5"
    ]
