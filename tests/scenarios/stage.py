"""Where scenarios are played: runs that must hold, with everything that happened at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count, islice

from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.protocol.effects import MilestoneKind
from ocr_peer.protocol.report import RoundTag
from ocr_peer.simulation.chronicle import Chronicle
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.committee import Committee, Timing, form_committee
from ocr_peer.simulation.faults import FOREVER, Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.run import Outcome, Scenario, simulate
from ocr_peer.simulation.streams import Streams

RARELY = Timing(
    alpha_infinite=True, delta_c=Duration(3600 * SECOND), delta_round=Duration(2 * SECOND), r_max=10
)
"""Only the first report and requested ones are due, and are mined before the next round looks at the chain."""


def seconds(count: float) -> Duration:
    return Duration(int(count * SECOND))


def fault(
    what: FaultKind, who: Iterable[int] = (), start: float = 0, stop: float | None = None, **more: object
) -> Fault:
    end = FOREVER if stop is None else seconds(stop)
    return Fault(what, tuple(who), seconds(start), end, **more)  # type: ignore[arg-type]


def byzantine(behaviour: Behaviour, *who: int, amount: int = 0) -> Fault:
    return fault(FaultKind.BYZANTINE, who, behaviour=behaviour, amount=amount)


def request_round(at: float) -> Fault:
    return fault(FaultKind.REQUEST_ROUND, (), at, at)


@dataclass
class Run:
    """One run, and what was seen of it."""

    outcome: Outcome
    chronicle: Chronicle
    cluster: Cluster

    @property
    def honest(self) -> list[int]:
        faulty = self.outcome.plan.faulty()
        return [oracle for oracle in range(self.outcome.scenario.n) if oracle not in faulty]

    def finalized(self, *oracles: int) -> set[RoundTag]:
        """Rounds that every one of the oracles, or of all honest ones, took for final."""
        sets = [
            set(self.chronicle.reached(MilestoneKind.FINALIZED, oracle)) for oracle in oracles or self.honest
        ]
        return set.intersection(*sets)

    def led(self, epoch: int) -> int:
        return int(self.cluster.committees[0].schedule.leader(epoch))

    def accepted_between(self, start: float, stop: float) -> list[RoundTag]:
        """What the chain took in a stretch of seconds."""
        landings = self.chronicle.accepted()
        return [item.tag for item in landings if seconds(start) <= item.elapsed < seconds(stop)]


def play(
    *faults: Fault,
    seed: int = 1,
    n: int = 4,
    rounds: int = 12,
    inspect: Callable[[Cluster, Chronicle], None] = lambda *_: None,
    **more: object,
) -> Run:
    """A run in which no invariant breaks and enough rounds become final."""
    chronicle, clusters = Chronicle(), []

    def attach(cluster: Cluster) -> None:
        cluster.witnesses.append(chronicle)
        clusters.append(cluster)
        inspect(cluster, chronicle)

    options: dict[str, object] = {"fast": True, "plan": FaultPlan(faults), **more}
    scenario = Scenario(seed=seed, n=n, rounds=rounds, **options)  # type: ignore[arg-type]
    outcome = simulate(scenario, inspect=attach, keep_trace=True)
    assert outcome.violation is None, f"seed {seed}: {outcome.violation}"
    assert outcome.rounds >= rounds
    return Run(outcome, chronicle, clusters[0])


def plays(
    *faults: Fault, seeds: int = 4, n: int = 4, first_leader: int | None = None, **more: object
) -> list[Run]:
    """The same under several seeds, in all of which the same oracle leads first if one is named."""
    fitting = (s for s in count() if first_leader is None or leaders(s, n, [1]) == [first_leader])
    return [play(*faults, seed=seed, n=n, **more) for seed in islice(fitting, seeds)]  # type: ignore[arg-type]


def committee(seed: int, n: int, timing: Timing | None = None, generation: int = 0) -> Committee:
    """The committee of a seed's configuration, to foresee its leaders and transmitters."""
    return form_committee(
        Streams(seed),
        n,
        (n - 1) // 3,
        timing=timing or Timing(),
        generation=generation,
        fast=True,
        unique=False,
    )


def leaders(seed: int, n: int, epochs: Iterable[int], generation: int = 0) -> list[int]:
    schedule = committee(seed, n, generation=generation).schedule
    return [int(schedule.leader(epoch)) for epoch in epochs]


def stages(seed: int, n: int, tag: RoundTag, timing: Timing) -> list[int | None]:
    return committee(seed, n, timing).schedule.stages(tag)


def seed_where(holds: Callable[[int], bool], most: int = 2000) -> int:
    """The first seed whose keys, and so leaders and transmitters, are as a scenario needs them."""
    return next(seed for seed in range(most) if holds(seed))
