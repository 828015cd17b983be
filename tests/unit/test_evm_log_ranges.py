"""The length of log queries: halved when refused, grown again, and never below one block."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import OperatingError
from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.log_ranges import BlockWindow, refuses_range
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import AnswerTooLong, RateLimited, RpcError, RpcUnavailable, UnexpectedAnswer
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import InMemoryTransactionStore
from ocr_peer.evm.transmitter import Transmitter
from tests.unit.test_evm_feed import CHAIN_ID, URL, deployed_feed, seed


@given(longest=st.integers(1, 10_000), limit=st.integers(1, 10_000), steps=st.integers(1, 200))
def test_any_limit_is_found_and_kept_to(longest: int, limit: int, steps: int) -> None:
    window, refused = BlockWindow(longest), 0
    for _ in range(steps):
        assert 1 <= window.blocks <= longest
        if window.blocks > limit:
            refused += 1
            assert window.narrow()
        else:
            window.note_success()
    assert refused <= longest.bit_length() + steps / 5


def test_one_block_is_the_least() -> None:
    window = BlockWindow(3)
    assert window.narrow()
    assert window.blocks == 1
    assert not window.narrow()
    assert window.blocks == 1


@pytest.mark.parametrize(
    ("failure", "refused"),
    [
        (RpcError(-32005, "query returned more than 10000 results"), True),
        (RpcError(-32601, "the method does not exist"), False),
        (RpcUnavailable("u", "no answer within 10 s"), True),
        (AnswerTooLong("u", 1), True),
        (RateLimited("u", "HTTP status 429", None), False),
        (UnexpectedAnswer("a list of logs", None), False),
    ],
)
def test_what_a_shorter_query_may_help(failure: OperatingError, refused: bool) -> None:
    assert refuses_range(failure) is refused


async def test_a_view_survives_more_logs_than_it_reads() -> None:
    async with deployed_feed() as feed, httpx.AsyncClient(transport=feed.endpoint) as client:
        feed.endpoint.devnet.automine = True
        for _ in range(40):
            await feed.owner.request_new_round(feed.contract)
        rpc = RpcClient(URL, client=client, max_response_bytes=12_000)
        transmitter = Transmitter(
            rpc, LocalSigner(seed("transmitter", 1)), InMemoryTransactionStore(), chain_id=CHAIN_ID
        )
        view = await AggregatorChain(rpc, transmitter, contract=feed.contract).view()
        assert view.requested_digest == feed.config.config_digest
        tiny = RpcClient(URL, client=client, max_response_bytes=300)
        with pytest.raises(AnswerTooLong):
            await AggregatorChain(tiny, transmitter, contract=feed.contract).view()
