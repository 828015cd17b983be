"""What no endpoint decides alone: the quorum, who is named for contradicting it, and transactions sent to all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import trio
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from ocr_peer import crypto
from ocr_peer.evm.endpoint import EndpointState
from ocr_peer.evm.endpoint_settings import PoolSettings
from ocr_peer.evm.quorum import (
    NOTHING,
    Ballot,
    block_named,
    canonical,
    contradicts,
    decide,
    needed_votes,
    shared_head,
    told_apart,
)
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer
from tests.unit.test_evm_pool import CALL, Fake, over, pool_of, states

TRUTH, LIE = "0xAA", "0xbb"


def saying(result: Any, **options: Any) -> Fake:
    return Fake(answers={"eth_call": result}, **options)


@given(
    honest=st.integers(1, 6),
    lies=st.lists(st.sampled_from(["lie 1", "lie 2", "lie 3", None]), max_size=6),
    silent_honest=st.integers(0, 6),
    order=st.randoms(use_true_random=False),
)
def test_a_minority_never_decides_and_an_honest_majority_always_does(
    honest: int, lies: list[str | None], silent_honest: int, order: Any
) -> None:
    silent_honest = min(silent_honest, honest)
    votes: list[tuple[str, Ballot | None]] = [
        (f"h{index}", None if index < silent_honest else ("truth",)) for index in range(honest)
    ]
    votes += [(f"l{index}", None if lie is None else (lie,)) for index, lie in enumerate(lies)]
    order.shuffle(votes)
    needed = needed_votes(len(votes))
    ballots: Mapping[str, Ballot] = {name: ballot for name, ballot in votes if ballot is not None}
    verdict = decide(ballots, needed)
    if honest - silent_honest > len(votes) / 2:
        assert verdict is not None
        assert verdict.ballot == ("truth",)
        assert set(verdict.liars) == {name for name in ballots if name.startswith("l")}
    elif len(lies) <= len(votes) / 2:
        assert verdict is None or verdict.ballot == ("truth",)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.integers(0, 9))
def test_there_is_never_more_than_one_majority(said: list[str], at_least: int) -> None:
    needed = needed_votes(len(said), at_least)
    assert sum(said.count(word) >= needed for word in set(said)) <= 1
    assert needed >= min(2, len(said))


def test_nothing_contradicts_nobody() -> None:
    assert not contradicts((NOTHING, 1), (2, 1))
    assert contradicts((NOTHING, 1), (2, 2))
    assert not contradicts((1,), (1,))


LOG = {
    "address": "0x" + "AB" * 20,
    "topics": ["0x" + "0c" * 32],
    "data": "0x00",
    "blockNumber": "0x5",
    "blockHash": "0x" + "11" * 32,
    "transactionHash": "0x" + "22" * 32,
    "logIndex": "0x1",
}


def test_answers_are_compared_by_what_is_read_out_of_them() -> None:
    logs = ("eth_getLogs", ({},))
    other = {**LOG, "logIndex": "0x0"}
    reworded = {**LOG, "address": LOG["address"].lower(), "blockNumber": "0x05", "blockTimestamp": "0x9"}
    assert canonical(logs, [LOG, other]) == canonical(logs, [other, reworded])
    assert canonical(logs, [LOG]) != canonical(logs, [{**LOG, "data": "0x01"}])
    assert canonical(logs, [LOG]) != canonical(logs, [])
    assert canonical(CALL, "0xAB") == canonical(CALL, "0xab") != canonical(CALL, "0xac")
    assert canonical(CALL, None) == canonical(CALL, RpcError(-32000, "header not found")) == NOTHING
    assert canonical(CALL, RpcError(3, "execution reverted", "0xAB")) == canonical(
        CALL, RpcError(-32000, "execution reverted", {"data": "0xab"})
    )
    stale = crypto.keccak256(b"Error(string)")[:4] + encode(["string"], ["stale report"])
    reverted = canonical(CALL, RpcError(3, "execution reverted", "0x" + stale.hex()))
    assert reverted == canonical(CALL, RpcError(-32000, "execution reverted: stale report"))
    bare = canonical(CALL, RpcError(3, "execution reverted"))
    assert reverted != bare
    assert not contradicts((reverted,), (bare,)), "some leave the reason out"
    assert contradicts((reverted,), (canonical(CALL, "0x"),))
    assert canonical(("x", ()), {"b": 1, "a": [True, None]}) == canonical(
        ("x", ()), {"a": [True, None], "b": 1, "c": None}
    )
    assert canonical(("eth_getBlockByNumber", ("pending", False)), {"hash": None}) is not NOTHING
    assert canonical(("x", ()), 1) != canonical(("x", ()), True)
    for garbage in ("0xzz", 7, {}, None, [7], [{"blockNumber": "0x1"}]):
        with pytest.raises(UnexpectedAnswer):
            canonical(logs, garbage)


def test_long_answers_are_cut_where_they_differ() -> None:
    assert told_apart(["0x" + "0" * 500 + "1f", "0x" + "0" * 500 + "2f"]) == [
        "…0000000000001f",
        "…0000000000002f",
    ]
    assert told_apart(["abc", "abd"]) == ["abc", "abd"]
    assert told_apart(["x" * 500]) == ["x" * 119 + "…"]
    assert told_apart([]) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_can_be_compared_with_itself(value: Any) -> None:
    form = canonical(("debug_anything", ()), value)
    assert form == canonical(("debug_anything", ()), value)
    hash(form)


@pytest.mark.parametrize(
    ("call", "block"),
    [
        (CALL, 0x64),
        (("eth_call", ({}, "latest")), None),
        (("eth_call", ({},)), None),
        (("eth_call", ({}, {"blockNumber": "0x7"})), 7),
        (("eth_call", ({}, {"blockHash": "0x" + "7" * 64})), None),
        (("eth_getLogs", ({"fromBlock": "0x1", "toBlock": "0x9"},)), 9),
        (("eth_getLogs", ()), None),
        (("eth_getLogs", ("x",)), None),
        (("eth_getBlockByNumber", ("0x8", False)), 8),
        (("eth_chainId", ()), None),
    ],
)
def test_the_block_that_a_call_names(call: Any, block: int | None) -> None:
    assert block_named(call) == block


async def test_one_endpoint_is_itself() -> None:
    async with pool_of(saying(TRUTH)) as pool:
        assert await pool.agreed([CALL]) == [TRUTH]
        assert await pool.agreed_head() == 0x64


@pytest.mark.parametrize("position", range(3))
async def test_a_liar_is_outvoted_named_and_left_alone_for_a_while(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str], position: int
) -> None:
    fakes = [saying(TRUTH), saying("0xaa")]
    liar = saying(LIE)
    fakes.insert(position, liar)
    async with pool_of(*fakes) as pool:
        (answer,) = await pool.agreed([CALL])
        assert str(answer).lower() == "0xaa"
        assert pool.snapshot()[position].state is EndpointState.OUTVOTED
        assert pool.snapshot()[position].contradictions == 1
        before = liar.exchanges
        await pool.agreed([CALL])
        await pool.call(*CALL)
        assert liar.exchanges == before
        await trio.sleep(121)
        await pool.agreed([CALL])
        await trio.sleep(121)
        assert pool.snapshot()[position].state is EndpointState.OUTVOTED, "longer from time to time"
        await trio.sleep(120)
        assert pool.snapshot()[position].state is EndpointState.ALIVE
    log = capsys.readouterr().out
    assert log.count("endpoint.outvoted") == 2
    assert f"endpoint={'abc'[position]}" in log
    assert 'eth_call: "0xbb"' in log


async def test_a_contradiction_of_long_ago_is_forgiven(autojump_clock: MockClock) -> None:
    async with pool_of(saying(TRUTH), saying(TRUTH), saying(LIE)) as pool:
        for _ in range(8):
            await pool.agreed([CALL])
            await trio.sleep(3601)
            assert states(pool).endswith("c:Alive"), "never longer than an hour"
        await trio.sleep(6 * 3600)
        await pool.agreed([CALL])
        await trio.sleep(121)
        assert states(pool).endswith("c:Alive")


async def test_of_two_that_disagree_nobody_is_believed_and_both_are_named() -> None:
    async with pool_of(saying(TRUTH), saying(LIE)) as pool:
        with pytest.raises(RpcUnavailable, match="a says 0xAA, b says 0xbb"):
            await pool.agreed([CALL])
        assert states(pool) == "a:Alive b:Alive"


async def test_three_opinions_are_none() -> None:
    async with pool_of(saying("0x1"), saying("0x2"), saying("0x3")) as pool:
        with pytest.raises(RpcUnavailable, match="2 of 3 endpoints must agree, but a says 0x1, b says 0x2"):
            await pool.agreed([CALL])


async def test_what_lies_with_words_and_is_late_hinders_nobody(autojump_clock: MockClock) -> None:
    async with pool_of(saying(TRUTH), saying(LIE, delay_s=9), saying(TRUTH)) as pool:
        start = trio.current_time()
        assert await pool.agreed([CALL]) == [TRUTH]
        assert trio.current_time() - start <= 1


@pytest.mark.parametrize(
    "trouble",
    [
        Fake(down=True),
        Fake(raw=over(429, **{"retry-after": "50"})),
        Fake(raw=lambda _: httpx.Response(200, text="<html>")),
        saying(None),
        saying(RpcError(-32000, "header not found")),
        saying(LIE, head=0x63),
    ],
)
async def test_who_says_nothing_is_no_liar_and_lets_no_other_decide_alone(
    autojump_clock: MockClock, trouble: Fake
) -> None:
    async with pool_of(trouble, saying(LIE)) as pool:
        with pytest.raises(RpcUnavailable, match="2 of 2 endpoints must agree"):
            await pool.agreed([CALL])
        assert all(item.contradictions == 0 for item in pool.snapshot())
    async with pool_of(trouble, saying(TRUTH), saying(TRUTH)) as pool:
        assert await pool.agreed([CALL]) == [TRUTH]
        assert all(item.contradictions == 0 for item in pool.snapshot())


async def test_one_that_is_unreachable_for_long_has_no_vote(autojump_clock: MockClock) -> None:
    a, b = Fake(down=True), saying(TRUTH)
    async with pool_of(a, b) as pool:
        for _ in range(5):
            await pool.probe()
        assert await pool.agreed([CALL]) == [TRUTH]
    settings = PoolSettings(quorum=2)
    async with pool_of(a, b, limits=settings) as pool:
        for _ in range(5):
            await pool.probe()
        with pytest.raises(RpcUnavailable, match="2 of 1 endpoints must agree"):
            await pool.agreed([CALL])


async def test_send_only_endpoints_have_no_say() -> None:
    async with pool_of(saying(TRUTH), saying(LIE), send_only="b") as pool:
        assert await pool.agreed([CALL]) == [TRUTH]
        assert await pool.call(*CALL) == TRUTH


@pytest.mark.parametrize(
    ("heads", "common"),
    [
        ((100, 99), 99),
        ((100, 95), 95),
        ((10**18, 100, 99), 99),
        ((100, 3, 99), 99),
        ((5, 5, 5), 5),
        ((1, 2, 3, 4), 2),
        ((100, 101, 200, 201, 202), 200),
    ],
)
async def test_the_common_head_is_one_that_an_honest_majority_has(
    autojump_clock: MockClock, heads: tuple[int, ...], common: int
) -> None:
    async with pool_of(*[Fake(head=head) for head in heads]) as pool:
        assert await pool.agreed_head() == common


@pytest.mark.parametrize("heads", [(100, 94), (3, 100), (100, 50, 2**60)])
async def test_heads_that_are_far_apart_are_none(autojump_clock: MockClock, heads: tuple[int, ...]) -> None:
    async with pool_of(*[Fake(head=head) for head in heads]) as pool:
        with pytest.raises(RpcUnavailable, match="to within 5 blocks, but a is at block"):
            await pool.agreed_head()
    async with pool_of(*[Fake(head=head) for head in heads], limits=PoolSettings(sync_threshold=0)) as pool:
        assert await pool.agreed_head() == sorted(heads, reverse=True)[len(heads) // 2]


async def test_a_low_head_and_a_slow_answer_make_no_old_one(autojump_clock: MockClock) -> None:
    async with pool_of(Fake(head=3), Fake(head=100), Fake(head=100, delay_s=4)) as pool:
        assert await pool.agreed_head() == 100


@given(
    truth=st.integers(0, 10**6),
    lags=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    lies=st.lists(st.integers(0, 2**70), max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_a_minority_makes_no_head_up_and_none_old(
    truth: int, lags: list[int], lies: list[int], order: Any
) -> None:
    honest = [truth + lag for lag in lags]
    heads = [*honest, *lies[: len(honest) - 1]]
    order.shuffle(heads)
    shared = shared_head(heads, needed_votes(len(heads)), 5)
    assert shared is not None
    assert min(honest) - 5 <= shared <= max(honest)


async def test_too_few_heads_are_none(autojump_clock: MockClock) -> None:
    async with pool_of(Fake(), Fake(down=True), Fake(raw=over(500))) as pool:
        with pytest.raises(RpcUnavailable, match="2 of 3 endpoints must agree on the newest block"):
            await pool.agreed_head()


RAW = ("0x02f8",)
SENT = {"eth_sendRawTransaction": "0x" + "5e" * 32}


def refusing(words: str) -> Fake:
    return Fake(answers={"eth_sendRawTransaction": RpcError(-32000, words)})


async def test_a_transaction_goes_to_all_also_to_those_that_only_send(autojump_clock: MockClock) -> None:
    fakes = [Fake(answers=SENT) for _ in range(3)]
    async with pool_of(*fakes, send_only="b") as pool:
        assert await pool.call("eth_sendRawTransaction", RAW) == SENT["eth_sendRawTransaction"]
    assert [fake.count("eth_sendRawTransaction") for fake in fakes] == [1, 1, 1]


async def test_taken_by_any_is_taken(autojump_clock: MockClock) -> None:
    for others in ([refusing("nonce too low"), Fake(down=True)], [Fake(delay_s=100), refusing("x")]):
        async with pool_of(*others, Fake(answers=SENT)) as pool:
            start = trio.current_time()
            assert await pool.call("eth_sendRawTransaction", RAW) == SENT["eth_sendRawTransaction"]
            assert trio.current_time() - start <= 1


@pytest.mark.parametrize(
    ("fakes", "words"),
    [
        ([refusing("underpriced"), refusing("already known")], "already known"),
        ([refusing("insufficient funds"), refusing("nonce too low"), Fake(down=True)], "nonce too low"),
        ([refusing("insufficient funds"), refusing("underpriced")], "insufficient funds"),
    ],
)
async def test_the_refusal_that_says_most_counts(
    autojump_clock: MockClock, fakes: list[Fake], words: str
) -> None:
    async with pool_of(*fakes) as pool:
        with pytest.raises(RpcError, match=words):
            await pool.call("eth_sendRawTransaction", RAW)


async def test_a_refusal_is_not_the_last_word_while_another_may_have_it(autojump_clock: MockClock) -> None:
    async with pool_of(refusing("insufficient funds"), Fake(delay_s=100)) as pool:
        with pytest.raises(RpcUnavailable, match=r"b: .*no answer within 10 s"):
            await pool.call("eth_sendRawTransaction", RAW)


async def test_liars_and_strangers_get_no_transactions(autojump_clock: MockClock) -> None:
    stranger, liar = Fake(chain_id=1, answers=SENT), Fake(answers={**SENT, "eth_call": LIE})
    good = [Fake(answers={**SENT, "eth_call": TRUTH}) for _ in range(2)]
    async with pool_of(stranger, liar, *good) as pool:
        await pool.probe()
        await pool.agreed([CALL])
        await pool.call("eth_sendRawTransaction", RAW)
    assert [fake.count("eth_sendRawTransaction") for fake in (stranger, liar, *good)] == [0, 0, 1, 1]


async def test_what_is_sent_at_once_is_bounded(autojump_clock: MockClock) -> None:
    under_way = most = 0

    class Counting(Fake):
        async def handle(self, request: httpx.Request) -> httpx.Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                await trio.sleep(0.1)
                return await super().handle(request)
            finally:
                under_way -= 1

    async with pool_of(Counting(answers=SENT), Counting(answers=SENT)) as pool:
        await pool.probe()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(pool.call, "eth_sendRawTransaction", RAW)
    assert most == 2 * 8


async def test_an_endpoint_a_moment_behind_is_waited_for(autojump_clock: MockClock) -> None:
    late = saying(TRUTH, head=0x63)

    async def mine() -> None:
        await trio.sleep(1)
        late.head += 1

    async with pool_of(saying(TRUTH), late) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(mine)
        assert await pool.agreed([CALL]) == [TRUTH]
