"""Scenarios 28 to 35 and 50: liars about epochs, partitions, and messages that are lost, late or early."""

from __future__ import annotations

import pytest

from ocr_peer.protocol.config import SECOND
from ocr_peer.protocol.effects import Broadcast, MilestoneKind, PeerFault
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.messages import Final, FinalEcho, NewEpoch, ObserveReq
from ocr_peer.protocol.oracle import FUTURE_MESSAGES_PER_SENDER
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.chronicle import Chronicle
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.faults import Behaviour, FaultKind
from tests.scenarios.stage import Run, byzantine, fault, play, plays, seconds


def wishes(run: Run) -> int:
    """How often honest oracles said which epoch they want."""
    return sum(
        isinstance(effect.message, NewEpoch) and step.oracle in run.honest
        for step, effect in run.chronicle.effects(Broadcast)
    )


@pytest.mark.parametrize(("n", "liars"), [(4, (3,)), (7, (0, 1))])
def test_scenario_28_wishes_for_the_last_epoch(n: int, liars: tuple[int, ...]) -> None:
    for run in plays(byzantine(Behaviour.LAST_EPOCH, *liars), n=n, seeds=4):
        heard = {m.epoch for _, sender, m in run.chronicle.heard(NewEpoch) if sender in liars}
        assert 2**32 - 1 in heard
        # As many epochs as rounds need, five a piece, and nobody wishes for more than the next.
        assert run.outcome.epoch <= 12 // 5 + 2
        for step, effect in run.chronicle.effects(Broadcast):
            if step.oracle in run.honest and isinstance(effect.message, NewEpoch):
                assert effect.message.epoch <= step.epoch + 1


@pytest.mark.parametrize(("n", "liars"), [(4, (3,)), (7, (0, 1))])
def test_scenario_29_ever_rising_wishes(n: int, liars: tuple[int, ...]) -> None:
    for seed in range(3):
        calm = play(seed=seed, n=n)
        run = play(byzantine(Behaviour.RISING_EPOCHS, *liars), seed=seed, n=n)
        rising = [m.epoch for _, sender, m in run.chronicle.heard(NewEpoch) if sender in liars]
        assert max(rising) > 25
        # Honest oracles answer with their own repeats and nothing else: per second as many as in peace.
        rate, calm_rate = wishes(run) / run.outcome.seconds, wishes(calm) / calm.outcome.seconds
        assert rate <= 1.5 * calm_rate
        per_oracle = wishes(run) / len(run.honest)
        assert per_oracle <= run.outcome.seconds / 2 + 2 * run.outcome.epoch + 1
        assert run.outcome.epoch <= 12 // 5 + 2


@pytest.mark.parametrize(("n", "minority"), [(5, (0, 1)), (8, (0, 1, 2))])
def test_scenario_30_f_plus_one_are_cut_off(n: int, minority: tuple[int, ...]) -> None:
    # n = 3f + 2, so that 2f + 1 are left.
    cut, heal = 2, 40
    for run in plays(fault(FaultKind.PARTITION, minority, cut, heal), n=n, seeds=4, rounds=40):
        late = seconds(cut + 0.2)
        for oracle in range(n):
            entered = run.chronicle.milestones(MilestoneKind.EPOCH_ENTERED, oracle)
            during = [step for step, _ in entered if late < step.elapsed < heal * SECOND]
            behind = [step for step, _ in entered if step.elapsed >= heal * SECOND]
            if oracle not in minority:
                assert during
                continue
            assert not during
            # Back by others' wishes: straight into their epoch, within ΔResend.
            assert isinstance(behind[0].event, MessageReceived)
            assert isinstance(behind[0].event.message, NewEpoch)
            caught_up = [step.epoch for step in behind if step.elapsed < (heal + 3) * SECOND]
            others = [s.epoch for s in run.chronicle.steps if s.elapsed < heal * SECOND]
            assert caught_up[-1] >= max(others) > 3
            reached = run.chronicle.reached(MilestoneKind.FINALIZED, oracle)
            assert [tag for tag in reached if tag.epoch >= max(others)]
        assert len(run.accepted_between(cut + 5, heal)) > 10


def test_scenario_31_an_even_partition() -> None:
    for run in plays(fault(FaultKind.PARTITION, (0, 1), 1.5, 60)):
        # What was under way may still land; then nothing, until the halves meet.
        assert not run.accepted_between(8, 60)
        assert not [
            s for s, _ in run.chronicle.milestones(MilestoneKind.FINALIZED) if 2 < s.elapsed / SECOND < 60
        ]
        assert run.accepted_between(60, 100)


