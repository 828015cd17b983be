"""Scenarios 10 to 16, 22 and 24: requests, observations and reports that break one rule each."""

from __future__ import annotations

import pytest

from ocr_peer import crypto
from ocr_peer.protocol.effects import Broadcast, Milestone, MilestoneKind, PeerFault, Send
from ocr_peer.protocol.evidence import Evidence
from ocr_peer.protocol.messages import Final, FinalEcho, Observe, Report, ReportReq
from ocr_peer.protocol.report import AttributedObservation, RoundTag
from ocr_peer.simulation.committee import Timing
from ocr_peer.simulation.faults import Behaviour, Fault, FaultKind
from tests.scenarios.stage import Run, byzantine, fault, leaders, play, plays, seconds, seed_where


def broken_requests(run: Run, liar: int, rule: str) -> int:
    """Requests of the liar that every honest follower refused for `rule`, and for nothing else."""
    refused: dict[tuple[int, RoundTag], set[int]] = {}
    for step, sender, message in run.chronicle.heard(ReportReq):
        reasons = [e.reason for e in step.effects if isinstance(e, PeerFault) and e.oracle == liar]
        if sender == liar and reasons:
            assert reasons == [f"report request refused: {rule}"]
            round_ = step.generation, RoundTag(message.epoch, message.round)
            refused.setdefault(round_, set()).add(step.oracle)
    forbidden = (MilestoneKind.REPORT_REQUESTED, MilestoneKind.FINALIZED)
    went_on = {
        (step.generation, milestone.tag)
        for step, milestone in run.chronicle.effects(Milestone)
        if milestone.kind in forbidden and step.oracle in run.honest
    }
    for round_, oracles in refused.items():
        assert oracles == set(run.honest), "every honest follower refuses"
        assert round_ not in went_on, "and none of them answers"
    return len(refused)


def refusals(behaviour: Behaviour, rule: str, *more: Fault, seeds: int = 3, **options: object) -> None:
    """In every seed the broken requests are refused by all, counted, and outlived."""
    found = 0
    for start in range(seeds):
        # The liar leads first, also a second configuration, and an honest oracle after it.
        seed = seed_where(
            lambda s, start=start: (
                s >= 50 * start and leaders(s, 4, (1, 2)) == [2, 0] and leaders(s, 4, (1,), 1) == [2]
            )
        )
        run = play(byzantine(behaviour, 2), *more, seed=seed, **options)  # type: ignore[arg-type]
        requests = broken_requests(run, 2, rule)
        counted = run.outcome.peer_faults.get(f"oracle 2: report request refused: {rule}", 0)
        assert counted == 3 * requests
        assert [tag for tag in run.finalized() if run.led(tag.epoch) != 2]
        found += requests
    assert found > 0


def certificates(run: Run) -> dict[RoundTag, set[tuple[bytes, bytes]]]:
    """All reports that honest oracles took for final, by round."""
    found: dict[RoundTag, set[tuple[bytes, bytes]]] = {}
    for step, effect in run.chronicle.effects(Broadcast):
        if step.oracle in run.honest and isinstance(effect.message, FinalEcho):
            final = effect.message.final
            found.setdefault(RoundTag(final.epoch, final.round), set()).add((final.report, final.extra_hash))
    return found


def test_scenario_10_different_collections_for_different_followers() -> None:
    twice = 0
    for run in plays(byzantine(Behaviour.TWO_REQUESTS, 0, 1), n=7, seeds=12, rounds=20):
        several = {tag for tag, reports in certificates(run).items() if len(reports) > 1}
        on_chain = [landing.tag for landing in run.chronicle.accepted()]
        assert len(on_chain) == len(set(on_chain))
        assert all(run.led(tag.epoch) in (0, 1) for tag in several)
        twice += len(several & set(on_chain))
    assert twice > 0, "several valid certificates of one round, of which one is on chain"


def test_scenario_11_the_same_with_unique_reports() -> None:
    split = 0
    for run in plays(byzantine(Behaviour.TWO_REQUESTS, 0, 1), n=7, seeds=12, rounds=20, unique=True):
        assert all(len(reports) == 1 for reports in certificates(run).values())
        asked: dict[RoundTag, set[ReportReq]] = {}
        for _, _, message in run.chronicle.heard(ReportReq):
            asked.setdefault(RoundTag(message.epoch, message.round), set()).add(message)
        split += sum(len(requests) > 1 for requests in asked.values())
    assert split > 0


def test_scenario_12_a_request_over_2f_observations() -> None:
    refusals(Behaviour.SHORT_REQUEST, "too_few_observations")


@pytest.mark.parametrize(
    ("behaviour", "rule"),
    [
        (Behaviour.TWICE_AN_OBSERVER, "duplicate_observer"),
        (Behaviour.UNKNOWN_OBSERVER, "observer_out_of_range"),
    ],
)
def test_scenario_13_observers_twice_or_out_of_range(behaviour: Behaviour, rule: str) -> None:
    refusals(behaviour, rule)
    if behaviour is Behaviour.UNKNOWN_OBSERVER:
        named = {
            int(item.observer)
            for run in plays(byzantine(behaviour, 2), seeds=3, first_leader=2)
            for _, _, message in run.chronicle.heard(ReportReq)
            for item in message.observations
        }
        assert {4, 255} <= named


