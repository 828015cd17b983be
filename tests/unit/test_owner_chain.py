"""The owner's transactions and reads on an in-process chain that can misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import rlp  # comes with eth-account
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from ocr_peer import crypto
from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.evm.chain_objects import receipt_from_json
from ocr_peer.evm.deploy import AggregatorArguments, NotMined, OwnerAccount, deployment_data, ether
from ocr_peer.evm.quantity import to_hex
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.median.config import INT192_MAX, INT192_MIN
from ocr_peer.owner.contract_state import check_chain, latest_transmitter, read_aggregator
from ocr_peer.owner.deployment import (
    AnswerText,
    aggregator_arguments,
    created_address,
    earlier_deployment,
    price_text,
    refuse_unmined,
)
from ocr_peer.protocol.config import ReportFormat
from tests.unit.test_evm_feed import CHAIN_ID, LIMITS, URL, Endpoint, deployed_feed, new_endpoint, seed

OWNER = LocalSigner(seed("owner", 0))
ARGUMENTS = AggregatorArguments(*LIMITS, 8, "ETH / USD", max_age_s=60, heartbeat_s=90)


@pytest.fixture
def endpoint() -> Endpoint:
    return new_endpoint()


@pytest.fixture
async def rpc(endpoint: Endpoint) -> AsyncIterator[RpcClient]:
    async with httpx.AsyncClient(transport=endpoint) as client:
        yield RpcClient(URL, client=client)


def account(rpc: RpcClient, key: bytes = seed("owner", 0), told: list[str] | None = None) -> OwnerAccount:
    return OwnerAccount(
        rpc, LocalSigner(key), chain_id=CHAIN_ID, on_progress=(told if told is not None else []).append
    )


def arguments(**replaced: object) -> AggregatorArguments:
    given: dict[str, object] = {
        "minimum": AnswerText("0.01", None, "--min"),
        "maximum": AnswerText("1000000", None, "--max"),
        "decimals": 8,
        "description": "ETH / USD",
        "max_age": "30m",
        "heartbeat": "1h",
        "report_format": ReportFormat.OCR2,
    }
    return aggregator_arguments(**(given | replaced))  # type: ignore[arg-type] - replaced by tests on purpose


def test_arguments_as_people_write_them() -> None:
    assert arguments() == AggregatorArguments(10**6, 10**14, 8, "ETH / USD", 1800, 3600)
    scaled = arguments(minimum=AnswerText(None, -7, "--min"), max_age="0", heartbeat="0")
    assert (scaled.min_answer, scaled.max_age_s, scaled.heartbeat_s) == (-7, 0, 0)
    assert arguments(minimum=AnswerText("-0.00000001", None, "--min")).min_answer == -1


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"minimum": AnswerText("2000000", None, "--min")}, "--min = 2000000: above --max 1000000"),
        ({"minimum": AnswerText(None, None, "--min")}, "--min = (missing)"),
        ({"minimum": AnswerText("1", 1, "--min")}, "--min-answer says it as well"),
        ({"minimum": AnswerText("0.000000001", None, "--min")}, "finer than 8 decimals"),
        ({"minimum": AnswerText("1e3", None, "--min")}, "no price"),
        ({"minimum": AnswerText("", None, "--min")}, "no price"),
        ({"maximum": AnswerText(None, 2**191, "--max")}, "--max-answer"),
        ({"decimals": 255}, "int192"),
        ({"decimals": 256}, "--decimals"),
        ({"decimals": -1}, "--decimals"),
        ({"description": ""}, "--description"),
        ({"description": "a\nb"}, "--description = a\\nb"),
        ({"description": "x" * 257}, "--description"),
        ({"max_age": "195d"}, "--max-age"),
        ({"max_age": "4661h"}, "more than 16777215 s"),
        ({"heartbeat": "1200000h"}, "more than 4294967295 s"),
        ({"heartbeat": "1500ms"}, "whole number of seconds"),
        ({"heartbeat": "-1s"}, "negative"),
    ],
)
def test_arguments_that_are_refused(replaced: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        arguments(**replaced)
    assert words in str(caught.value)


@given(st.integers(INT192_MIN, INT192_MAX), st.integers(0, 30))
def test_prices_are_shown_as_they_are_written(answer: int, decimals: int) -> None:
    shown = price_text(answer, decimals)
    back = arguments(
        minimum=AnswerText(shown, None, "--min"),
        maximum=AnswerText(None, INT192_MAX, "--max"),
        decimals=decimals,
    )
    assert back.min_answer == answer


def test_amounts_are_never_rounded_down() -> None:
    assert ether(1) == "0.000001 ETH"
    assert ether(10**18) == "1.000000 ETH"
    assert ether(1234 * 10**18 + 10**12) == "1,234.000001 ETH"


def test_addresses_of_created_contracts() -> None:
    """Known from the yellow paper's rule; the first is an account of the main network."""
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    expected = [
        "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d",
        "343c43a37d37dff08ae8c4a11544c718abb4fcf8",
        "f778b86fa74e846c4f0a1fbd1335fe81c00a0c91",
        "fffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c",
    ]
    assert [created_address(sender, nonce).hex() for nonce in range(4)] == expected


