"""A node's warning when the contract promises what its configuration does not keep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import structlog.testing
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ocr_peer.evm.abi import encode_values
from ocr_peer.evm.freshness import Freshness, conflicts, landing_time, read_freshness
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable
from ocr_peer.node.heartbeat import FreshnessWatch
from ocr_peer.protocol.config import SECOND, CommitteeConfig, ConfigDigest, Duration, OracleId, PrivateConfig
from ocr_peer.protocol.reconfiguration import ContractConfig, Membership
from tests.unit.test_owner_configuration import plan

PLANNED = plan(deltaC="1h")
CONFIG = PLANNED.config


class Contract:
    """Answers `heartbeat()` and `maxAge()`; counts how often it is asked."""

    shown_url = "http://chain.test"

    def __init__(self, heartbeat: object, max_age: object) -> None:
        self.answers = [heartbeat, max_age]
        self.asked = 0

    async def batch(self, calls: Any) -> list[object]:
        self.asked += 1
        if isinstance(self.answers[0], RpcUnavailable):
            raise self.answers[0]
        return [
            "0x" + encode_values(("uint256",), (answer,)).hex() if isinstance(answer, int) else answer
            for answer in self.answers
        ]

    call = agreed = wait_for_head = batch


def watch(contract: Contract) -> FreshnessWatch:
    return FreshnessWatch(contract, bytes(20), feed="ETH / USD")


def membership(config: CommitteeConfig) -> Membership:
    return Membership(config, PrivateConfig(bytes(16), bytes(16)), OracleId(0))


def configure(watched: FreshnessWatch, config: CommitteeConfig = CONFIG) -> None:
    watched.noting(lambda _: membership(config))(PLANNED.published)


@pytest.mark.parametrize(
    ("freshness", "functions"),
    [
        (Freshness(None, None), []),
        (Freshness(0, 0), []),
        (Freshness(3600, 3600), []),
        (Freshness(3601, 0), ["heartbeat"]),
        (Freshness(1, None), ["heartbeat"]),
        (Freshness(2**32 - 1, 1), ["heartbeat", "maxAge"]),
        (Freshness(3600, 180), ["maxAge"]),
        (Freshness(3600, 181), []),
    ],
)
def test_what_contradicts_the_configuration(freshness: Freshness, functions: list[str]) -> None:
    assert [conflict.function for conflict in conflicts(freshness, CONFIG)] == functions


def test_landing_time_is_that_of_the_last_oracle_of_the_schedule() -> None:
    """5 s observation, 1 s grace, 5 s each for report, acceptance and transmission; 40 s a stage."""
    assert landing_time(CONFIG) == (21 + 4 * 40) * SECOND
    assert landing_time(replace(CONFIG, stage_sizes=(1, 3, 1, 1))) == (21 + 2 * 40) * SECOND
    assert landing_time(replace(CONFIG, stage_sizes=(1, 1))) == (21 + 2 * 40) * SECOND
    assert landing_time(replace(CONFIG, stage_sizes=(0, 4))) == (21 + 2 * 40) * SECOND
    assert landing_time(replace(CONFIG, stage_sizes=())) == 21 * SECOND
    assert landing_time(replace(CONFIG, delta_stage=Duration(0))) == 21 * SECOND


async def test_contract_without_the_functions_is_silently_fine() -> None:
    for answer in (RpcError(3, "execution reverted"), "0x", "nonsense", None):
        contract = Contract(answer, answer)
        assert await read_freshness(contract, bytes(20)) == Freshness(None, None)
        watched = watch(contract)
        configure(watched)
        with structlog.testing.capture_logs() as logs:
            await watched.look()
        assert logs == []


async def test_each_value_is_told_once_for_each_configuration() -> None:
    contract = Contract(60, 100)
    watched = watch(contract)
    with structlog.testing.capture_logs() as logs:
        await watched.look()
        assert (logs, contract.asked) == ([], 0), "nothing is configured yet"
        configure(watched)
        await watched.look()
        await watched.look()
    assert [entry["event"] for entry in logs] == [
        "heartbeat does not fit the configuration",
        "maxAge does not fit the configuration",
    ]
    assert {entry["log_level"] for entry in logs} == {"warning"}
    assert "1m" in logs[0]["reason"]
    assert "1h" in logs[0]["reason"]

    contract.answers = [61, 0]
    with structlog.testing.capture_logs() as logs:
        await watched.look()
        await watched.look()
    assert [entry["event"] for entry in logs] == ["heartbeat does not fit the configuration"]

    configure(watched, replace(CONFIG, config_digest=ConfigDigest(b"\x01" * 32)))
    with structlog.testing.capture_logs() as logs:
        await watched.look()
    assert [entry["event"] for entry in logs] == ["heartbeat does not fit the configuration"]


async def test_new_configuration_is_looked_at_at_once_and_others_later(autojump_clock: MockClock) -> None:
    contract = Contract(3600, 0)
    watched = watch(contract)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.run)
        await wait_all_tasks_blocked()
        configure(watched)
        await trio.sleep(1)
        assert contract.asked == 1
        with structlog.testing.capture_logs() as logs:
            contract.answers = [7, 0]
            await trio.sleep(600)  # ends a second after the look, not at the same instant
            assert contract.asked == 2
        assert len(logs) == 1
        nursery.cancel_scope.cancel()


async def test_silent_endpoint_is_no_trouble() -> None:
    watched = watch(Contract(RpcUnavailable("http://chain.test", "down"), 0))
    configure(watched)
    with structlog.testing.capture_logs() as logs:
        await watched.look()
    assert [entry["log_level"] for entry in logs] == ["debug"]


def test_configuration_that_is_refused_is_not_noted() -> None:
    watched = watch(Contract(60, 0))

    def refuse(published: ContractConfig) -> Membership:
        raise KeyError

    with pytest.raises(KeyError):
        watched.noting(refuse)(PLANNED.published)
    assert watched._config is None