def test_scenario_32_nine_of_ten_wishes_are_lost() -> None:
    lost = fault(FaultKind.LOSS, (), 0, 80, probability=0.9, messages=("NewEpoch",))
    for run in plays(lost, rounds=20):
        # 27 rounds a minute would need five epochs; repeats every ΔResend get the committee through some.
        epochs = {step.epoch for step in run.chronicle.steps if step.elapsed < 80 * SECOND}
        assert len(epochs) >= 3
        assert len(run.accepted_between(0, 80)) >= 10


def test_scenario_33_reordered_repeated_and_later_than_the_epoch() -> None:
    storm = (
        fault(FaultKind.DELAY, (), 0, 40, amount=8 * SECOND, probability=0.5),
        fault(FaultKind.DUPLICATE, (), 0, 40, amount=9),
    )
    for run in plays(*storm):
        beyond = [1 for step, _, m in run.chronicle.heard(ObserveReq) if m.epoch < step.epoch]
        assert beyond, "some messages arrive when their epoch is over"
        copies: dict[tuple[int, int, object], int] = {}
        for step, sender, message in run.chronicle.heard(ObserveReq):
            key = (step.oracle, sender, message)
            copies[key] = copies.get(key, 0) + 1
        assert 10 in copies.values()
        for oracle in run.honest:
            reached = run.chronicle.reached(MilestoneKind.FINALIZED, oracle)
            assert len(reached) == len(set(reached)), "nothing is done twice"
            observed = run.chronicle.reached(MilestoneKind.OBSERVATION_SENT, oracle)
            assert observed == sorted(set(observed))
        assert run.accepted_between(40, 80)


def early(run: Run, late: int) -> set[int]:
    """Epochs whose first observation request reached oracle `late` before it had switched."""
    return {
        message.epoch
        for step, sender, message in run.chronicle.heard(ObserveReq)
        if step.oracle == late and message.epoch > step.epoch and message.round == 1
        if sender == run.led(message.epoch)
    }


LATE_WISHES = fault(FaultKind.DELAY, (), 0, 30, amount=SECOND, messages=("NewEpoch",), to=(3,))


def test_scenario_34_messages_before_the_switch() -> None:
    kept = 0
    for run in plays(LATE_WISHES, rounds=20):
        for epoch in early(run, 3):
            assert RoundTag(epoch, 1) in run.chronicle.reached(MilestoneKind.OBSERVATION_REQUESTED, 3)
            kept += 1
    assert kept > 5


def test_scenario_35_a_flood_of_coming_epochs() -> None:
    kept = 0

    def rings(cluster: Cluster, fullest: dict[int, int]) -> None:
        for node in cluster.nodes[1:]:
            if node.life is not None:
                for sender, ring in enumerate(node.life.oracle._future):
                    fullest[sender] = max(fullest[sender], len(ring))

    for seed in range(4):
        fullest = dict.fromkeys(range(4), 0)

        def look(cluster: Cluster, _: Chronicle, fullest: dict[int, int] = fullest) -> None:
            for tenth in range(200):
                cluster.at(tenth * SECOND // 10, rings, cluster, fullest)

        run = play(byzantine(Behaviour.FUTURE_ROUNDS, 0), LATE_WISHES, seed=seed, rounds=20, inspect=look)
        assert fullest[0] == FUTURE_MESSAGES_PER_SENDER, "its own ring is full"
        assert max(fullest[1], fullest[2], fullest[3]) < FUTURE_MESSAGES_PER_SENDER
        # What honest leaders sent early is still there when the late oracle gets to it.
        for epoch in early(run, 3):
            if run.led(epoch) != 0:
                assert RoundTag(epoch, 1) in run.chronicle.reached(MilestoneKind.OBSERVATION_REQUESTED, 3)
                kept += 1
        assert run.accepted_between(0, 30)
    assert kept > 5


@pytest.mark.parametrize("fast", [True, False])
def test_scenario_50_final_reports_of_far_epochs(fast: bool) -> None:
    far = 0
    for run in plays(byzantine(Behaviour.FAR_FINAL, 3), seeds=2, fast=fast):
        for kind in (Final, FinalEcho):
            for step, sender, message in run.chronicle.heard(kind):
                final = message if isinstance(message, Final) else message.final
                if final.epoch > run.outcome.epoch:
                    assert sender == 3
                    (effect,) = step.effects  # counted, and neither echoed nor remembered
                    assert isinstance(effect, PeerFault)
                    assert effect.reason.startswith("final report refused")
                    far += 1
        for node in run.cluster.nodes[:3]:
            assert node.life is not None
            # The window stands where the committee's own final reports put it.
            newest = max(run.chronicle.reached(MilestoneKind.FINALIZED, node.oracle_id))
            finalizer = node.life.oracle._finalizer
            assert finalizer._newest_index == finalizer._index(newest)
        reasons = {why for _, why in run.chronicle.accusations(3)}
        assert reasons >= {"final report refused: a signer twice"}
        assert [why for why in reasons if "invalid signature" in why]
    assert far > 20