@pytest.mark.parametrize("nonce", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 2**32, 2**64 - 2])
def test_addresses_agree_with_another_implementation(nonce: int) -> None:
    sender = bytes(range(20))
    assert created_address(sender, nonce) == crypto.keccak256(rlp.encode([sender, nonce]))[12:]


async def test_repeated_deployment_finds_the_first(rpc: RpcClient) -> None:
    owner = account(rpc)
    assert await earlier_deployment(rpc, CHAIN_ID, OWNER.address, ARGUMENTS) is None
    address = await owner.deploy(ARGUMENTS)
    assert address == created_address(OWNER.address, 0)
    await owner.send(OWNER.address, b"")
    found = await earlier_deployment(rpc, CHAIN_ID, OWNER.address, ARGUMENTS)
    assert found is not None
    assert (found.address, found.freshness.heartbeat_s, found.freshness.max_age_s) == (address, 90, 60)
    for other in (
        replace(ARGUMENTS, description="EUR / USD"),
        replace(ARGUMENTS, decimals=9),
        replace(ARGUMENTS, max_answer=5),
        replace(ARGUMENTS, report_format=ReportFormat.PACKED),
    ):
        assert await earlier_deployment(rpc, CHAIN_ID, OWNER.address, other) is None
    packed = replace(ARGUMENTS, report_format=ReportFormat.PACKED)
    second = await owner.deploy(packed)
    found = await earlier_deployment(rpc, CHAIN_ID, OWNER.address, packed)
    assert found is not None
    assert (found.address, found.report_format) == (second, ReportFormat.PACKED)


async def test_deployment_that_was_mined_after_all_is_found(
    rpc: RpcClient, endpoint: Endpoint, autojump_clock: MockClock
) -> None:
    endpoint.devnet.automine = False
    owner = account(rpc)
    with pytest.raises(NotMined) as caught:
        await owner.deploy(ARGUMENTS)
    assert to_hex(caught.value.transaction) in str(caught.value)
    quote = await owner.quote(None, deployment_data(ARGUMENTS))
    assert quote.unmined == 1
    with pytest.raises(OperatingError, match="1 transaction that no block has taken"):
        refuse_unmined(quote.unmined, OWNER.address)
    endpoint.mine()
    assert (await owner.quote(None, deployment_data(ARGUMENTS))).unmined == 0
    found = await earlier_deployment(rpc, CHAIN_ID, OWNER.address, ARGUMENTS)
    assert found is not None
    receipt = receipt_from_json(
        await rpc.call("eth_getTransactionReceipt", (to_hex(caught.value.transaction),))
    )
    assert receipt is not None
    assert receipt.contract_address == found.address


async def test_account_without_funds_is_told_how_much_it_lacks(rpc: RpcClient, endpoint: Endpoint) -> None:
    poor = account(rpc, b"\x05" * 32)
    with pytest.raises(InputError, match=r"owns 0\.000000 ETH.*send it 0\.\d+ ETH on chain 31337"):
        await poor.deploy(ARGUMENTS)
    assert endpoint.calls["eth_sendRawTransaction"] == 0


