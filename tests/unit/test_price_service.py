"""The demo's price sources: recorded prices, noise, faults, and HTTP on the loopback interface."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import httpx
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_peer.demo.price_data import _extracted, recorded_prices
from ocr_peer.demo.price_service import (
    SOURCES,
    Down,
    Fault,
    Lie,
    PriceSources,
    observation_source,
    price_at,
)
from ocr_peer.durations import SECOND_NS
from ocr_peer.errors import InputError
from ocr_peer.pipeline import RunResult, TaskError, lint, new_http_client, parse_pipeline, run

LAST = len(recorded_prices()) - 1


class Clock:
    """Seconds that only the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def sources(**options: float) -> tuple[PriceSources, Clock]:
    clock = Clock()
    return PriceSources(seed=7, step_seconds=2, clock=clock, **options), clock  # type: ignore[arg-type]


def test_the_recording_is_the_banks() -> None:
    path = recorded_prices()
    assert len(path) == 2_000
    assert [price.day for price in path] == sorted({price.day for price in path})
    by_day = {price.day: price.usd for price in path}
    # Published in the bank's table for these days; 2022-07-12 is the day before parity was first crossed.
    assert by_day[date(2022, 7, 12)] == Decimal("1.0042")
    assert by_day[date(2020, 3, 17)] == Decimal("1.0982")
    assert all(Decimal("0.9") < price.usd < Decimal("1.3") for price in path)


def test_the_recording_is_the_latest_of_the_banks_table_oldest_first() -> None:
    table = [
        {"Date": f"{year}-01-0{day}", "USD": "N/A" if day == 9 else f"1.{year}"}
        for year in (2001, 2000)
        for day in (9, 2, 1)
    ]
    assert list(_extracted(table)) == [
        ("2000-01-01", "1.2000"),
        ("2000-01-02", "1.2000"),
        ("2001-01-01", "1.2001"),
        ("2001-01-02", "1.2001"),
    ]
    assert len(list(_extracted([{"Date": f"{day:05}", "USD": "1"} for day in range(3_000)]))) == 2_000


@settings(deadline=None)
@given(st.integers(0, 3 * LAST), st.sampled_from(SOURCES), st.integers(0, 30), st.integers(0, 2**32))
def test_prices_stay_within_three_basis_points_of_the_recording(
    step: int, source: str, oracle: int, seed: int
) -> None:
    price = price_at(step, source, oracle, seed)
    recorded = recorded_prices()[min(step % (2 * LAST), 2 * LAST - step % (2 * LAST))].usd
    assert abs(price - recorded) <= recorded * Decimal("0.0003") + Decimal("0.000005")
    assert price == price_at(step, source, oracle, seed)
    assert price.as_tuple().exponent == -5


def test_noise_differs_by_seed_source_oracle_and_step() -> None:
    base = {price_at(0, "a", 0, seed) for seed in range(40)}
    assert len(base) > 10
    assert len({price_at(0, source, oracle, 1) for source in SOURCES for oracle in range(31)}) > 20


def test_the_path_turns_at_its_ends_instead_of_jumping() -> None:
    recorded = recorded_prices()
    noise = Decimal("0.0004")
    assert abs(price_at(LAST, "a", 0, 1) - recorded[LAST].usd) < noise
    assert abs(price_at(LAST + 1, "a", 0, 1) - recorded[LAST - 1].usd) < noise
    assert abs(price_at(2 * LAST, "a", 0, 1) - recorded[0].usd) < noise


def test_a_known_price() -> None:
    assert price_at(0, "a", 0, 1) == Decimal("1.15377")


def test_the_clock_moves_the_steps() -> None:
    prices, clock = sources(first_step=10)
    assert prices.step == 10
    clock.now += 1.9
    assert prices.step == 10
    clock.now += 0.2
    assert prices.step == 11
    assert prices.quote("b", 3) == price_at(11, "b", 3, 7)


def test_lies_are_per_source_and_oracle() -> None:
    prices, _ = sources()
    prices.set_fault(Lie(Decimal("1.1")), oracles=[2], sources=["a"])
    prices.set_fault(Lie(None), oracles=[3])
    assert prices.quote("a", 2) == (price_at(0, "a", 2, 7) * Decimal("1.1")).quantize(Decimal("0.00001"))
    assert prices.quote("b", 2) == price_at(0, "b", 2, 7)
    assert prices.quote("c", 3) == 10**12
    prices.recover(oracles=[2, 3])
    assert prices.faults == {}
    assert prices.quote("a", 2) == price_at(0, "a", 2, 7)


@pytest.mark.parametrize(("oracles", "names"), [([31], ["a"]), ([-1], ["a"]), ([0], ["d"])])
def test_unknown_views_are_refused(oracles: list[int], names: list[str]) -> None:
    prices, _ = sources()
    with pytest.raises(InputError):
        prices.set_fault(Lie(), oracles=oracles, sources=names)
    assert prices.faults == {}


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_a_step_takes_time(seconds: float) -> None:
    with pytest.raises(InputError, match="step_seconds"):
        PriceSources(seed=1, step_seconds=seconds)


def test_the_observation_source_has_no_warnings() -> None:
    pipeline = parse_pipeline(observation_source("http://127.0.0.1:1", 5, timeout_ns=2 * SECOND_NS))
    assert lint(pipeline) == ()
    assert {node.timeout_ns for node in pipeline.nodes} == {None, 2 * SECOND_NS}


