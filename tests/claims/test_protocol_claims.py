"""Claims 2 to 9, 12 and 13 of the public description of Offchain Reporting, each with its proof.

Real oracles, real signatures and real bytes in memory; the claims about processes, network and chain are in
`test_committee_claims.py`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from ocr_peer import crypto
from ocr_peer.median.config import MedianOffchainConfig, decode_int192, encode_int192
from ocr_peer.protocol.config import Duration, OracleId, PrivateConfig
from ocr_peer.protocol.effects import MilestoneKind, ReadChain, Send
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.messages import Final, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.report import AttributedObservation, RoundTag
from ocr_peer.protocol.schedule import Schedule
from tests.protocol.committee import MS, Committee, committee_config, member_keys

SLOW_FEED = MedianOffchainConfig(True, 0, True, 0, Duration(10**18)).encode()


def test_claim_02_each_oracle_signs_and_reports_its_own_observation() -> None:
    committee = Committee()
    committee.start()
    committee.run(1)
    observes = {sender: m for sender, _, m in committee.sent if isinstance(m, Observe) and m.round == 1}
    leader = committee.oracles[OracleId(0)].leader
    assert set(observes) == {0, 1, 2, 3} - {leader}
    for sender, message in observes.items():
        decoded = crypto.decode_observation(message.observation)
        assert decoded is not None
        assert decode_int192(decoded[1]) == 100_000 + 10 * sender + 1


def test_claim_03_a_new_leader_is_elected_regularly() -> None:
    committee = Committee(7, 2, r_max=2)
    committee.start()
    committee.run(60)
    leaders = Counter(
        dict(m.detail)["leader"]
        for _, who, m in committee.milestones
        if m.kind is MilestoneKind.EPOCH_ENTERED and who == 0
    )
    assert len(leaders) >= 5


def test_claim_04_the_leader_asks_for_fresh_observations_and_aggregates_them() -> None:
    committee = Committee()
    committee.start()
    committee.run(3)
    leader = committee.oracles[OracleId(0)].leader
    asked = [m.round for sender, _, m in committee.sent if isinstance(m, ObserveReq) and sender == leader]
    requests = [m for sender, _, m in committee.sent if isinstance(m, ReportReq) and sender == leader]
    assert asked[:3] == [1, 2, 3]
    assert [request.round for request in requests][:2] == [1, 2]
    first = {item.observer: item.observation for item in requests[0].observations}
    second = {item.observer: item.observation for item in requests[1].observations}
    assert all(first[observer] != second[observer] for observer in first.keys() & second.keys())


def test_claim_05_a_report_holds_at_least_2f_plus_1_signed_observations() -> None:
    committee = Committee(7, 2)
    committee.start(0, 1, 2, 3, 4)
    committee.run(30)
    requests = [m for _, _, m in committee.sent if isinstance(m, ReportReq)]
    assert requests
    assert all(len(request.observations) >= 5 for request in requests)


def test_claim_05_undecodable_bodies_are_left_out_and_f_plus_1_must_remain() -> None:
    digest = bytes(32)
    keys = [member_keys(index) for index in range(4)]
    committee = crypto.Committee(
        digest,
        1,
        [crypto.ed25519_public_key(key.offchain) for key in keys],
        [crypto.secp256k1_address(key.onchain) for key in keys],
    )

    def request(bodies: list[bytes]) -> list[tuple[bytes, bytes, int]]:
        signers = [crypto.OffchainSigner(key.offchain) for key in keys]
        return [
            (body, signers[index].sign_observation(digest, 1, 1, b"", body), index)
            for index, body in enumerate(bodies)
        ]

    good = crypto.encode_observation(1, encode_int192(5), bytes(24))
    built = committee.verify_and_build_report(1, 1, b"", request([good, good, b"\xff"]))
    assert built.left_out == [2]
    with pytest.raises(crypto.RefusedReportRequest) as refused:
        committee.verify_and_build_report(1, 1, b"", request([good, b"\xff", b"\xff"]))
    assert refused.value.rule == "too_few_decodable"


def test_claim_06_followers_verify_before_they_sign() -> None:
    committee = Committee(delays=lambda *_: ())
    committee.start()
    leader = committee.oracles[OracleId(0)].leader
    follower = (leader + 1) % 4
    body = crypto.encode_observation(1_700_000_000, encode_int192(7), bytes(24))
    items = []
    for observer in range(3):
        signer = crypto.OffchainSigner(member_keys(observer).offchain)
        signature = signer.sign_observation(committee.config.config_digest, 1, 1, b"", body)
        items.append(AttributedObservation(body, signature, OracleId(observer)))
    forged = [items[0], items[1], AttributedObservation(body, items[1].signature, OracleId(2))]
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    refused = committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", tuple(forged))))
    assert not any(isinstance(effect, Send | ReadChain) for effect in refused)
    accepted = committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", tuple(items))))
    assert any(isinstance(effect, ReadChain) for effect in accepted)


def test_claim_07_without_a_quorum_of_signatures_nothing_is_final() -> None:
    committee = Committee()
    committee.delays = lambda sender, to, message: () if isinstance(message, Report) else (5 * MS,)
    committee.start()
    committee.run(10)
    assert committee.reached(MilestoneKind.REPORT_SIGNED)
    assert not committee.reached(MilestoneKind.FINALIZED)
    assert not committee.answers()


def test_claim_08_the_final_report_carries_a_quorum_and_reaches_all() -> None:
    committee = Committee(7, 2)
    committee.start()
    committee.run(1)
    finals = [m for _, _, m in committee.sent if isinstance(m, Final)]
    assert finals
    assert all(len({s.signer for s in final.signatures}) == 3 for final in finals)
    assert {who for _, who, m in committee.milestones if m.kind is MilestoneKind.FINALIZED} == set(range(7))


def test_claim_09_the_schedule_is_the_same_for_all_and_depends_on_the_secret() -> None:
    config = committee_config(16, 5)
    secret = PrivateConfig(bytes(16), b"0123456789abcdef")
    rounds = [RoundTag(epoch, round_) for epoch in range(1, 9) for round_ in range(1, 9)]
    ours = [Schedule(config, secret).stages(tag) for tag in rounds]
    theirs = [Schedule(config, secret).stages(tag) for tag in rounds]
    outsiders = [Schedule(config, PrivateConfig(bytes(16), bytes(16))).stages(tag) for tag in rounds]
    assert ours == theirs
    assert sum(a == b for a, b in zip(ours, outsiders, strict=True)) == 0
    firsts = Counter(stages.index(0) for stages in ours)
    assert len(firsts) >= 12


def test_claim_12_every_oracle_watches_the_chain_and_none_transmits_what_is_there() -> None:
    committee = Committee(7, 2, reporting_plugin_config=SLOW_FEED)
    committee.start()
    committee.run(60)
    assert len(committee.chain.accepted) == 1
    assert committee.chain.stale == 0
    settled = [who for _, who, m in committee.milestones if m.kind is MilestoneKind.TRANSMISSION_SETTLED]
    assert set(settled) == set(range(7))


def test_claim_13_the_next_oracles_transmit_in_turn_until_one_is_confirmed() -> None:
    committee = Committee(7, 2, reporting_plugin_config=SLOW_FEED)
    order = Schedule(committee.config, committee.private).stages(RoundTag(1, 1))
    first_three = [OracleId(order.index(stage)) for stage in (0, 1, 2)]
    committee.chain.refuse_from = frozenset(first_three)
    committee.start()
    assert committee.run(60, lambda: bool(committee.answers()))
    assert order[committee.chain.accepted[0][1]] == 3
    due = [who for _, who, m in committee.milestones if m.kind is MilestoneKind.TRANSMISSION_DUE]
    assert due == [*first_three, OracleId(order.index(3))]
