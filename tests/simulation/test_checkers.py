"""Negative controls: more liars than tolerated, and a core or contract with one rule taken out, are caught."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import replace

import pytest

from ocr_peer.protocol.config import SECOND, CommitteeConfig, Duration
from ocr_peer.protocol.effects import Broadcast, Effect, PacemakerRecord, Persist
from ocr_peer.protocol.finalizer import Finalizer
from ocr_peer.protocol.follower import Follower
from ocr_peer.protocol.leader import Leader
from ocr_peer.protocol.messages import NewEpoch
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.protocol.pacemaker import Pacemaker
from ocr_peer.simulation.chain import Chain
from ocr_peer.simulation.faults import Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.plans import draw_plan
from ocr_peer.simulation.run import Outcome, Scenario, simulate
from ocr_peer.simulation.streams import Streams


def byzantine(behaviour: Behaviour, *who: int) -> FaultPlan:
    return FaultPlan((Fault(FaultKind.BYZANTINE, who, behaviour=behaviour),))


def found(
    invariant: str,
    plan: FaultPlan | None,
    *,
    seeds: int = 60,
    n: int = 4,
    beside: tuple[str, ...] = (),
    **more: object,
) -> Outcome:
    """The first run of a few seeds that breaks the invariant; others break it, or those in `beside`."""
    for seed in range(seeds):
        outcome = simulate(Scenario(seed=seed, n=n, plan=plan, fast=True, rounds=10, **more))  # type: ignore[arg-type]
        if outcome.violation is not None and outcome.violation.invariant not in beside:
            assert outcome.violation.invariant == invariant, str(outcome.violation)
            return outcome
    raise AssertionError(f"no seed of {seeds} breaks {invariant}")


@pytest.mark.parametrize(("n", "liars"), [(4, 1), (7, 2), (16, 5)])
def test_f_colluding_liars_break_nothing(n: int, liars: int) -> None:
    for seed in range(5):
        plan = byzantine(Behaviour.COLLUDE, *range(liars))
        assert simulate(Scenario(seed=seed, n=n, rounds=6, plan=plan, fast=True)).violation is None


def test_a_quorum_of_forgers_breaks_i2() -> None:
    found("I2", byzantine(Behaviour.CERTIFY, 1, 2))


def test_a_finalizer_that_checks_nothing_breaks_i2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finalizer, "_refusal", lambda self, final: None)
    found("I2", byzantine(Behaviour.FORGE, 1), n=7)


def test_votes_forgotten_at_a_restart_break_i3(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: Follower, epoch: int, leader: int, record: object = None) -> None:
        original(self, epoch, leader, None)  # type: ignore[arg-type]

    original = Follower.enter_epoch
    monkeypatch.setattr(Follower, "enter_epoch", forgetful)
    # The leader repeats itself to the follower that is back: duplicated and late requests do that.
    second = SECOND
    moments = [(oracle, k * second // 2 + oracle) for oracle in range(4) for k in range(1, 20)]
    crashes = (
        Fault(FaultKind.CRASH, (oracle,), Duration(at), Duration(at + second // 7)) for oracle, at in moments
    )
    repeats = Fault(FaultKind.DUPLICATE, probability=1.0, amount=4, messages=("ObserveReq",))
    plan = FaultPlan((repeats, *crashes))
    outcomes = [simulate(Scenario(seed=s, plan=plan, fast=True)) for s in range(30)]
    broken = {o.violation.invariant for o in outcomes if o.violation is not None}
    # Forgetting shows as a second signature, or as a record that takes a vote back.
    assert broken
    assert broken <= {"I3", "I4"}


def test_a_record_that_goes_back_breaks_i4(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(self: Pacemaker) -> PacemakerRecord:
        return (
            PacemakerRecord(self.epoch, self.highest_wished, (0,) * len(self.wishes))
            if len(set(self.wishes)) > 1
            else original(self)
        )

    original = Pacemaker._record
    monkeypatch.setattr(Pacemaker, "_record", empty)
    found("I4", FaultPlan())


def test_following_a_single_wish_breaks_i5(monkeypatch: pytest.MonkeyPatch) -> None:
    def gullible(self: Pacemaker, config: object, own_id: object, schedule: object) -> None:
        original(self, replace(config, f=0), own_id, schedule)  # type: ignore[type-var, arg-type]

    original = Pacemaker.__init__
    monkeypatch.setattr(Pacemaker, "__init__", gullible)
    found("I5", byzantine(Behaviour.FLOOD, 3))


@pytest.mark.parametrize("machine", [Follower, Pacemaker])
def test_a_vote_before_its_record_breaks_i6(machine: type, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: Oracle, effects: list[Effect], now: int) -> list[Effect]:
        kept = original(self, effects, now)  # type: ignore[arg-type]
        about_epochs = machine is Pacemaker
        early = [
            e for e in kept
            if isinstance(e, Persist) and isinstance(e.record, PacemakerRecord) == about_epochs
        ]  # fmt: skip
        return [e for e in kept if e not in early] + early

    original = Oracle._looped_back
    monkeypatch.setattr(Oracle, "_looped_back", late)
    found("I6", FaultPlan())


def test_a_contract_that_takes_retired_reports_breaks_i7(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "_refusal", lambda self, report: None)
    plan = FaultPlan(
        (Fault(FaultKind.RECONFIGURE, start=3_300_000_000, stop=3_300_000_000, amount=3_000_000_000),)
    )  # type: ignore[arg-type]
    found("I7", plan)


def test_buffers_without_bound_break_i8(monkeypatch: pytest.MonkeyPatch) -> None:
    def unbounded(self: Oracle, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]
        self._future = [deque() for _ in self._future]

    original = Oracle.__init__
    monkeypatch.setattr(Oracle, "__init__", unbounded)
    found("I8", byzantine(Behaviour.FLOOD, 2))


def test_a_step_that_depends_on_something_else_breaks_i9(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    original = Pacemaker._wish

    def moody(self: Pacemaker, now: int, effects: list[Effect]) -> None:
        original(self, now, effects)  # type: ignore[arg-type]
        if next(ticks) % 7 == 6:
            effects.append(Broadcast(NewEpoch(self.highest_wished)))

    monkeypatch.setattr(Pacemaker, "_wish", moody)
    found("I9", FaultPlan())


def test_a_smaller_quorum_breaks_i10(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommitteeConfig, "report_quorum", property(lambda self: self.f + 1))
    # One that tells two tales, and one that signs both: n = 7, f = 2.
    found("I10", byzantine(Behaviour.EQUIVOCATE, 0, 1), n=7, unique=True, seeds=200)


def test_echoing_again_breaks_i11(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finalizer, "_remember", lambda self, tag: None)
    found("I11", FaultPlan())


def test_a_contract_without_max_age_breaks_i12(monkeypatch: pytest.MonkeyPatch) -> None:
    def ageless(self: Chain, transmitter: int, report: object, now: int) -> object:
        age, self.max_age = self.max_age, Duration(2**62)
        try:
            return original(self, transmitter, report, now)  # type: ignore[arg-type]
        finally:
            self.max_age = age

    original = Chain.transmit
    monkeypatch.setattr(Chain, "transmit", ageless)
    found("I12", FaultPlan(), max_age=SECOND)


def test_an_exception_breaks_i13(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(self: Pacemaker, sender: int, epoch: int, now: int, effects: list[Effect]) -> object:
        if epoch > 10**6:
            raise ValueError("epoch")
        return original(self, sender, epoch, now, effects)  # type: ignore[arg-type]

    original = Pacemaker.on_new_epoch
    monkeypatch.setattr(Pacemaker, "on_new_epoch", fragile)
    found("I13", byzantine(Behaviour.FLOOD, 1))


def test_a_leader_that_never_asks_for_reports_breaks_liveness(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: Leader, effects: list[Effect]) -> None:
        self._grace_deadline = None  # as the true one does, or else its timer would never end
        self._finish_round()

    monkeypatch.setattr(Leader, "_request_report", silent)
    found("L", FaultPlan())


def test_timers_that_never_end_break_i8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leader, "_request_report", lambda self, effects: None)
    found("I8", FaultPlan())


def test_random_plans_keep_to_f_byzantine_oracles() -> None:
    for seed in range(200):
        plan = draw_plan(Streams(seed), 7, 2, Duration(10 * SECOND))
        assert len(plan.faulty()) <= 2
