"""Draws a fault plan from the seed: up to f Byzantine oracles, and a storm that ends."""

from __future__ import annotations

import random
from collections.abc import Callable

from ocr_peer.protocol.config import MILLISECOND, SECOND, Duration
from ocr_peer.simulation.faults import FOREVER, Behaviour, Fault, FaultKind, FaultPlan
from ocr_peer.simulation.streams import Streams

__all__ = ["draw_plan"]

_MOST_SURROUNDING_FAULTS = 5
_FORGETFUL = 0.1
"""Share of rule-breaking oracles that go back to an old disk rather than lie."""
_BOUNDARIES = ("NewEpoch", "ObserveReq", "Observe", "ReportReq", "Report", "Final", "FinalEcho", "Transmit")


def draw_plan(streams: Streams, n: int, f: int, horizon: Duration) -> FaultPlan:
    """Some of everything within `horizon`, never more than f oracles that break the rules."""
    dice = streams.stream("plan")
    order = list(range(n))
    dice.shuffle(order)
    faults: list[Fault] = []
    for oracle in sorted(order[: dice.randint(0, f)]):
        if dice.random() < _FORGETFUL:
            # It keeps to the protocol, but not to its word: one of the f, too.
            faults.append(Fault(FaultKind.ROLLBACK, (oracle,), *_window(dice, horizon)))
            continue
        behaviour = dice.choice(list(Behaviour))
        faults.append(Fault(FaultKind.BYZANTINE, (oracle,), behaviour=behaviour))
    for _ in range(dice.randint(0, _MOST_SURROUNDING_FAULTS)):
        draw = dice.choice(_DRAWS)
        faults.append(draw(dice, n, horizon))
    return FaultPlan(tuple(faults))


def _window(dice: random.Random, horizon: Duration) -> tuple[Duration, Duration]:
    start = dice.randrange(horizon)
    return Duration(start), Duration(start + 1 + dice.randrange(max(1, horizon - start)))


def _some(dice: random.Random, n: int) -> tuple[int, ...]:
    return tuple(sorted(dice.sample(range(n), dice.randint(1, n))))


def _delay(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    amount = dice.choice((50, 400, 2000, 7000)) * MILLISECOND
    return Fault(FaultKind.DELAY, _some(dice, n), start, stop, probability=dice.random(), amount=amount)


def _loss(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.LOSS, _some(dice, n), start, stop, probability=dice.choice((0.05, 0.3, 0.9)))


def _duplicate(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(
        FaultKind.DUPLICATE, _some(dice, n), start, stop, probability=dice.random(), amount=dice.randint(1, 4)
    )


def _partition(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.PARTITION, _some(dice, n), start, stop)


def _crash(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.CRASH, _some(dice, n), start, stop, amount=dice.randrange(40))


def _crash_in_the_act(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    reached = tuple(sorted(dice.sample(range(n), dice.randint(0, n - 1))))
    kind = (dice.choice(_BOUNDARIES),)
    return Fault(
        FaultKind.CRASH, _some(dice, n), start, stop, amount=dice.randrange(3), messages=kind, to=reached
    )


def _pause(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.PAUSE, _some(dice, n), start, stop)


def _skew(dice: random.Random, n: int, horizon: Duration) -> Fault:
    amount = dice.randint(-5 * SECOND, 5 * SECOND)
    return Fault(FaultKind.SKEW, _some(dice, n), Duration(0), FOREVER, amount=amount)


def _drift(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.DRIFT, _some(dice, n), start, stop, amount=dice.randint(-200_000, 200_000))


def _disk(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.DISK, (dice.randrange(n),), start, stop)


def _rpc_down(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.RPC_DOWN, _some(dice, n), start, stop)


def _rpc_stale(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.RPC_STALE, _some(dice, n), start, stop, amount=dice.randrange(1, 30) * SECOND)


def _not_mined(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.NOT_MINED, _some(dice, n), start, stop, probability=dice.choice((0.5, 1.0)))


def _reorg(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, _ = _window(dice, horizon)
    return Fault(FaultKind.REORG, (), start, start, amount=dice.randint(1, 3))


def _source_down(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.SOURCE_DOWN, _some(dice, n), start, stop)


def _source_value(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    value = dice.choice((0, -5, 1, 99_000, 10**13))
    return Fault(FaultKind.SOURCE_VALUE, _some(dice, n), start, stop, amount=value)


def _request_round(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, _ = _window(dice, horizon)
    return Fault(FaultKind.REQUEST_ROUND, (), start, start)


def _reconfigure(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, _ = _window(dice, horizon)
    return Fault(FaultKind.RECONFIGURE, (), start, start, amount=dice.randrange(5 * SECOND))


def _invalid_config(dice: random.Random, n: int, horizon: Duration) -> Fault:
    start, stop = _window(dice, horizon)
    return Fault(FaultKind.INVALID_CONFIG, (), start, stop, amount=dice.randrange(5 * SECOND))


_Draw = Callable[[random.Random, int, Duration], Fault]

_DRAWS: tuple[_Draw, ...] = (
    _delay,
    _delay,
    _loss,
    _loss,
    _duplicate,
    _partition,
    _crash,
    _crash,
    _crash_in_the_act,
    _pause,
    _skew,
    _drift,
    _disk,
    _rpc_down,
    _rpc_stale,
    _not_mined,
    _reorg,
    _source_down,
    _source_value,
    _request_round,
    _reconfigure,
    _invalid_config,
)
"""As often as they stand here."""
