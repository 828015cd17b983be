"""What survives a crash, and what an oracle must not do after one."""

from __future__ import annotations

from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.effects import Broadcast, MilestoneKind, Persist, Send
from ocr_peer.protocol.messages import NewEpoch, Observe, Report
from tests.protocol.committee import MS, Committee


def signed_payloads(committee: Committee) -> dict[tuple[object, ...], set[bytes]]:
    payloads: dict[tuple[object, ...], set[bytes]] = {}
    for sender, _, message in committee.sent:
        if isinstance(message, Observe):
            payloads.setdefault((sender, "observe", message.epoch, message.round), set()).add(
                message.observation
            )
        if isinstance(message, Report) and not message.skip:
            payloads.setdefault((sender, "report", message.epoch, message.round), set()).add(message.report)
    return payloads


def test_no_second_payload_is_signed_for_a_round_across_restarts() -> None:
    committee = Committee()
    committee.start()
    for turn in range(60):
        committee.run(0.13)
        victim = turn % 4
        committee.kill(victim)
        committee.start(victim)
    committee.run(30)
    assert committee.answers()
    assert all(len(payloads) == 1 for payloads in signed_payloads(committee).values())


def test_a_restarted_leader_does_not_resume_its_epoch() -> None:
    committee = Committee()
    committee.start()
    committee.run(1.5)
    leader = committee.oracles[OracleId(0)].leader
    epoch = committee.oracles[leader].epoch
    committee.kill(leader)
    committee.start(leader)
    assert committee.oracles[leader].phase == "idle"
    wishes = [m.epoch for sender, _, m in committee.sent if sender == leader and isinstance(m, NewEpoch)]
    assert wishes[-1] == epoch + 1
    assert committee.run(30, lambda: committee.oracles[leader].epoch > epoch)


def test_all_restart_together_and_go_on_behind_the_chain() -> None:
    committee = Committee()
    committee.start()
    committee.run(12, lambda: len(committee.answers()) >= 7)
    before = len(committee.answers())
    committee.kill(0, 1, 2, 3)
    committee.start()
    assert committee.run(60, lambda: len(committee.answers()) >= before + 3)


def test_stores_lost_by_all_the_chains_epoch_leads_them_back() -> None:
    committee = Committee(r_max=1)
    committee.start()
    committee.run(20, lambda: len(committee.answers()) >= 5)
    epoch_on_chain = committee.chain.accepted[-1][2].context.epoch
    committee.kill(0, 1, 2, 3)
    committee.stored = [type(state)() for state in committee.stored]
    committee.start()
    before = len(committee.answers())
    assert committee.run(30, lambda: len(committee.answers()) > before)
    assert committee.chain.accepted[-1][2].context.epoch > epoch_on_chain


def test_every_vote_stands_behind_its_record() -> None:
    committee = Committee()
    order_kept = []
    original = committee._step

    def checked(oracle_id: OracleId, event: object) -> list[object]:
        effects = original(oracle_id, event)  # type: ignore[arg-type]
        persisted: list[object] = []
        for effect in effects:
            if isinstance(effect, Persist):
                persisted.append(effect.record)
            is_vote = (isinstance(effect, Send) and isinstance(effect.message, Observe)) or (
                isinstance(effect, Broadcast) and isinstance(effect.message, NewEpoch)
            )
            if is_vote:
                order_kept.append(bool(persisted))
        return effects

    committee._step = checked  # type: ignore[method-assign, assignment]
    committee.start()
    committee.run(10)
    assert len(order_kept) > 20
    assert all(order_kept)


def test_an_oracle_whose_writes_fail_is_mute() -> None:
    committee = Committee()
    committee.start()
    committee.run(1.5)
    committee.fail_writes.add(OracleId(2))
    count = sum(sender == 2 for sender, _, _ in committee.sent)
    committee.run(20)
    assert sum(sender == 2 for sender, _, _ in committee.sent) == count
    assert len(committee.answers()) > 5


def test_a_pending_transmission_survives_and_is_sent_once() -> None:
    committee = Committee()
    committee.delays = lambda *_: (5 * MS,)
    committee.chain.refuse_from = frozenset(OracleId(i) for i in range(4))
    committee.start()
    committee.run(2)
    assert any(state.pending for state in committee.stored)
    committee.kill(0, 1, 2, 3)
    committee.chain.refuse_from = frozenset()
    committee.start()
    assert committee.run(10, lambda: bool(committee.answers()))
    assert committee.reached(MilestoneKind.TRANSMISSION_DUE)
