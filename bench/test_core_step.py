"""Cost of one `Oracle.step` by kind of event, and the native module's share of it; real signatures.

A committee is simulated once; then each oracle's events are repeated on a new oracle and every step is timed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from ocr_peer import crypto
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.protocol.attestation import CommitteeAttestation, committee_keys
from ocr_peer.protocol.config import Instant, OracleId
from ocr_peer.protocol.effects import Effect
from ocr_peer.protocol.events import Event, MessageReceived
from ocr_peer.protocol.messages import Final, FinalEcho
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.simulation.committee import Committee, Timing, form_committee
from ocr_peer.simulation.faults import FaultPlan
from ocr_peer.simulation.node import Life
from ocr_peer.simulation.run import Scenario, simulate
from ocr_peer.simulation.streams import Streams

_SEED = 1
_ROUNDS = 10
_REPEATS = 5
_NATIVE_FUNCTIONS = (
    "decode_observation",
    "decode_report",
    "leader",
    "report_signing_hash",
    "transmission_delay_stages",
)

_Step = tuple[str, Event, Instant]
"""Kind, event and time of a step."""


class _NativeClock:
    """Adds up the time inside the native calls of the oracles that it is put under."""

    def __init__(self) -> None:
        self.spent = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter_ns()
            try:
                return call(*arguments)
            finally:
                self.spent += time.perf_counter_ns() - began

        return timed

    def within(self, native: Any) -> Any:
        return _Timed(self, native)


class _Timed:
    def __init__(self, clock: _NativeClock, native: Any) -> None:
        self._clock, self._native = clock, native

    def __getattr__(self, name: str) -> Any:
        timed = self._clock.around(getattr(self._native, name))
        setattr(self, name, timed)
        return timed


@pytest.mark.parametrize("n", [4, 16, 31])
def test_cost_per_step(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    with monkeypatch.context() as patched:
        lives = _record(patched, n)
    costs = [_replayed(n, lives) for _ in range(_REPEATS)]
    by_kind: dict[str, list[int]] = defaultdict(list)
    kinds = [kind for steps in lives for kind, _, _ in steps]
    for kind, *of_one_step in zip(kinds, *costs, strict=True):
        by_kind[kind].append(min(of_one_step))
    native = _NativeClock()
    for name in _NATIVE_FUNCTIONS:
        monkeypatch.setattr(crypto, name, native.around(getattr(crypto, name)))
    whole = sum(_replayed(n, lives, native))
    benchmark.extra_info |= {
        "steps": len(kinds),
        **{f"{kind}_us": round(sum(costs) / len(costs) / 1000, 1) for kind, costs in sorted(by_kind.items())},
        "native_percent": round(100 * native.spent / whole),
    }
    monkeypatch.undo()
    benchmark.pedantic(lambda: _replayed(n, lives), rounds=1, iterations=1)


def _record(patched: pytest.MonkeyPatch, n: int) -> list[list[_Step]]:
    """The steps of every oracle in a run without faults."""
    steps: dict[int, list[_Step]] = defaultdict(list)
    step = Life.step

    def recording(life: Life, event: Event, now: Instant) -> Any:
        effects = step(life, event, now)
        steps[life.oracle.own_id].append((_kind(event, effects), event, now))
        return effects

    patched.setattr(Life, "step", recording)
    outcome = simulate(Scenario(seed=_SEED, n=n, rounds=_ROUNDS, plan=FaultPlan(), replay=False))
    assert outcome.violation is None
    return [steps[oracle] for oracle in range(n)]


def _kind(event: Event, effects: list[Effect] | Any) -> str:
    if not isinstance(event, MessageReceived):
        return type(event).__name__
    if isinstance(event.message, Final | FinalEcho):
        # The first certificate of a round is verified; the others only tell what is known.
        return "Final" if effects else "FinalKnown"
    return type(event.message).__name__


def _replayed(n: int, lives: list[list[_Step]], native: _NativeClock | None = None) -> list[int]:
    """Nanoseconds of every step."""
    committee = form_committee(
        Streams(_SEED), n, (n - 1) // 3, timing=Timing(), generation=0, fast=False, unique=False
    )
    clock = time.perf_counter_ns
    costs = []
    for own_id, steps in enumerate(lives):
        oracle = _oracle(committee, own_id, native)
        for _, event, now in steps:
            began = clock()
            oracle.step(event, now)
            costs.append(clock() - began)
    return costs


def _oracle(committee: Committee, own_id: int, native: _NativeClock | None) -> Oracle:
    config = committee.config
    attestation, plugin = committee.attestations[own_id], committee.plugin
    if native is not None:
        streams, keys = Streams(_SEED), native.within(committee_keys(config))
        plugin = MedianPlugin(config, keys)
        attestation = CommitteeAttestation(
            config,
            keys,
            offchain=native.within(crypto.OffchainSigner(streams.octets("offchain", own_id))),
            onchain=native.within(crypto.OnchainSigner(streams.octets("onchain", own_id))),
        )
    return Oracle(config, committee.private, OracleId(own_id), attestation=attestation, plugin=plugin)
