"""One run: a scenario in, an outcome out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ocr_peer.protocol.config import SECOND, Duration, ReportFormat
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.committee import Committee, Timing, form_committee
from ocr_peer.simulation.disruption import schedule
from ocr_peer.simulation.faults import FaultPlan, check_plan
from ocr_peer.simulation.invariants import Violation
from ocr_peer.simulation.liveness import LivenessWatch
from ocr_peer.simulation.plans import draw_plan
from ocr_peer.simulation.streams import Streams
from ocr_peer.simulation.trace import Entry, Trace

__all__ = ["Outcome", "Scenario", "simulate"]


_MAX_AGE = Duration(60 * SECOND)
_GENERATIONS_PER_FEED = 1000


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that decides a run. Equal scenarios lead to equal traces."""

    seed: int
    n: int = 4
    f: int | None = None
    """⌊(n-1)/3⌋ unless given."""
    rounds: int = 20
    plan: FaultPlan | None = None
    """Drawn from the seed unless given."""
    fast: bool = False
    unique: bool = False
    report_format: ReportFormat = ReportFormat.OCR2
    feed: int = 0
    """One of several feeds of the same oracles: their keys are the same, configurations are not."""
    timing: Timing = field(default_factory=Timing)
    max_age: Duration = _MAX_AGE
    replay: bool = True

    @property
    def faults_tolerated(self) -> int:
        """The committee's f."""
        return (self.n - 1) // 3 if self.f is None else self.f

    def fault_plan(self) -> FaultPlan:
        """The plan that the run follows."""
        if self.plan is not None:
            return self.plan
        horizon = Duration(max(2, self.rounds // 2) * max(self.timing.delta_round, SECOND // 2))
        return draw_plan(Streams(self.seed), self.n, self.faults_tolerated, horizon)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    scenario: Scenario
    plan: FaultPlan
    violation: Violation | None
    rounds: int
    """Rounds that became final."""
    accepted: int
    refused: dict[str, int]
    steps: int
    messages: int
    sent: dict[str, int]
    """Messages by kind."""
    peer_faults: dict[str, int]
    """What honest oracles counted against others, by oracle and rule."""
    evidence: int
    """Proofs of equivocation."""
    crashes: int
    epoch: int
    seconds: float
    """Virtual."""
    digest: str
    entries: list[Entry]
    trace_length: int


def simulate(
    scenario: Scenario,
    *,
    keep_trace: bool = False,
    on_round: Callable[[int], None] = lambda _: None,
    inspect: Callable[[Cluster], None] = lambda _: None,
) -> Outcome:
    """Run until enough rounds are final after all faults have ended, or an invariant breaks.

    `inspect` sees the cluster before it starts and may put things of its own on its calendar.

    Raises:
        InputError: the plan names oracles that do not exist.
    """
    plan = scenario.fault_plan()
    check_plan(plan, scenario.n)
    trace = Trace(keep=keep_trace)
    streams = Streams(scenario.seed)

    def form(generation: int) -> Committee:
        return form_committee(
            streams,
            scenario.n,
            scenario.faults_tolerated,
            timing=scenario.timing,
            generation=generation + _GENERATIONS_PER_FEED * scenario.feed,
            fast=scenario.fast,
            unique=scenario.unique,
            report_format=scenario.report_format,
        )

    cluster = Cluster(form, plan, streams, max_age=scenario.max_age, trace=trace, replayed=scenario.replay)
    schedule(cluster, plan)
    for oracle in range(scenario.n):
        cluster.at(0, cluster.start, oracle)
    inspect(cluster)
    violation = _run(cluster, scenario, plan, on_round)
    if violation is not None:
        trace.add(cluster.elapsed, violation.oracle, "breaks", text=violation.invariant)
    return _outcome(cluster, scenario, plan, violation)


def _run(
    cluster: Cluster, scenario: Scenario, plan: FaultPlan, on_round: Callable[[int], None]
) -> Violation | None:
    watch = LivenessWatch(plan, scenario.faults_tolerated)
    finalized = cluster.counts.finalized
    reported = 0
    try:
        while not (len(finalized) >= scenario.rounds and watch.satisfied(cluster)):
            if len(finalized) > reported:
                on_round(min(len(finalized), scenario.rounds) - min(reported, scenario.rounds))
                reported = len(finalized)
            if not cluster.advance(watch.deadline(cluster)):
                watch.check(cluster)
                break
        cluster.finish()
    except Violation as violation:
        return violation
    return None


def _outcome(cluster: Cluster, scenario: Scenario, plan: FaultPlan, violation: Violation | None) -> Outcome:
    honest = [node for node in cluster.nodes if node.oracle_id not in cluster.byzantine]
    return Outcome(
        scenario=scenario,
        plan=plan,
        violation=violation,
        rounds=len(cluster.counts.finalized),
        accepted=cluster.counts.accepted,
        refused=dict(sorted(cluster.chain.refused.items())),
        steps=cluster.counts.steps,
        messages=cluster.counts.sent.total(),
        sent=dict(sorted(cluster.counts.sent.items())),
        peer_faults=dict(sorted(cluster.counts.peer_faults.items())),
        evidence=cluster.counts.evidence,
        crashes=cluster.counts.crashes,
        epoch=max((node.life.oracle.epoch for node in honest if node.life is not None), default=0),
        seconds=cluster.elapsed / SECOND,
        digest=cluster.trace.digest(),
        entries=cluster.trace.entries,
        trace_length=cluster.trace.length,
    )
