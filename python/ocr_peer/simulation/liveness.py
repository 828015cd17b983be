"""After the faults have ended, a due report comes on chain within a bound, and again and again."""

from __future__ import annotations

from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.committee import SIMULATION_START, Committee
from ocr_peer.simulation.faults import FOREVER, FaultKind, FaultPlan
from ocr_peer.simulation.invariants import Violation

__all__ = ["LivenessWatch", "liveness_bound", "stabilises"]

_IDLE_LIMIT = 900 * SECOND
"""How long a run without hope of progress goes on after its last fault."""

_MAX_BACKOFF = 8
_FORESEEN = 64
"""Epochs in which the longest run of bad leaders is looked for."""

_HARMLESS = frozenset({FaultKind.SKEW, FaultKind.DUPLICATE})
"""May go on for ever without keeping anybody from progress."""


def stabilises(plan: FaultPlan, f: int) -> bool:
    """Whether all but at most f oracles are well in the end, so that progress can be expected."""
    lost = set(plan.faulty())
    for fault in plan.faults:
        if fault.stop >= FOREVER and fault.what not in _HARMLESS:
            if not fault.who and fault.what not in (FaultKind.REORG, FaultKind.RECONFIGURE):
                return False
            lost |= set(fault.who)
    return len(lost) <= f


def liveness_bound(plan: FaultPlan, committee: Committee, epoch: int) -> Duration:
    """The longest that a report may take: the worst run of bad leaders, then the whole schedule.

    The design's 2f+1 epochs are an expectation, as OCR2's leaders may repeat; here the actual leaders of
    the coming epochs are known.
    """
    config = committee.config
    bad = {oracle for fault in plan.faults if fault.stop >= FOREVER for oracle in fault.who}
    longest = run = 0
    for ahead in range(epoch, epoch + _FORESEEN):
        run = run + 1 if committee.schedule.leader(ahead) in bad else 0
        longest = max(longest, run)
    one_epoch = (_MAX_BACKOFF + config.r_max) * config.delta_progress + config.delta_resend
    transmission = 3 * (config.transmit_window + 10 * SECOND)
    return Duration((longest + 2) * one_epoch + transmission)


class LivenessWatch:
    """Says how long a run may go on without a report on chain."""

    def __init__(self, plan: FaultPlan, f: int) -> None:
        self._plan = plan
        self._stable = plan.stabilisation()
        self._hopeful = stabilises(plan, f)
        self._known = (-1, 0)
        self._bounds: dict[tuple[int, int], Duration] = {}
        """By number of configurations and epoch."""
        self._deadline = self._stable + _IDLE_LIMIT

    def satisfied(self, cluster: Cluster) -> bool:
        """Whether the faults are over, and the committee has shown that it lives."""
        if not self._hopeful:
            return cluster.elapsed > self._stable
        return cluster.last_accepted - SIMULATION_START > self._stable

    def deadline(self, cluster: Cluster) -> int:
        """The time at which silence becomes a violation, or a run without hope ends."""
        key = (cluster.last_accepted, len(cluster.committees))
        if self._hopeful and key != self._known:
            self._known = key
            epoch = max(
                (node.life.oracle.epoch for node in cluster.nodes if node.life is not None), default=1
            )
            era = (len(cluster.committees), epoch)
            if era not in self._bounds:
                self._bounds[era] = liveness_bound(self._plan, cluster.committees[-1], epoch)
            since = max(cluster.last_accepted - SIMULATION_START, self._stable)
            self._deadline = since + self._bounds[era]
        return self._deadline

    def check(self, cluster: Cluster) -> None:
        """Nothing more happens before the deadline.

        Raises:
            Violation: there was reason to hope.
        """
        if self._hopeful:
            since = max(cluster.last_accepted - SIMULATION_START, self._stable)
            waited = (self._deadline - since) / SECOND
            raise Violation("L", -1, f"no report on chain for {waited:.0f} s after stabilisation")
