"""Puts a plan's faults on the cluster's calendar; those of links and surroundings look after themselves."""

from __future__ import annotations

from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.faults import FOREVER, Fault, FaultKind, FaultPlan

__all__ = ["schedule"]


def schedule(cluster: Cluster, plan: FaultPlan) -> None:
    """Let every fault begin and end at its time."""
    for fault in plan.faults:
        cluster.at(fault.start, _begin, cluster, fault)
        if fault.stop < FOREVER:
            cluster.at(fault.stop, _end, cluster, fault)


def _begin(cluster: Cluster, fault: Fault) -> None:
    match fault.what:
        case FaultKind.REORG:
            cluster.reorganise(fault.amount)
        case FaultKind.RECONFIGURE:
            cluster.reconfigure(fault.amount)
        case FaultKind.INVALID_CONFIG:
            cluster.reconfigure(fault.amount, valid=False)
        case FaultKind.REQUEST_ROUND:
            cluster.chain.request_round()
        case _:
            pass
    for oracle in fault.who:
        node = cluster.nodes[oracle]
        match fault.what:
            case FaultKind.CRASH if fault.messages:
                node.crash_before, node.crash_skips = fault.messages, fault.amount
                node.crash_reaches = fault.to
            case FaultKind.CRASH:
                node.boundaries_to_crash = fault.amount
            case FaultKind.DRIFT:
                cluster.drift(node, fault.amount)
            case FaultKind.PAUSE:
                node.paused_until = max(node.paused_until, fault.stop)
            case FaultKind.SKEW:
                node.next_clock_offset = fault.amount
            case FaultKind.DISK:
                node.disk_fails = True
            case FaultKind.ROLLBACK:
                node.snapshot = dict(node.disks)
            case _:
                pass


def _end(cluster: Cluster, fault: Fault) -> None:
    if fault.what is FaultKind.INVALID_CONFIG:
        cluster.reconfigure(fault.amount)
    for oracle in fault.who:
        node = cluster.nodes[oracle]
        match fault.what:
            case FaultKind.CRASH:
                node.boundaries_to_crash, node.crash_before = None, ()
                cluster.start(oracle)
            case FaultKind.DRIFT:
                cluster.drift(node, 0)
            case FaultKind.DISK:
                node.disk_fails = False
                cluster.start(oracle)
            case FaultKind.ROLLBACK:
                cluster.crash(node)
                node.disks = dict(node.snapshot)
                cluster.start(oracle)
            case FaultKind.SKEW:
                node.next_clock_offset = 0
            case _:
                pass
