"""The oracle's own part: what goes to which machine, what waits, and what it says to itself."""

from __future__ import annotations

import pytest

from ocr_peer.errors import InvariantError
from ocr_peer.protocol.config import SECOND, Duration, Instant, OracleId, PrivateConfig
from ocr_peer.protocol.effects import (
    Broadcast,
    ChainReadPurpose,
    Effect,
    FollowerRecord,
    Milestone,
    MilestoneKind,
    PacemakerRecord,
    PendingTransmission,
    ReadChain,
    Send,
    SettledTransmission,
)
from ocr_peer.protocol.effects import Observe as ObserveEffect
from ocr_peer.protocol.events import (
    ChainRead,
    ChainView,
    Event,
    MessageReceived,
    ObservationMade,
    Start,
    StoredState,
    TimeAdvanced,
)
from ocr_peer.protocol.finalizer import Finalizer
from ocr_peer.protocol.messages import (
    Final,
    FinalEcho,
    Message,
    NewEpoch,
    Observe,
    ObserveReq,
    Report,
    ReportReq,
)
from ocr_peer.protocol.oracle import FUTURE_EPOCHS, FUTURE_MESSAGES_PER_SENDER, Oracle
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule
from tests.protocol.committee import committee_config
from tests.protocol.machines import (
    NOW,
    ObedientPlugin,
    ReadableKeys,
    after,
    attested,
    blamed,
    built_report,
    details,
    observation,
    observation_signature,
    only,
    records,
    report_signature,
    told,
    view,
)

CONFIG = committee_config(
    4,
    1,
    delta_progress=Duration(20 * SECOND),
    delta_resend=Duration(15 * SECOND),
    delta_round=Duration(2 * SECOND),
    delta_grace=Duration(SECOND),
    r_max=3,
)
PRIVATE = PrivateConfig(bytes(16), bytes(16))
SCHEDULE = Schedule(CONFIG, PRIVATE)


def led_by(leader: int, start: int = 1) -> int:
    """The first epoch from `start` on that `leader` leads."""
    return next(epoch for epoch in range(start, start + 100) if SCHEDULE.leader(epoch) == leader)


class Node:
    """One oracle, started."""

    def __init__(
        self,
        own_id: int | None = None,
        state: StoredState = StoredState(),  # noqa: B008
        chain: ChainView | None = None,
    ) -> None:
        self.own_id = OracleId(SCHEDULE.leader(1) if own_id is None else own_id)
        self.plugin = ObedientPlugin()
        self.now = NOW
        self.oracle = Oracle(
            CONFIG, PRIVATE, self.own_id, attestation=ReadableKeys(self.own_id), plugin=self.plugin
        )
        self.begun = self.step(Start(state, chain))

    def step(self, event: Event) -> list[Effect]:
        return self.oracle.step(event, self.now)

    def hear(self, sender: int, message: Message) -> list[Effect]:
        return self.step(MessageReceived(OracleId(sender), message))

    def enter(self, epoch: int) -> list[Effect]:
        effects: list[Effect] = []
        for sender in range(4):
            if sender != self.own_id:
                effects += self.hear(sender, NewEpoch(epoch))
        assert self.oracle.epoch == epoch
        return effects

    @property
    def others(self) -> list[int]:
        return [oracle for oracle in range(4) if oracle != self.own_id]


def follower() -> Node:
    """In epoch 1, led by another."""
    return Node((SCHEDULE.leader(1) + 1) % 4)


def final(epoch: int = 1, round_: int = 1) -> Final:
    report = attested(CONFIG, RoundTag(epoch, round_))
    return Final(epoch, round_, report.context.extra_hash, report.report, report.signatures)


