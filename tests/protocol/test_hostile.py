"""What a Byzantine oracle can say, and what comes of it."""

from __future__ import annotations

import hashlib

from ocr_peer import crypto
from ocr_peer.median.config import encode_int192
from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.effects import Broadcast, MilestoneKind, Observe, PeerFault, ReadChain, Send
from ocr_peer.protocol.events import MessageReceived, ObservationMade
from ocr_peer.protocol.messages import Final, NewEpoch, ObserveReq, Report, ReportReq
from ocr_peer.protocol.oracle import FUTURE_MESSAGES_PER_SENDER
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature, RoundTag
from tests.protocol.committee import MS, Committee, member_keys


def quiet_committee(n: int = 4, f: int = 1) -> tuple[Committee, OracleId, OracleId]:
    """A committee that hears nothing of itself, its leader, and one follower."""
    committee = Committee(n, f, delays=lambda *_: ())
    committee.start()
    leader = committee.oracles[OracleId(0)].leader
    follower = OracleId((leader + 1) % n)
    return committee, leader, follower


def observations(
    committee: Committee, tag: RoundTag, observers: list[int], digest: bytes | None = None
) -> list[AttributedObservation]:
    made = []
    for observer in observers:
        body = crypto.encode_observation(1_700_000_000, encode_int192(1000 + observer), bytes(24))
        signer = crypto.OffchainSigner(member_keys(observer).offchain)
        signature = signer.sign_observation(
            digest or committee.config.config_digest, tag.epoch, tag.round, b"", body
        )
        made.append(AttributedObservation(body, signature, OracleId(observer)))
    return made


def ask(
    committee: Committee, leader: OracleId, to: OracleId, request: list[AttributedObservation]
) -> list[object]:
    committee.inject(to, MessageReceived(leader, ObserveReq(1, 1, b"")))
    return list(committee.inject(to, MessageReceived(leader, ReportReq(1, 1, b"", tuple(request)))))


def answered(effects: list[object]) -> bool:
    return any(isinstance(effect, ReadChain) for effect in effects)


def test_a_good_request_is_answered_in_any_order() -> None:
    for order in ([0, 1, 2], [2, 0, 1], [3, 2, 1, 0]):
        committee, leader, follower = quiet_committee()
        assert answered(ask(committee, leader, follower, observations(committee, RoundTag(1, 1), order)))


def test_requests_that_break_a_rule_are_refused_and_counted() -> None:
    tag = RoundTag(1, 1)
    committee, _, _ = quiet_committee()
    good = observations(committee, tag, [0, 1, 2])
    forged = AttributedObservation(good[1].observation, bytes(64), OracleId(1))
    bad = {
        "2f observations": good[:2],
        "duplicate observer": [*good, good[0]],
        "observer out of range": [
            *good[:2],
            AttributedObservation(good[2].observation, good[2].signature, OracleId(4)),
        ],
        "observer 255": [
            *good[:2],
            AttributedObservation(good[2].observation, good[2].signature, OracleId(255)),
        ],
        "one forged signature": [good[0], forged, good[2]],
        "short signature": [good[0], AttributedObservation(good[1].observation, b"x", OracleId(1)), good[2]],
        "another round": observations(committee, RoundTag(1, 2), [0, 1, 2]),
        "another epoch": observations(committee, RoundTag(2, 1), [0, 1, 2]),
        "another digest": observations(committee, tag, [0, 1, 2], digest=hashlib.sha256(b"x").digest()),
        "attributed to another": [
            good[0],
            AttributedObservation(good[1].observation, good[1].signature, OracleId(3)),
            good[2],
        ],
    }
    for name, request in bad.items():
        committee, leader, follower = quiet_committee()
        effects = ask(committee, leader, follower, request)
        assert not answered(effects), name
        assert [e.oracle for e in effects if isinstance(e, PeerFault)] == [leader], name


def test_leader_messages_of_others_are_ignored() -> None:
    committee, leader, follower = quiet_committee()
    other = OracleId((leader + 2) % 4)
    effects = committee.inject(follower, MessageReceived(other, ObserveReq(1, 1, b"")))
    assert not any(isinstance(effect, Observe) for effect in effects)
    request = tuple(observations(committee, RoundTag(1, 1), [0, 1, 2]))
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    assert not answered(
        list(committee.inject(follower, MessageReceived(other, ReportReq(1, 1, b"", request))))
    )