async def test_endpoint_that_fails_while_waiting_costs_nothing(
    rpc: RpcClient, endpoint: Endpoint, autojump_clock: MockClock
) -> None:
    endpoint.devnet.automine = False
    endpoint.refused["eth_getTransactionReceipt"] = "transaction indexing is in progress"
    told: list[str] = []
    with pytest.raises(NotMined, match="indexing is in progress"):
        await account(rpc, told=told).deploy(ARGUMENTS)
    assert told[0].startswith("sent 0x")
    assert told[1] == "still waiting, 15 s by now"
    assert endpoint.calls["eth_sendRawTransaction"] == 1 + 12, "handed over again every 15 of 180 s"


async def test_transaction_that_the_endpoint_lost_is_handed_over_again(
    rpc: RpcClient, endpoint: Endpoint, autojump_clock: MockClock
) -> None:
    endpoint.swallowed.add("eth_sendRawTransaction")

    def heal(words: str) -> None:
        if "still waiting" in words:
            endpoint.swallowed.clear()

    owner = OwnerAccount(rpc, OWNER, chain_id=CHAIN_ID, on_progress=heal)
    assert await owner.deploy(ARGUMENTS) == created_address(OWNER.address, 0)


async def test_everything_a_contract_says_of_itself(rpc: RpcClient) -> None:
    address = await account(rpc).deploy(ARGUMENTS)
    state = await read_aggregator(rpc, CHAIN_ID, address, "ADDRESS")
    assert (state.min_answer, state.max_answer, state.decimals) == (*LIMITS, 8)
    assert (state.description, state.type_and_version) == ("ETH / USD", "Aggregator 1.0.0")
    assert (state.owner, state.published, state.round_id) == (OWNER.address, None, 0)
    assert await latest_transmitter(rpc, state) is None


async def test_newest_answer_and_who_brought_it() -> None:
    async with deployed_feed() as feed:
        transmitter = OwnerAccount(feed.rpc, LocalSigner(feed.transmitter_key(2)), chain_id=CHAIN_ID)
        feed.endpoint.devnet.automine = True
        await transmitter.send(feed.contract, encode_transmit(feed.report(3, 2)))
        state = await read_aggregator(feed.rpc, CHAIN_ID, feed.contract, "ADDRESS")
        assert state.published == feed.config
        assert (state.latest.epoch, state.latest.round, state.latest.answer) == (3, 2, 5001)
        assert await latest_transmitter(feed.rpc, state) == transmitter.address
        feed.endpoint.refused["eth_getLogs"] = "query exceeds limit"
        assert await latest_transmitter(feed.rpc, state) is None


async def test_what_is_no_aggregator(rpc: RpcClient, endpoint: Endpoint) -> None:
    with pytest.raises(InputError, match="no contract there on chain 31337"):
        await read_aggregator(rpc, CHAIN_ID, b"\x09" * 20, "--contract-address")
    receipt = await account(rpc).send(None, bytes.fromhex("6001600c60003960016000f300"))  # its code: STOP
    assert receipt.contract_address is not None
    with pytest.raises(InputError, match="no OCR2 aggregator"):
        await read_aggregator(rpc, CHAIN_ID, receipt.contract_address, "--contract-address")
    endpoint.down = True
    with pytest.raises(OperatingError):
        await read_aggregator(rpc, CHAIN_ID, receipt.contract_address, "--contract-address")


async def test_wrong_network(rpc: RpcClient, endpoint: Endpoint, autojump_clock: MockClock) -> None:
    assert await check_chain(rpc, None) == await check_chain(rpc, CHAIN_ID) == CHAIN_ID
    with pytest.raises(InputError, match=r"--chain-id = 1: http://chain\.test serves chain 31337"):
        await check_chain(rpc, 1)
    endpoint.refused["eth_chainId"] = "nothing here"
    with pytest.raises(InputError, match="no Ethereum endpoint"):
        await check_chain(rpc, 1)
    endpoint.down = True
    with pytest.raises(InputError, match="--rpc"):
        await check_chain(rpc, 1)
