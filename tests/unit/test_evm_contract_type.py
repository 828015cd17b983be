"""Which job suits which contract, by what the contract calls itself."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from eth_abi.abi import encode

from ocr_peer.errors import InputError
from ocr_peer.evm.access import Call
from ocr_peer.evm.connection import connect
from ocr_peer.evm.contract_type import TYPE_AND_VERSION, check_report_format, type_and_version
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable
from ocr_peer.protocol.config import ReportFormat
from tests.unit.test_evm_feed import (
    CHAIN_ID,
    URL,
    deployed_feed,
)
from tests.unit.test_evm_packed import deployed_packed_feed

CONTRACT = b"\xc0" * 20


class Saying:
    """A chain on which the contract answers `typeAndVersion` as the test says."""

    shown_url = URL

    def __init__(self, answer: object) -> None:
        self.answer = answer

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        assert method == "eth_call"
        assert params == ({"to": to_hex(CONTRACT), "data": to_hex(TYPE_AND_VERSION.selector)}, "latest")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        raise NotImplementedError

    async def agreed(self, calls: Sequence[Call]) -> list[object | RpcError]:
        raise NotImplementedError

    async def wait_for_head(self, timeout_s: float) -> None:
        raise NotImplementedError


def named(name: str | bytes) -> str:
    return to_hex(encode(["bytes"], [name.encode() if isinstance(name, str) else name]))


REVERTED = RpcError(3, "execution reverted")
ODD = RpcError(-32015, "VM execution error.")
OCR2 = [
    named("OCR2Aggregator 1.0.0"),
    named("Aggregator 1.0.0"),
    named("AccessControlledOCR2Aggregator 1.0.0"),
    named("MyPackedAggregator 1.0.0"),
    named("PackedAggregators 1.0.0"),
    named(""),
    named(b"\xff\xfe"),
    "0x",
    "0x00",
    None,
    REVERTED,
]


@pytest.mark.parametrize("answer", OCR2)
async def test_whatever_is_not_aggregator_b_takes_the_ocr2_format(answer: object) -> None:
    await check_report_format(Saying(answer), CONTRACT, ReportFormat.OCR2)
    with pytest.raises(InputError) as caught:
        await check_report_format(Saying(answer), CONTRACT, ReportFormat.PACKED)
    message = str(caught.value)
    assert message.startswith("pluginConfig.reportFormat = packed: the contract ")
    assert message.endswith(
        'write reportFormat = "ocr2", or give the address of a PackedAggregator as contractID'
    )


@pytest.mark.parametrize(
    "name", ["PackedAggregator 1.0.0", "PackedAggregator 2.1.0-beta", "PackedAggregator"]
)
async def test_aggregator_b_takes_the_packed_format(name: str) -> None:
    await check_report_format(Saying(named(name)), CONTRACT, ReportFormat.PACKED)
    with pytest.raises(InputError) as caught:
        await check_report_format(Saying(named(name)), CONTRACT, ReportFormat.OCR2)
    assert str(caught.value) == (
        f'pluginConfig.reportFormat = ocr2: the contract calls itself "{name}", and takes reports of the format'
        ' packed; write reportFormat = "packed"'
    )


async def test_what_a_contract_calls_itself_is_one_short_line() -> None:
    shown = await type_and_version(Saying(named("Evil\n\x1b[2J" + "x" * 10_000)), CONTRACT)
    assert shown is not None
    assert shown.isprintable()
    assert shown.startswith("Evil��[2J")
    assert len(shown) == 81


async def test_an_endpoint_that_refuses_the_question_decides_nothing() -> None:
    await check_report_format(Saying(ODD), CONTRACT, ReportFormat.OCR2)
    with pytest.raises(RpcError, match="VM execution error"):
        await check_report_format(Saying(ODD), CONTRACT, ReportFormat.PACKED)
    with pytest.raises(RpcUnavailable):
        await check_report_format(Saying(RpcUnavailable(URL, "down")), CONTRACT, ReportFormat.OCR2)


async def test_connecting_compares_the_job_with_the_contract() -> None:
    async with deployed_packed_feed() as feed, httpx.AsyncClient(transport=feed.endpoint) as client:
        for report_format in (None, ReportFormat.PACKED):
            await connect(URL, CHAIN_ID, feed.contract, report_format=report_format, client=client)
        with pytest.raises(InputError, match=r'"PackedAggregator 1\.0\.0".*write reportFormat = "packed"'):
            await connect(URL, CHAIN_ID, feed.contract, report_format=ReportFormat.OCR2, client=client)
    async with deployed_feed() as other, httpx.AsyncClient(transport=other.endpoint) as client:
        await connect(URL, CHAIN_ID, other.contract, report_format=ReportFormat.OCR2, client=client)
        with pytest.raises(InputError, match=r'"Aggregator 1\.0\.0".*write reportFormat = "ocr2"'):
            await connect(URL, CHAIN_ID, other.contract, report_format=ReportFormat.PACKED, client=client)