def test_rounds_above_r_max_ask_for_one_epoch_only() -> None:
    committee, leader, follower = quiet_committee()
    r_max = committee.config.r_max
    wishes = 0
    for round_ in (r_max + 1, r_max + 1, r_max + 2, 255):
        effects = committee.inject(follower, MessageReceived(leader, ObserveReq(1, round_, b"")))
        wishes += sum(isinstance(e, Broadcast) and isinstance(e.message, NewEpoch) for e in effects)
    assert wishes == 1


def test_liars_cannot_drag_the_committee_to_the_last_epoch() -> None:
    committee = Committee(7, 2)
    committee.start(0, 1, 2, 3, 4)
    for liar in (5, 6):
        for honest in range(5):
            committee.inject(honest, MessageReceived(OracleId(liar), NewEpoch(2**32 - 1)))
    assert committee.run(60, lambda: len(committee.answers()) >= 5)
    assert all(oracle.epoch < 40 for oracle in committee.oracles.values())


def test_a_flood_of_future_messages_fills_only_its_senders_ring() -> None:
    committee, _, follower = quiet_committee()
    for round_ in range(200):
        committee.inject(
            follower, MessageReceived(OracleId(3), ObserveReq(2 + round_ % 8, round_ % 255, b""))
        )
    rings = committee.oracles[follower]._future
    assert len(rings[3]) == FUTURE_MESSAGES_PER_SENDER
    assert sum(map(len, rings)) == FUTURE_MESSAGES_PER_SENDER


def test_a_self_made_final_report_of_a_far_epoch_moves_nothing() -> None:
    committee, _, follower = quiet_committee()
    signatures = tuple(AttributedSignature(bytes(65), OracleId(i)) for i in range(2))
    final = Final(2**31, 1, bytes(32), bytes(160), signatures)
    effects = committee.inject(follower, MessageReceived(OracleId(3), final))
    assert [type(effect) for effect in effects] == [PeerFault]
    assert committee.oracles[follower]._finalizer._newest_index == 0


def test_reports_that_differ_or_are_badly_signed_do_not_count() -> None:
    committee = Committee(delays=lambda sender, to, message: () if isinstance(message, Report) else (5 * MS,))
    committee.start()
    committee.run(0.5)
    leader = committee.oracles[OracleId(0)].leader
    assert committee.oracles[leader].phase == "report"
    own_report = committee.oracles[leader]._leader._built
    assert own_report is not None
    liars = [OracleId(i) for i in range(4) if i != leader]
    for liar in liars:
        for report in (
            Report(1, 1, False, b"other", bytes(65)),
            Report(1, 1, False, own_report.report, bytes(65)),
        ):
            committee.inject(leader, MessageReceived(liar, report))
    assert committee.oracles[leader].phase == "report"
    assert sum(isinstance(fault, PeerFault) for _, fault in committee.faults) == 6


def test_an_undecodable_body_is_left_out_and_the_round_goes_on() -> None:
    tag = RoundTag(1, 1)
    committee, leader, follower = quiet_committee()
    request = observations(committee, tag, [0, 1, 2])
    signer = crypto.OffchainSigner(member_keys(3).offchain)
    rubbish = b"\xff\xff\xff"
    signature = signer.sign_observation(committee.config.config_digest, 1, 1, b"", rubbish)
    request.append(AttributedObservation(rubbish, signature, OracleId(3)))
    assert answered(ask(committee, leader, follower, request))


def test_a_late_observation_is_not_sent() -> None:
    committee, leader, follower = quiet_committee()
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 2, b"")))
    late = committee.inject(follower, ObservationMade(RoundTag(1, 1), b"x"))
    assert not any(isinstance(effect, Send) for effect in late)


def test_a_report_request_after_the_deadline_is_refused() -> None:
    committee, leader, follower = quiet_committee()
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    committee.run(committee.config.delta_round_max / 1e9 + 0.001)
    request = tuple(observations(committee, RoundTag(1, 1), [0, 1, 2]))
    effects = committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", request)))
    assert not answered(list(effects))
    assert committee.reached(MilestoneKind.REPORT_SIGNED) == []
