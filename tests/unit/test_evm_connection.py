"""The checks before anything starts: each mistake names its setting, its value and the fix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from ocr_peer.errors import InputError
from ocr_peer.evm.connection import check_endpoints, connect
from ocr_peer.evm.rpc import RpcClient
from tests.unit import test_evm_pool as fakes
from tests.unit.test_evm_feed import CHAIN_ID, URL, Feed, deployed_feed


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with deployed_feed() as deployed:
        yield deployed


async def connected(feed: Feed, **changes: Any) -> RpcClient:
    arguments = {"rpc_url": URL, "chain_id": CHAIN_ID, "contract": feed.contract, **changes}
    async with httpx.AsyncClient(transport=feed.endpoint) as client:
        return await connect(**arguments, client=client)


async def test_what_fits_is_connected(feed: Feed) -> None:
    assert (await connected(feed)).shown_url == URL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rpc_url": "ws://h:1"}, "HTTPURL = ws://h:1: not an HTTP address; write http://"),
        ({"rpc_url": "localhost:8545"}, "HTTPURL = "),
        (
            {"chain_id": 1},
            "relayConfig.chainID = 1: http://chain.test serves chain 31337; write 31337, or set",
        ),
        ({"contract": b"\x01" * 20}, "contractID = 0x0101"),
    ],
)
async def test_mistakes_are_named(feed: Feed, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        await connected(feed, **changes)
    assert str(caught.value).startswith(message)


async def test_an_endpoint_that_is_down(autojump_clock: MockClock, feed: Feed) -> None:
    feed.endpoint.down = True
    with pytest.raises(InputError, match=r"HTTPURL = http://…@chain\.test: ConnectError: connection refused"):
        await connected(feed, rpc_url="http://user:secret@chain.test")


async def test_something_else_at_the_address(feed: Feed) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"hello": "world"}))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(InputError, match=r"HTTPURL = .*no Ethereum endpoint"):
            await connect(URL, CHAIN_ID, feed.contract, client=client)


async def test_another_contract_at_the_address(feed: Feed) -> None:
    feed.endpoint.refused = {"eth_call": "execution reverted"}
    with pytest.raises(InputError, match=r"contractID = 0x.*no OCR2 aggregator"):
        await connected(feed)


async def test_one_endpoint_that_is_down_is_a_warning_while_another_answers(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with fakes.pool_of(fakes.Fake(down=True), fakes.Fake()) as pool:
        await check_endpoints(pool, fakes.CHAIN_ID)
    assert "endpoint does not answer" in capsys.readouterr().out


async def test_all_endpoints_down(autojump_clock: MockClock) -> None:
    async with fakes.pool_of(fakes.Fake(down=True), fakes.Fake(down=True)) as pool:
        with pytest.raises(InputError, match=r"HTTPURL = .*connection refused; the other 1 do not answer"):
            await check_endpoints(pool, fakes.CHAIN_ID)
    async with fakes.pool_of(fakes.Fake(down=True), fakes.Fake(), send_only="b") as pool:
        with pytest.raises(InputError, match=r"HTTPURL = http://…@a/: ConnectError: connection refused;"):
            await check_endpoints(pool, fakes.CHAIN_ID)


@pytest.mark.parametrize("send_only", ["", "b"])
async def test_an_endpoint_of_another_chain_is_named(send_only: str) -> None:
    async with fakes.pool_of(fakes.Fake(), fakes.Fake(chain_id=5), send_only=send_only) as pool:
        with pytest.raises(InputError) as caught:
            await check_endpoints(pool, fakes.CHAIN_ID)
    message = (
        'relayConfig.chainID = 1337: endpoint "b" (http://…@b/) serves chain 5; write 5, or set its HTTPURL'
    )
    assert str(caught.value).startswith(message)