async def test_each_source_has_its_own_shape(nursery: trio.Nursery) -> None:
    prices, clock = sources()
    url = await nursery.start(prices.serve)
    async with httpx.AsyncClient() as client:
        texts = {source: (await client.get(f"{url}/{source}/4")).text for source in SOURCES}
        clock.now += 2
        later = await client.get(f"{url}/a/4")
    shapes = {source: json.loads(text, parse_float=Decimal) for source, text in texts.items()}
    assert Decimal(shapes["a"]["price"]) == price_at(0, "a", 4, 7)
    assert Decimal(shapes["b"]["result"]["EURUSD"]["c"][0]) == price_at(0, "b", 4, 7)
    assert shapes["c"]["data"]["rate"] == price_at(0, "c", 4, 7)
    assert Decimal(later.json()["price"]) == price_at(1, "a", 4, 7)
    nursery.cancel_scope.cancel()


async def observed(url: str, oracle: int, *, timeout_ns: int = 10 * SECOND_NS) -> RunResult:
    async with new_http_client() as client:
        pipeline = parse_pipeline(observation_source(url, oracle, timeout_ns=timeout_ns))
        return await run(pipeline, client, timeout_s=30)


async def test_an_oracle_observes_the_median_of_the_sources(nursery: trio.Nursery) -> None:
    prices, _ = sources()
    url = await nursery.start(prices.serve)
    middle = sorted(price_at(0, source, 2, 7) for source in SOURCES)[1]
    assert (await observed(url, 2)).final_int192() == middle * 10**8
    prices.set_fault(Lie(Decimal(2)), oracles=[2], sources=["a"])
    honest = [price_at(0, source, 2, 7) * 10**8 for source in ("b", "c")]
    assert (await observed(url, 2)).final_int192() == max(honest)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (Down("503"), "status 503"),
        (Down("silent"), "no answer within 1 s"),
        (Down("hang up"), "without sending complete message body"),
    ],
)
async def test_a_source_that_is_down_is_one_allowed_fault(
    fault: Fault, part: str, nursery: trio.Nursery
) -> None:
    prices, _ = sources()
    url = await nursery.start(prices.serve)
    prices.set_fault(fault, oracles=[0], sources=["b"])
    # Only a source that stays silent is waited for.
    timeout_ns = SECOND_NS if fault == Down("silent") else 10 * SECOND_NS
    result = await observed(url, 0, timeout_ns=timeout_ns)
    assert part in str(result.task("b").outcome)
    assert isinstance(result.final_int192(), int)
    prices.set_fault(fault, oracles=[0], sources=["c"])
    assert isinstance((await observed(url, 0, timeout_ns=timeout_ns)).final_int192(), TaskError)
    assert isinstance((await observed(url, 1)).final_int192(), int)
    nursery.cancel_scope.cancel()


async def test_faults_are_controlled_over_http(nursery: trio.Nursery) -> None:
    prices, _ = sources()
    url = await nursery.start(prices.serve)
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post(
            "/control", json={"do": "lie", "oracles": [2], "sources": ["a"], "factor": "1.5"}
        )
        assert answer.status_code == 200
        assert prices.faults == {("a", 2): Lie(Decimal("1.5"))}
        await client.post("/control", json={"do": "lie", "oracles": [2], "factor": None, "sources": ["b"]})
        await client.post("/control", json={"do": "die", "oracles": [0], "sources": ["c"], "how": "silent"})
        assert prices.faults[("b", 2)] == Lie(None)
        assert prices.faults[("c", 0)] == Down("silent")
        shown = (await client.get("/control")).json()
        assert shown["step"] == 0
        assert [(fault["source"], fault["oracle"]) for fault in shown["faults"]] == [
            ("a", 2),
            ("b", 2),
            ("c", 0),
        ]
        await client.post("/control", json={"do": "recover", "oracles": [0, 2]})
        assert prices.faults == {}
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"do":"lie"}', 400),
        (b'{"do":"explode","oracles":[1]}', 400),
        (b'{"do":"lie","oracles":[31]}', 400),
        (b'{"do":"lie","oracles":[1],"sources":["z"]}', 400),
        (b'{"do":"lie","oracles":[1],"factr":2}', 400),
        (b'{"do":"lie","oracles":[1],"factor":1e30}', 400),
        (b'{"do":"lie","oracles":[1],"factor":"NaN"}', 400),
        (b'{"do":"lie","oracles":[' + b"1," * 4_000 + b"1]}", 413),
    ],
)
async def test_other_commands_are_refused(body: bytes, status: int, nursery: trio.Nursery) -> None:
    prices, _ = sources()
    url = await nursery.start(prices.serve)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/control", content=body)
    assert (answer.status_code, prices.faults) == (status, {})
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("path", ["/", "/a", "/d/1", "/a/31", "/a/x", "/a/-1"])
async def test_other_paths_are_not_found(path: str, nursery: trio.Nursery) -> None:
    url = await nursery.start(sources()[0].serve)
    async with httpx.AsyncClient() as client:
        assert (await client.get(url + path)).status_code == 404
    nursery.cancel_scope.cancel()
