"""Claims 1, 10 and 11: network, contract and consumers. One committee of processes serves all tests here."""

from __future__ import annotations

import pytest

from tests.e2e.demo_process import DemoRun, run_demo


@pytest.fixture(scope="module")
def committee() -> DemoRun:
    """Four oracles as processes on a development chain."""
    return run_demo("--rounds", "3", "--seed", "7")


def test_claim_01_all_oracles_communicate_over_a_secure_peer_to_peer_network(committee: DemoRun) -> None:
    """That outsiders, plaintext and forged authors are refused stands in `tests/e2e/test_libp2p_hostile.py`."""
    assert committee.status == 0, committee.stderr
    (bootstrap,) = committee.of("bootstrap")
    assert "/p2p/12D3KooW" in bootstrap["address"]
    observers = {observer for answer in committee.of("answer") for observer in answer["observers"]}
    assert observers == {0, 1, 2, 3}


def test_claim_10_the_contract_accepts_only_a_quorums_signatures(committee: DemoRun) -> None:
    """That fewer, more, doubled or foreign signatures revert stands in `tests/contracts/test_transmit.py`."""
    for answer in committee.of("answer"):
        assert len(set(answer["signers"])) == len(answer["signers"]) == 2
        assert not answer["problems"]


def test_claim_11_consumers_read_the_median_with_block_time_and_round_id(committee: DemoRun) -> None:
    answers = committee.of("answer")
    assert [answer["round_id"] for answer in answers] == list(range(1, len(answers) + 1))
    assert all(answer["answer"] == answer["median"] for answer in answers)
    times = [answer["updated_at"] for answer in answers]
    assert times == sorted(times)
    assert all(time > 1_700_000_000 for time in times)
