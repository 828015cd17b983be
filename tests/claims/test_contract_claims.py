"""Claims 10, 11, 12, 14, 15 and 16 of the public description of Offchain Reporting, on the contracts themselves.

Real contracts on a real EVM, real signatures, gas as the receipts say. What surrounds each claim, and every number
by committee size, is in `tests/contracts`; `make gas` prints the tables. That a whole committee of processes does the
same is in `test_committee_claims.py`.
"""

from __future__ import annotations

from functools import cache
from statistics import median_high

import pytest
import trio

from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.evm.deploy import OwnerAccount
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transmission_watch import OnchainTransmission, TransmissionWatch
from tests.contracts.chain import NOW
from tests.contracts.feed import KINDS, OUTSIDER, A, B, Feed, new_chain, observations
from tests.contracts.gas import report_costs, submission_costs, time_of_report, time_of_submissions
from tests.unit.test_evm_feed import CHAIN_ID, N, deployed_feed

SMALL, LARGE = 4, 31


@cache
def cost_of_a_report(kind: str, n: int) -> int:
    """Gas of one report in steady state."""
    return report_costs(kind, n)["transmit"]


@cache
def cost_of_separate_transactions(n: int) -> tuple[int, ...]:
    """Gas of each oracle's own submission to a FluxAggregator, the same round."""
    return tuple(submission_costs(n))


@pytest.fixture(params=KINDS)
def feed(request: pytest.FixtureRequest) -> Feed:
    """Seven oracles, two of which may be faulty: a quorum is three."""
    return Feed.deploy(new_chain(), 7, kind=request.param)


def test_claim_10_only_a_quorum_of_valid_signatures_is_accepted(feed: Feed) -> None:
    outsiders = [OUTSIDER, feed.oracles[0].signing_key, feed.oracles[1].signing_key]
    for signers in ([0, 1], [0, 1, 2, 3], [0, 1, 1]):
        feed.refuses(feed.signed(1, 1, signers=signers))
    feed.refuses(feed.signed(1, 1, keys=outsiders))
    feed.transmit(feed.signed(1, 1, signers=[6, 2, 4]))
    assert feed.contract.read("latestRound") == 1


def test_claim_10_trust_lies_in_the_check_and_not_in_the_transmitter(feed: Feed) -> None:
    """A transmitter can neither change what was signed nor be missed: any other brings the same report."""
    honest = feed.signed(1, 1)
    own_price = feed.signed(1, 1, values=[1] * 7, keys=[feed.oracles[0].signing_key] * 3)
    feed.refuses(own_price)
    data = honest.calldata
    for position in range(4, len(data), 97):
        if position not in feed.idle:
            feed.refuses(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    feed.refuses(honest, OUTSIDER)
    feed.transmit(honest, feed.oracles[5].transmitting_key)
    assert feed.contract.read("latestAnswer") == median_high(observations(7))


def test_claim_11_consumers_read_median_block_time_and_round_id(feed: Feed) -> None:
    for round_ in (1, 2, 3):
        values = [1_000 * round_ + value for value in (7, 1, 5, 2, 9, 4, 3)]
        receipt = feed.transmit(feed.signed(1, round_, values=sorted(values), observed_at=NOW))
        round_id, answer, observed_at, updated_at, answered_in = feed.contract.read("latestRoundData")
        assert (round_id, answered_in) == (round_, round_)
        assert answer == median_high(values) == 1_000 * round_ + 4
        assert observed_at == NOW
        block = feed.chain.rpc("eth_getBlockByNumber", hex(receipt.block_number), False)
        assert updated_at == int(block["timestamp"], 16)
    assert [feed.contract.read("getAnswer", id_) for id_ in (1, 2, 3)] == [1_004, 2_004, 3_004]


async def test_claim_12_every_oracle_sees_on_chain_who_brought_the_report() -> None:
    async with deployed_feed() as feed:
        chain = feed.endpoint
        chain.devnet.automine = True
        seen: list[OnchainTransmission] = []

        async def watch_once(watch: TransmissionWatch) -> None:
            seen.append(await anext(watch))

        account = OwnerAccount(feed.rpc, LocalSigner(feed.transmitter_key(2)), chain_id=CHAIN_ID)
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for _ in range(N):
                    watch = TransmissionWatch(feed.rpc, feed.contract, from_block=0, poll_interval_s=0.05)
                    nursery.start_soon(watch_once, watch)
                await account.send(feed.contract, encode_transmit(feed.report(1, 1)))
        assert len(seen) == N
        assert {item.transmission.transmitter for item in seen} == {account.address}
        assert {(item.transmission.epoch, item.transmission.round) for item in seen} == {(1, 1)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [SMALL, LARGE])
def test_claim_14_one_transaction_costs_less_than_n(kind: str, n: int) -> None:
    """5.4 (A) and 6.0 (B) times less with 4 oracles, 24 and 28 times with 31."""
    separate = cost_of_separate_transactions(n)
    assert len(separate) == n, "each oracle sends one of its own"
    assert 4 * cost_of_a_report(kind, n) < sum(separate)


@pytest.mark.parametrize("kind", KINDS)
def test_claim_15_another_oracle_adds_far_less_than_a_transaction(kind: str) -> None:
    """About 2,000 (A) and 1,600 (B) gas for each oracle more, against 103,000."""
    added = (cost_of_a_report(kind, LARGE) - cost_of_a_report(kind, SMALL)) / (LARGE - SMALL)
    one_by_one = sum(cost_of_separate_transactions(LARGE)) - sum(cost_of_separate_transactions(SMALL))
    assert added * 40 < one_by_one / (LARGE - SMALL)


def test_claim_16_an_answer_stands_in_the_next_block_however_many_oracles() -> None:
    """On a chain with full blocks every twelve seconds, where n transactions take six blocks."""
    for kind in (A, B):
        assert time_of_report(kind, LARGE) == {"blocks": 1, "seconds": 12}
    assert time_of_submissions(LARGE)["blocks"] >= 5


def test_claim_16_every_block_can_bring_an_answer(feed: Feed) -> None:
    """A round waits for no confirmation of the one before: the next report is good one block later."""
    blocks = [feed.transmit(feed.signed(1, round_, observed_at=NOW)).block_number for round_ in range(1, 6)]
    assert blocks == list(range(blocks[0], blocks[0] + 5))
    assert feed.contract.read("latestRound") == 5
