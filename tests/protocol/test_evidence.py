"""Proofs of equivocation: who finds them, what they hold, and that nobody is convicted without having signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocr_peer import crypto
from ocr_peer.median.config import encode_int192
from ocr_peer.protocol.config import ConfigDigest, OracleId, ReportFormat
from ocr_peer.protocol.effects import Effect, PeerFault, Persist
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.evidence import Evidence, EvidenceKind, SignedPayload, differing_reports, holds
from ocr_peer.protocol.finalizer import CERTIFICATES_COMPARED
from ocr_peer.protocol.messages import Final, Observe, ObserveReq, ReportReq
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature, RoundTag
from tests.protocol.committee import Committee, member_keys

TAG = RoundTag(1, 1)


def observation(
    committee: Committee, observer: int, value: int, tag: RoundTag = TAG
) -> AttributedObservation:
    body = crypto.encode_observation(1_700_000_000, encode_int192(value), bytes(24))
    signer = crypto.OffchainSigner(member_keys(observer).offchain)
    signature = signer.sign_observation(committee.config.config_digest, tag.epoch, tag.round, b"", body)
    return AttributedObservation(body, signature, OracleId(observer))


def final(committee: Committee, values: list[int], signers: list[int], tag: RoundTag = TAG) -> Final:
    """A report over these values, signed by these oracles, whatever else they signed."""
    items = [observation(committee, observer, value, tag) for observer, value in enumerate(values)]
    keys = [crypto.ed25519_public_key(member_keys(o).offchain) for o in range(committee.config.n)]
    addresses = [crypto.secp256k1_address(member_keys(o).onchain) for o in range(committee.config.n)]
    native = crypto.Committee(
        committee.config.config_digest,
        committee.config.f,
        keys,
        addresses,
        report_format=committee.config.report_format,
    )
    built = native.verify_and_build_report(
        tag.epoch, tag.round, b"", [(item.observation, item.signature, item.observer) for item in items]
    )
    signatures = tuple(
        AttributedSignature(
            crypto.secp256k1_sign(member_keys(signer).onchain, built.signing_hash),
            OracleId(signer),
        )
        for signer in signers
    )
    return Final(tag.epoch, tag.round, built.extra_hash, built.report, signatures)


def quiet(n: int = 4, f: int = 1, **changes: object) -> tuple[Committee, OracleId, OracleId]:
    committee = Committee(n, f, delays=lambda *_: (), **changes)
    committee.start()
    leader = committee.oracles[OracleId(0)].leader
    return committee, leader, OracleId((leader + 2) % n)


def found(effects: list[Effect]) -> list[Evidence]:
    return [e.record for e in effects if isinstance(e, Persist) and isinstance(e.record, Evidence)]


def accused(effects: list[Effect]) -> list[tuple[int, str]]:
    return [(e.oracle, e.reason) for e in effects if isinstance(e, PeerFault)]


def test_the_leader_keeps_the_first_observation_and_one_proof_a_round() -> None:
    committee, leader, _ = quiet()
    observer = OracleId((leader + 2) % 4)
    proofs = []
    for value in (1000, 1001, 1002, 1001):
        item = observation(committee, observer, value)
        message = Observe(1, 1, item.observation, item.signature)
        proofs += found(committee.inject(leader, MessageReceived(observer, message)))
    (proof,) = proofs
    assert holds(proof)
    assert (proof.oracle, proof.kind, proof.tag) == (observer, EvidenceKind.OBSERVATION, TAG)
    assert proof.first.payload == observation(committee, observer, 1000).observation
    assert proof.key == committee.config.oracles[observer].offchain_public_key


def test_the_same_observation_twice_proves_nothing() -> None:
    committee, leader, _ = quiet()
    observer = OracleId((leader + 2) % 4)
    item = observation(committee, observer, 1000)
    for _ in range(2):
        effects = committee.inject(
            leader, MessageReceived(observer, Observe(1, 1, item.observation, item.signature))
        )
        assert found(effects) == []
        assert accused(effects) == []


def test_two_report_requests_show_who_told_the_leader_two_tales() -> None:
    committee, leader, follower = quiet()
    first = tuple(observation(committee, o, 1000 + o) for o in range(3))
    liar = OracleId(2)
    second = (*first[:2], observation(committee, liar, 5))
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", first)))
    effects = committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", second)))
    (proof,) = found(effects)
    assert proof.oracle == liar
    assert holds(proof)
    assert accused(effects) == [
        (leader, "asked for a second report in one round"),
        (liar, "signed two different observations for one round"),
    ]
    third = (*first[:2], observation(committee, liar, 6))
    again = committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", third)))
    assert again == [], "one comparison a round"


def test_a_leader_cannot_convict_an_oracle_with_words_that_it_did_not_sign() -> None:
    committee, leader, follower = quiet()
    first = tuple(observation(committee, o, 1000 + o) for o in range(3))
    forged = replace(first[2], observation=observation(committee, 2, 5).observation)
    elsewhere = observation(committee, 1, 5, RoundTag(1, 2))
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", first)))
    second = ReportReq(1, 1, b"", (first[0], elsewhere, forged))
    effects = committee.inject(follower, MessageReceived(leader, second))
    assert found(effects) == []
    assert accused(effects) == [(leader, "asked for a second report in one round")]


def test_a_second_node_with_the_same_keys_is_noticed() -> None:
    committee, leader, follower = quiet()
    first = tuple(observation(committee, o, 1000 + o) for o in range(4) if o != leader)
    others = tuple(item for item in first if item.observer != follower)
    second = (*others, observation(committee, follower, 5))
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", first)))
    effects = committee.inject(follower, MessageReceived(leader, ReportReq(1, 1, b"", second)))
    assert [proof.oracle for proof in found(effects)] == [follower]
    assert accused(effects) == [(leader, "asked for a second report in one round")]


def test_a_repeated_report_request_accuses_nobody() -> None:
    committee, leader, follower = quiet()
    request = ReportReq(1, 1, b"", tuple(observation(committee, o, 1000 + o) for o in range(3)))
    committee.inject(follower, MessageReceived(leader, ObserveReq(1, 1, b"")))
    committee.inject(follower, MessageReceived(leader, request))
    assert committee.inject(follower, MessageReceived(leader, request)) == []


def test_two_final_reports_of_one_round_convict_those_who_signed_both() -> None:
    committee, _, follower = quiet(7, 2)
    one = final(committee, [10, 20, 30, 40, 50], [0, 1, 3])
    other = final(committee, [10, 20, 30, 40, 60], [0, 1, 4])
    committee.inject(follower, MessageReceived(OracleId(5), one))
    effects = committee.inject(follower, MessageReceived(OracleId(6), other))
    proofs = found(effects)
    assert [proof.oracle for proof in proofs] == [0, 1]
    assert all(holds(proof) and proof.kind is EvidenceKind.REPORT for proof in proofs)
    assert accused(effects) == [(o, "signed two different reports for one round") for o in (0, 1)]
    third = final(committee, [10, 20, 30, 40, 70], [0, 1, 5])
    assert committee.inject(follower, MessageReceived(OracleId(6), third)) == []


def test_another_quorum_of_the_same_report_is_no_equivocation() -> None:
    committee, _, follower = quiet(7, 2)
    committee.inject(follower, MessageReceived(OracleId(5), final(committee, [1, 2, 3, 4, 5], [0, 1, 3])))
    again = final(committee, [1, 2, 3, 4, 5], [0, 1, 4])
    assert committee.inject(follower, MessageReceived(OracleId(6), again)) == []


def test_an_invalid_second_final_report_is_its_senders_fault() -> None:
    committee, _, follower = quiet(7, 2)
    committee.inject(follower, MessageReceived(OracleId(5), final(committee, [1, 2, 3, 4, 5], [0, 1, 3])))
    other = final(committee, [1, 2, 3, 4, 9], [0, 1, 4])
    broken = replace(
        other, signatures=(*other.signatures[:2], replace(other.signatures[2], signer=OracleId(5)))
    )
    effects = committee.inject(follower, MessageReceived(OracleId(6), broken))
    assert found(effects) == []
    assert accused(effects) == [(6, "final report refused: not the one that is final")]
    assert found(committee.inject(follower, MessageReceived(OracleId(6), other)))


def test_certificates_are_held_for_comparison_within_a_bound() -> None:
    committee, _, follower = quiet()
    finalizer = committee.oracles[follower]._finalizer
    for epoch in range(1, CERTIFICATES_COMPARED + 20):
        certificate = final(committee, [1, 2, 3], [0, 1], RoundTag(epoch, 1))
        committee.inject(follower, MessageReceived(OracleId(3), certificate))
        assert len(finalizer._compared) <= CERTIFICATES_COMPARED


PACKED = {"report_format": ReportFormat.PACKED}


def test_two_packed_reports_convict_those_who_signed_both() -> None:
    committee, _, follower = quiet(7, 2, **PACKED)
    one = final(committee, [10, 20, 30, 40, 50], [0, 1, 3])
    other = final(committee, [10, 20, 30, 40, 60], [0, 1, 4])
    committee.inject(follower, MessageReceived(OracleId(5), one))
    effects = committee.inject(follower, MessageReceived(OracleId(6), other))
    proofs = found(effects)
    assert [proof.oracle for proof in proofs] == [0, 1]
    assert all(holds(proof) and proof.kind is EvidenceKind.PACKED_REPORT for proof in proofs)
    assert [proof.first.payload for proof in proofs] == [one.report] * 2
    assert accused(effects) == [(o, "signed two different packed reports for one round") for o in (0, 1)]


def test_an_extra_hash_that_nobody_signed_convicts_nobody() -> None:
    # h is no part of what is signed here, so that anybody can put another one to good signatures.
    committee, _, follower = quiet(7, 2, **PACKED)
    genuine = final(committee, [1, 2, 3, 4, 5], [0, 1, 3])
    altered = replace(genuine, extra_hash=b"\1" * 32)
    effects = committee.inject(follower, MessageReceived(OracleId(6), altered))
    assert found(effects) == []
    assert accused(effects) == [(6, "final report refused: an extra hash that nobody signed")]
    assert not accused(committee.inject(follower, MessageReceived(OracleId(5), genuine)))
    effects = committee.inject(follower, MessageReceived(OracleId(6), altered))
    assert found(effects) == []
    assert accused(effects) == [(6, "final report refused: not the one that is final")]
    assert differing_reports(committee.config, genuine, altered) == []


def test_one_report_in_two_rounds_of_the_other_format_is_no_pair_of_packed_reports() -> None:
    # What is signed for OCR2 begins with the report's hash, where a packed message has its digest.
    report = b"the same in both rounds"
    secret, digest = member_keys(0).onchain, b"\x00\x01" + bytes(range(30))
    signed = []
    for round_ in (1, 2):
        context = crypto.report_context(digest, 9, round_, bytes(32))
        signature = crypto.OnchainSigner(secret).sign_report(digest, 9, round_, bytes(32), report)
        signed.append(SignedPayload(context[5:], signature))
    forged_digest, tag = crypto.keccak256(report), RoundTag(int.from_bytes(digest[:4], "big"), digest[4])
    key = crypto.secp256k1_address(secret)
    for item in signed:
        covered = crypto.packed_signing_hash(forged_digest, *tag, item.payload)
        assert crypto.recover_address(covered, item.signature) == key, "it does look like one"
    proof = Evidence(ConfigDigest(forged_digest), OracleId(0), key, EvidenceKind.PACKED_REPORT, tag, *signed)
    assert not holds(proof)


@pytest.fixture(params=list(ReportFormat))
def proofs(request: pytest.FixtureRequest) -> list[Evidence]:
    committee, leader, follower = quiet(report_format=request.param)
    items = [observation(committee, 2, value) for value in (7, 8)]
    evidence = Evidence.of_observations(committee.config, TAG, *items)
    one, other = final(committee, [1, 2, 3], [0, 1]), final(committee, [1, 2, 4], [0, 1])
    committee.inject(follower, MessageReceived(leader, one))
    return [evidence, *found(committee.inject(follower, MessageReceived(leader, other)))]


def test_a_proof_holds_for_what_was_signed_and_for_nothing_else(proofs: list[Evidence]) -> None:
    for proof in proofs:
        assert holds(proof)
        flipped = SignedPayload(proof.second.payload[:-1] + b"\xff", proof.second.signature)
        others = [
            replace(proof, second=proof.first),
            replace(proof, second=flipped),
            replace(proof, first=flipped),
            replace(proof, tag=RoundTag(1, 2)),
            replace(proof, tag=RoundTag(2**32, 1)),
            replace(proof, tag=RoundTag(1, 256)),
            replace(proof, config_digest=ConfigDigest(bytes(32))),
            replace(proof, config_digest=ConfigDigest(b"short")),
            replace(proof, key=bytes(20)),
            replace(proof, key=b""),
            replace(proof, second=SignedPayload(b"", b"")),
            *(replace(proof, kind=kind) for kind in EvidenceKind if kind is not proof.kind),
        ]
        assert not any(holds(other) for other in others)


def test_a_key_that_anybody_can_sign_for_convicts_nobody() -> None:
    # The neutral element as key, R = the neutral element, S = 0: Go accepts that for every message.
    weak = b"\x01" + bytes(31)
    signature = weak + bytes(32)
    assert crypto.ed25519_verify(weak, b"anything", signature)
    proof = Evidence(
        ConfigDigest(bytes(32)), OracleId(0), weak, EvidenceKind.OBSERVATION, TAG,
        SignedPayload(b"one", signature), SignedPayload(b"two", signature),
    )  # fmt: skip
    assert not holds(proof)