def restarted(pacemaker: PacemakerRecord, **more: object) -> StoredState:
    return StoredState(pacemaker, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", [TimeAdvanced(), MessageReceived(OracleId(0), NewEpoch(2))])
def test_start_comes_first_and_once(event: Event) -> None:
    oracle = Oracle(CONFIG, PRIVATE, OracleId(0), attestation=ReadableKeys(0), plugin=ObedientPlugin())
    assert oracle.next_deadline() is None
    with pytest.raises(InvariantError, match="Start comes first"):
        oracle.step(event, NOW)
    oracle.step(Start(StoredState(), None), NOW)
    assert oracle.step(event, NOW) is not None
    with pytest.raises(InvariantError, match="Start in the wrong place"):
        oracle.step(Start(StoredState(), None), NOW)


@pytest.mark.parametrize("sender", [-1, 4])
def test_only_the_committee_can_be_a_sender(sender: int) -> None:
    with pytest.raises(InvariantError, match="unknown oracle"):
        Node().hear(sender, NewEpoch(2))


def test_a_fresh_leader_starts_at_once_and_hears_itself() -> None:
    node = Node()
    assert node.oracle.leader == node.own_id
    assert node.oracle.phase == "observe"
    assert node.oracle.round == 1
    assert only(Broadcast, node.begun) == [Broadcast(NewEpoch(1)), Broadcast(ObserveReq(1, 1, b""))]
    assert only(ObserveEffect, node.begun) == [ObserveEffect(RoundTag(1, 1), CONFIG.max_duration_observation)]
    assert told(node.begun) == [
        (MilestoneKind.EPOCH_ENTERED, RoundTag(1, 0)),
        (MilestoneKind.ROUND_STARTED, RoundTag(1, 1)),
        (MilestoneKind.OBSERVATION_REQUESTED, RoundTag(1, 1)),
    ]
    assert details(node.begun) == {"leader": node.own_id}


def test_a_message_to_oneself_does_not_leave() -> None:
    node = Node()
    effects = node.step(ObservationMade(RoundTag(1, 1), b"seen"))
    assert only(Send, effects) == []
    assert told(effects) == [(MilestoneKind.OBSERVATION_SENT, RoundTag(1, 1))]
    # It was handled: with the others' it makes all four.
    for sender in node.others:
        signature = observation_signature(sender, RoundTag(1, 1), b"seen")
        effects = node.hear(sender, Observe(1, 1, b"seen", signature))
    (request,) = only(Broadcast, effects)
    assert isinstance(request.message, ReportReq)
    assert len(request.message.observations) == 4
    # And the own report request is answered by a read of the chain.
    assert only(ReadChain, effects) != []


def test_a_message_to_another_leaves_and_is_not_heard() -> None:
    node = follower()
    leader = node.oracle.leader
    node.hear(leader, ObserveReq(1, 1, b""))
    (send,) = only(Send, node.step(ObservationMade(RoundTag(1, 1), b"seen")))
    assert send.to == leader


def test_a_whole_round_of_a_leader() -> None:
    node = Node()
    node.step(ObservationMade(RoundTag(1, 1), b"seen"))
    tag = RoundTag(1, 1)
    for sender in node.others:
        effects = node.hear(sender, Observe(1, 1, b"seen", observation_signature(sender, tag, b"seen")))
    (read,) = only(ReadChain, effects)
    effects = node.step(ChainRead(read.tag, view(CONFIG, 1, 0)))
    assert records(effects) == [FollowerRecord(1, 1, 1)]
    built = built_report(tag)
    signature = report_signature(node.others[0], built.signing_hash).signature
    effects = node.hear(node.others[0], Report(1, 1, skip=False, report=built.report, signature=signature))
    messages = [effect.message for effect in only(Broadcast, effects)]
    assert [type(message) for message in messages] == [Final, FinalEcho]
    assert told(effects)[0] == (MilestoneKind.FINALIZED, tag)
    (read,) = only(ReadChain, effects)
    assert read.tag.purpose is ChainReadPurpose.ACCEPT


def test_an_echo_is_as_good_as_a_final() -> None:
    for message in (final(), FinalEcho(final())):
        effects = follower().hear(2, message)
        assert only(Broadcast, effects) == [Broadcast(FinalEcho(final()))]
        assert only(ReadChain, effects) != []


def test_the_own_echo_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    # A finalizer that forgot would answer its own echo for ever.
    heard: list[int] = []
    original = Finalizer.on_final

    def on_final(self: Finalizer, sender: OracleId, message: Final, effects: list[Effect]) -> object:
        heard.append(sender)
        return original(self, sender, message, effects)

    monkeypatch.setattr(Finalizer, "on_final", on_final)
    assert only(Broadcast, follower().hear(2, final())) == [Broadcast(FinalEcho(final()))]
    assert heard == [2]


def test_a_final_of_any_epoch_is_taken() -> None:
    assert only(ReadChain, follower().hear(2, final(7, 2))) != []


def test_a_final_report_is_progress_of_its_epoch() -> None:
    node = follower()
    node.now = after(14)
    node.hear(2, final())
    node.now = after(21)
    node.step(TimeAdvanced())
    assert node.oracle._pacemaker.highest_wished == 1
    node.now = after(34)
    node.step(TimeAdvanced())
    assert node.oracle._pacemaker.highest_wished == 2


def test_a_refused_or_repeated_final_is_no_progress() -> None:
    node = follower()
    node.hear(2, final())
    node.now = after(14)
    assert node.hear(2, final()) == []
    assert blamed(node.hear(2, Final(1, 2, bytes(32), b"", ()))) == [2]
    node.now = after(20)
    node.step(TimeAdvanced())
    assert node.oracle._pacemaker.highest_wished == 2


def asked_for_report(node: Node) -> ReadChain:
    leader = node.oracle.leader
    node.hear(leader, ObserveReq(1, 1, b""))
    (read,) = only(ReadChain, node.hear(leader, ReportReq(1, 1, b"", ())))
    return read


def test_a_skip_is_progress_and_a_signature_is_none() -> None:
    for due, wished in ((False, 1), (True, 2)):
        node = follower()
        node.plugin.due = due
        node.now = after(14)
        read = asked_for_report(node)
        node.step(ChainRead(read.tag, view(CONFIG, 1, 0)))
        node.now = after(20)
        node.step(TimeAdvanced())
        assert node.oracle._pacemaker.highest_wished == wished


def test_every_look_at_the_chain_settles_what_it_shows() -> None:
    node = follower()
    (read,) = only(ReadChain, node.hear(2, final(1, 1)))
    node.step(ChainRead(read.tag, view(CONFIG, 1, 0)))
    read = asked_for_report(node)
    effects = node.step(ChainRead(read.tag, view(CONFIG, 1, 1)))
    assert records(effects) == [SettledTransmission(RoundTag(1, 1)), FollowerRecord(1, 0, 1)]


def test_the_answer_to_a_transmissions_read_is_looked_at_once() -> None:
    node = follower()
    (read,) = only(ReadChain, node.hear(2, final(1, 1)))
    # The plugin would accept even what is on chain; the answer does not settle what it has just accepted.
    (record,) = records(node.step(ChainRead(read.tag, view(CONFIG, 1, 1))))
    assert isinstance(record, PendingTransmission)


def test_a_failed_look_at_the_chain_settles_nothing() -> None:
    node = follower()
    read = asked_for_report(node)
    assert records(node.step(ChainRead(read.tag, None))) == [FollowerRecord(1, 0, 1)]


def test_time_moves_all_machines() -> None:
    node = Node()
    assert node.oracle.next_deadline() == after(2)
    for sender in node.others:
        node.hear(sender, Observe(1, 1, b"s", observation_signature(sender, RoundTag(1, 1), b"s")))
    # The leader's grace period.
    assert node.oracle.next_deadline() == after(1)
    node.now = after(1)
    assert [type(effect.message) for effect in only(Broadcast, node.step(TimeAdvanced()))] == [ReportReq]
    node = follower()
    assert node.oracle.next_deadline() == after(15)
    (read,) = only(ReadChain, node.hear(2, final()))
    node.step(ChainRead(read.tag, view(CONFIG, 1, 0)))
    due = node.oracle.next_deadline()
    assert due is not None
    assert due < after(15)
    node.now = due
    (read,) = only(ReadChain, node.step(TimeAdvanced()))
    assert read.tag.purpose is ChainReadPurpose.TRANSMIT
    # The pacemaker's resend.
    node.now = after(15)
    assert only(Broadcast, node.step(TimeAdvanced())) == [Broadcast(NewEpoch(1))]


def test_f_plus_two_wishes_and_the_own_lead_into_the_epoch() -> None:
    node = follower()
    epoch = led_by(node.own_id, 2)
    effects = node.enter(epoch)
    entered = Milestone(MilestoneKind.EPOCH_ENTERED, RoundTag(epoch, 0), (("leader", node.own_id),))
    assert entered in effects
    assert Broadcast(ObserveReq(epoch, 1, b"")) in effects
    assert (node.oracle.leader, node.oracle.phase, node.oracle.round) == (node.own_id, "observe", 1)


def test_the_own_wish_is_heard() -> None:
    node = follower()
    node.now = after(20)
    node.step(TimeAdvanced())
    assert node.oracle._pacemaker.wishes[node.own_id] == 2
    for sender in node.others[:2]:
        node.hear(sender, NewEpoch(2))
    assert node.oracle.epoch == 2


def test_the_rounds_of_an_epoch_used_up_make_a_wish() -> None:
    node = follower()
    effects = node.hear(node.oracle.leader, ObserveReq(1, 4, b""))
    assert only(Broadcast, effects) == [Broadcast(NewEpoch(2))]
    assert node.hear(node.oracle.leader, ObserveReq(1, 4, b"")) == []


def test_messages_of_epochs_to_come_wait() -> None:
    node = follower()
    epoch = next(e for e in range(2, 50) if SCHEDULE.leader(e) != node.own_id)
    leader = SCHEDULE.leader(epoch)
    assert node.hear(leader, ObserveReq(epoch, 1, b"")) == []
    assert node.hear(leader, ReportReq(epoch, 1, b"", (observation(0, RoundTag(epoch, 1)),))) == []
    effects = node.enter(epoch)
    assert only(ObserveEffect, effects) != []
    (read,) = only(ReadChain, effects)
    assert read.tag.round == RoundTag(epoch, 1)
    # Once: the next epoch does not hear them again.
    assert all(not ring for ring in node.oracle._future)


def test_messages_of_past_and_far_epochs_do_not_wait() -> None:
    node = follower()
    node.enter(led_by(node.others[0], 2))
    for epoch in (node.oracle.epoch - 1, node.oracle.epoch + FUTURE_EPOCHS + 1):
        assert node.hear(2, ObserveReq(epoch, 1, b"")) == []
    assert all(not ring for ring in node.oracle._future)
    node.hear(2, ObserveReq(node.oracle.epoch + FUTURE_EPOCHS, 1, b""))
    node.hear(2, ObserveReq(node.oracle.epoch + 1, 1, b""))
    assert len(node.oracle._future[2]) == 2
    assert FUTURE_EPOCHS == 8


def test_the_newest_of_a_sender_wait() -> None:
    node = follower()
    for round_ in range(1, FUTURE_MESSAGES_PER_SENDER + 3):
        node.hear(2, ObserveReq(3, round_, b""))
    assert [message.round for message in node.oracle._future[2]] == list(range(3, 13))  # type: ignore[union-attr]
    assert FUTURE_MESSAGES_PER_SENDER == 10


def test_what_waits_for_a_later_epoch_goes_on_waiting() -> None:
    node = follower()
    node.hear(node.others[0], ObserveReq(6, 1, b""))
    node.enter(2)
    assert list(node.oracle._future[node.others[0]]) == [ObserveReq(6, 1, b"")]


def test_round_messages_reach_their_machines_in_their_epoch_only() -> None:
    node = Node()
    tag = RoundTag(1, 1)
    for sender in node.others:
        node.hear(sender, Observe(2, 1, b"s", observation_signature(sender, tag, b"s")))
    assert node.oracle.phase == "observe"
    for sender in node.others:
        node.hear(sender, Observe(1, 1, b"s", observation_signature(sender, tag, b"s")))
    assert node.oracle.phase == "grace"


def test_a_restarted_oracle_follows_but_does_not_lead_its_old_epoch() -> None:
    leader = SCHEDULE.leader(1)
    node = Node(leader, restarted(PacemakerRecord(1, 1, (0,) * 4), follower=FollowerRecord(1, 2, 1)))
    assert node.oracle.phase == "idle"
    assert node.oracle.round == 2
    assert node.oracle.leader == leader
    assert only(Broadcast, node.begun) == [Broadcast(NewEpoch(2))]
    other = (leader + 1) % 4
    node = Node(other, restarted(PacemakerRecord(1, 1, (0,) * 4), follower=FollowerRecord(1, 2, 1)))
    assert only(Broadcast, node.begun) == [Broadcast(NewEpoch(1))]
    assert node.hear(leader, ObserveReq(1, 2, b"")) == []
    assert only(ObserveEffect, node.hear(leader, ObserveReq(1, 3, b""))) != []


def test_a_start_takes_up_pending_transmissions_and_the_chains_epoch() -> None:
    pending = PendingTransmission(attested(CONFIG, RoundTag(5, 1)), NOW, after(1), 0)
    node = Node(0, StoredState(pending=(pending,)), view(CONFIG, 5, 0))
    assert node.oracle.next_deadline() == after(1)
    assert Broadcast(NewEpoch(6)) in node.begun


def test_an_own_fault_is_not_reported() -> None:
    node = follower()
    stranger = next(oracle for oracle in node.others if oracle != node.oracle.leader)
    assert blamed(node.hear(stranger, ObserveReq(1, 1, b""))) == [stranger]
    assert blamed(node.hear(node.own_id, ObserveReq(1, 1, b""))) == []


def test_what_stands_before_a_loop_is_done_before_it() -> None:
    node = Node()
    effects = node.begun
    # The wish's record, the wish, then the request and what hearing it asks for.
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds.index("Persist") < kinds.index("Broadcast") < kinds.index("Observe")


def test_deadlines_are_those_of_the_earliest_machine() -> None:
    node = follower()
    node.now = Instant(after(14))
    node.hear(2, final())
    assert node.oracle.next_deadline() == after(15)