def test_scenario_14_one_forged_signature_in_the_list() -> None:
    refusals(Behaviour.FORGED_OBSERVATION, "invalid_signature")
    run = plays(byzantine(Behaviour.FORGED_OBSERVATION, 2), seeds=1, rounds=6, first_leader=2)[0]
    attestation = run.cluster.committees[0].attestations[0]
    for _, sender, message in run.chronicle.heard(ReportReq):
        tag = RoundTag(message.epoch, message.round)
        valid = [attestation.verify_observation(tag, b"", item) for item in message.observations]
        assert valid.count(False) == (sender == 2), "one of them is forged, the rest is as it was signed"


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("behaviour", "changes"),
    [
        (Behaviour.ROUND_REPLAY, ()),
        (Behaviour.EPOCH_REPLAY, ()),
        (Behaviour.DIGEST_REPLAY, (fault(FaultKind.RECONFIGURE, (), 4.5, 4.5),)),
    ],
)
def test_scenario_15_a_signature_from_elsewhere(
    behaviour: Behaviour, changes: tuple[Fault, ...], fast: bool
) -> None:
    refusals(behaviour, "invalid_signature", *changes, fast=fast, seeds=1 + fast, rounds=25)


@pytest.mark.parametrize("ties", [False, True])
def test_scenario_16_unsorted_observations_and_ties(ties: bool) -> None:
    same = (fault(FaultKind.SOURCE_VALUE, (), 0, 12, amount=7),) if ties else ()
    orders = 0
    for run in plays(byzantine(Behaviour.SHUFFLED_REQUEST, 0), *same, seeds=3, first_leader=0):
        assert not run.chronicle.accusations(0)
        for step, sender, message in run.chronicle.heard(ReportReq):
            tag = RoundTag(message.epoch, message.round)
            listed = [int(item.observer) for item in message.observations]
            if sender != 0 or step.oracle == 0 or tag not in run.finalized():
                continue
            assert listed != sorted(listed)
            pairs = [(item.observation, item.observer) for item in message.observations]
            finals = {
                effect.message.final.extra_hash
                for _, effect in run.chronicle.effects(Broadcast)
                if isinstance(effect.message, FinalEcho)
                and (effect.message.final.epoch, effect.message.final.round) == (tag.epoch, tag.round)
            }
            assert finals == {crypto.inputs_hash(b"", pairs)}
            assert finals != {crypto.inputs_hash(b"", sorted(pairs, key=lambda pair: pair[1]))}
            assert tag in run.chronicle.reached(MilestoneKind.REPORT_SIGNED, step.oracle)
            orders += 1
    assert orders > 5


def test_scenario_22_an_observer_that_signs_twice() -> None:
    proofs = 0
    for run in plays(byzantine(Behaviour.TWO_OBSERVATIONS, 1), seeds=4):
        attestation = run.cluster.committees[0].attestations[0]
        for step, evidence in run.chronicle.records(Evidence):
            assert evidence.oracle == 1
            assert step.oracle == run.led(evidence.tag.epoch) != 1
            first, second = (
                AttributedObservation(item.payload, item.signature, evidence.oracle)
                for item in (evidence.first, evidence.second)
            )
            assert first.observation != second.observation
            assert attestation.verify_observation(evidence.tag, b"", first)
            assert attestation.verify_observation(evidence.tag, b"", second)
            # The leader asks for a report over the first one.
            for _, sender, message in run.chronicle.heard(ReportReq):
                if sender == step.oracle and RoundTag(message.epoch, message.round) == evidence.tag:
                    assert first in message.observations
                    assert second not in message.observations
            proofs += 1
        # Others than the leader hear it, too, and make nothing of it.
        for step, sender, message in run.chronicle.heard(Observe):
            if sender == 1 and step.oracle != run.led(message.epoch):
                assert not step.effects
        assert run.outcome.evidence == len(list(run.chronicle.records(Evidence)))
        assert len(run.finalized()) >= 11
    assert proofs > 3


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour.BAD_ATTESTATION, "report with an invalid signature"),
        (Behaviour.OTHER_REPORT, "signed a different report than its leader's"),
    ],
)
def test_scenario_24_f_reports_with_bad_signatures(behaviour: Behaviour, reason: str) -> None:
    liars = (0, 1)
    for run in plays(byzantine(behaviour, *liars), n=7, seeds=3, timing=Timing(delta_stage=seconds(1))):
        accused = {why for liar in liars for _, why in run.chronicle.accusations(liar)}
        assert accused == {reason}
        sent = [step for step, sender, m in run.chronicle.heard(Report) if sender in liars and not m.skip]
        assert len(sent) > 10
        # No round waits for them, and no certificate names them.
        for step, effect in run.chronicle.effects(Broadcast):
            if isinstance(effect.message, Final) and step.oracle not in liars:
                assert not {int(item.signer) for item in effect.message.signatures} & set(liars)
        led_well = {
            tag for oracle in run.honest for tag in run.chronicle.reached(MilestoneKind.ROUND_STARTED, oracle)
        }
        assert len(led_well - run.finalized()) <= 1
        assert any(isinstance(effect.message, Report) for _, effect in run.chronicle.effects(Send))
