"""A node's endpoints at start: as configured, checked, and no obstacle once a configuration is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from trio.testing import MockClock

from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.endpoint import EndpointState
from ocr_peer.job import Job
from ocr_peer.node.chains import check_job, pool_of
from ocr_peer.node.jobs import contract_key
from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.settings import ChainSettings, NodePoolSettings, RpcNodeSettings
from ocr_peer.store import open_store
from tests.unit.test_evm_config_quorum import pool_over
from tests.unit.test_evm_feed import CHAIN_ID, Feed, deployed_feed


class Down(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


def job_of(feed: Feed) -> Job:
    return Job(name="ETH / USD", contract_id=checksum_address(feed.contract), chain_id=CHAIN_ID)


async def test_the_pool_is_as_configured() -> None:
    nodes = (
        RpcNodeSettings("late", "http://late"),
        RpcNodeSettings("relay", "http://relay", send_only=True),
        RpcNodeSettings("early", "http://early", "ws://early", order=1),
    )
    limits = NodePoolSettings(Duration(SECOND // 2), 7, 8, 2)
    pool = pool_of(ChainSettings(5, nodes, no_new_heads_threshold=Duration(60 * SECOND), node_pool=limits))
    assert [endpoint.name for endpoint in pool.endpoints] == ["early", "late", "relay"]
    assert [endpoint.name for endpoint in pool.readers] == ["early", "late"]
    assert pool.endpoints[0].address.ws_url == "ws://early"
    settings = pool.settings
    assert (settings.poll_interval_s, settings.no_new_heads_threshold_s) == (0.5, 60)
    assert (settings.poll_failure_threshold, settings.sync_threshold, settings.quorum) == (7, 8, 2)
    await pool.aclose()


async def test_one_that_is_down_is_none_of_the_jobs_trouble(autojump_clock: MockClock, feed: Feed) -> None:
    async with pool_over(Down(), feed.endpoint) as pool:
        await check_job(pool, job_of(feed), None)
        assert [item.state for item in pool.snapshot()][1] == EndpointState.ALIVE
        asked = pool.snapshot()[0].calls_total
        await check_job(pool, job_of(feed), None)
        assert pool.snapshot()[0].calls_total == asked, "the next job does not wait for it again"


async def test_all_down_stops_the_first_start_and_no_later_one(
    autojump_clock: MockClock, feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = job_of(feed)
    async with pool_over(Down(), Down()) as pool, open_store(tmp_path) as store:
        with pytest.raises(InputError, match="HTTPURL"):
            await check_job(pool, job, store)
        await store.save_config(contract_key(job), feed.config)
        await check_job(pool, job, store)
    assert "starting from the stored configuration" in capsys.readouterr().out
