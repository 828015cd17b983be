"""Beside contracts of others: a deployed proxy in front, the published signature rules. Invariants P1 and V4."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from .chain import Chain, Contract, Reverted
from .feed import KINDS, OWNER, Deploy, Feed, observations
from .others import compiled, published
from .signing import Context, Signature, Transmission, config_digest, report_context
from .test_properties import QUICK

PHASE = 2**64


# -------------------------------------------------------------------------------------------------- P1


@pytest.mark.parametrize("name", ["AggregatorProxy", "EACAggregatorProxy"])
def test_deployed_proxy_in_front(chain: Chain, deploy: Deploy, name: str) -> None:
    """Consumers read a proxy. Its round ids are those of the aggregator, with the phase above."""
    first, second = deploy(), deploy(7)
    for round_ in (1, 2):
        first.transmit(first.signed(1, round_, observations(4, first=round_)))
    second.transmit(second.signed(values=observations(7, first=70)))
    controller = ["0x" + "00" * 20] if name == "EACAggregatorProxy" else []
    proxy = Contract.deploy(chain, OWNER, published(name), first.contract.address, *controller)

    def expect(feed: Feed, phase: int) -> None:
        assert proxy.read("aggregator") == feed.contract.address
        for reader in ("decimals", "description", "version", "latestAnswer", "latestTimestamp"):
            assert proxy.read(reader) == feed.contract.read(reader)
        id_, *data, answered_in = feed.contract.read("latestRoundData")
        above = phase * PHASE
        assert proxy.read("latestRound") == above + id_
        assert proxy.read("latestRoundData") == (above + id_, *data, above + answered_in)

    def expect_history(feed: Feed, phase: int) -> None:
        for id_ in range(1, feed.contract.read("latestRound") + 1):
            above = phase * PHASE
            _, *data, answered_in = feed.contract.read("getRoundData", id_)
            assert proxy.read("getRoundData", above + id_) == (above + id_, *data, above + answered_in)
            assert proxy.read("getAnswer", above + id_) == data[0]
            assert proxy.read("getTimestamp", above + id_) == data[2]

    expect(first, 1)
    expect_history(first, 1)
    proxy.send(OWNER, "proposeAggregator", second.contract.address)
    assert proxy.read("proposedLatestRoundData") == second.contract.read("latestRoundData")
    proxy.send(OWNER, "confirmAggregator", second.contract.address)
    expect(second, 2)
    expect_history(first, 1)
    expect_history(second, 2)


def test_proxy_is_upgraded_from_one_contract_to_the_other(chain: Chain) -> None:
    old, new = (Feed.deploy(chain, kind=kind) for kind in KINDS)
    proxy = Contract.deploy(chain, OWNER, published("AggregatorProxy"), old.contract.address)
    for feed, answer in ((old, 1), (new, 2)):
        feed.transmit(feed.signed(values=[answer] * 3))
    proxy.send(OWNER, "proposeAggregator", new.contract.address)
    proxy.send(OWNER, "confirmAggregator", new.contract.address)
    assert proxy.read("latestAnswer") == 2
    assert proxy.read("getAnswer", PHASE + 1) == 1


# -------------------------------------------------------------------------------------------------- V4


@dataclass
class Pair:
    """Aggregator A and the published rules, with one committee."""

    feed: Feed
    rules: Contract
    digest: bytes


@pytest.fixture(scope="module")
def pair(chain: Chain) -> Pair:
    feed = Feed.deploy(chain, 7)
    rules = Contract.deploy(chain, OWNER, compiled("SignatureRules"))
    rules.send(OWNER, "setConfig", *feed.config())
    return Pair(feed, rules, config_digest(chain.chain_id, rules.address, 1, *feed.config()))


def test_published_rules_name_the_same_digest(pair: Pair) -> None:
    assert pair.rules.read("latestConfigDetails")[2] == pair.digest


def forged(feed: Feed, context: Context, signers: list[int], forms: list[str]) -> Transmission:
    """A transmission whose i-th signature is of signers[i], spoilt as forms[i] says."""
    report = feed.report().encode()
    keys = [feed.oracles[index].signing_key for index in signers]
    signed = Transmission.signed(context, report, keys)
    other = Transmission.signed(context, report + bytes(32), keys)
    signatures = []
    for good, elsewhere, form in zip(signed.signatures, other.signatures, forms, strict=True):
        signatures.append(
            {
                "good": good,
                "other half": good.malleated,
                "other report": elsewhere,
                "v": Signature(good.r, good.s, 1 - good.v),
                "v is 27": Signature(good.r, good.s, good.v + 27),
                "s is zero": Signature(good.r, bytes(32), good.v),
            }[form]
        )
    return signed.with_signatures(*signatures)


def accepts(contract: Contract, data: bytes, sender: str) -> bool:
    try:
        contract.chain.call(contract.address, data, to_checksum_address(sender))
    except Reverted:
        return False
    return True


forms = st.sampled_from(["good"] * 12 + ["other half", "other report", "v", "v is 27", "s is zero"])


@given(
    signatures=st.lists(
        st.tuples(st.integers(0, 6), forms), min_size=3, max_size=3, unique_by=lambda pair: pair[0]
    )
    | st.lists(st.tuples(st.integers(0, 6), forms), max_size=5),
    sender=st.sampled_from(["transmitter"] * 3 + ["signer"]),
    tail=st.sampled_from([b""] * 5 + [b"\0", bytes(32)]),
)
@QUICK
def test_verdicts_are_those_of_the_published_rules(
    pair: Pair, signatures: list[tuple[int, str]], sender: str, tail: bytes
) -> None:
    oracle = pair.feed.oracles[3]
    account = oracle.transmitter if sender == "transmitter" else oracle.signer
    verdicts = set()
    for contract, digest in ((pair.feed.contract, pair.feed.digest), (pair.rules, pair.digest)):
        context = report_context(digest, 1, 1, bytes(31) + b"\7")
        transmission = forged(
            pair.feed, context, [i for i, _ in signatures], [form for _, form in signatures]
        )
        verdicts.add(accepts(contract, transmission.calldata + tail, account))
    assert len(verdicts) == 1


@pytest.mark.parametrize("form", ["good", "other half"])
def test_published_rules_accept_what_the_contract_accepts(pair: Pair, form: str) -> None:
    """So that the property above does not hold just because both refuse."""
    context = report_context(pair.digest, 1, 1, bytes(32))
    transmission = forged(pair.feed, context, [6, 0, 3], ["good", form, "good"])
    receipt = pair.rules.send_raw(pair.feed.transmitter, transmission.calldata)
    assert pair.rules.events(receipt)[-1].args == {"signers": 3, "transmitter": pair.feed.transmitters[0]}
    mine = forged(pair.feed, pair.feed.context(1, 1), [6, 0, 3], ["good", form, "good"])
    assert accepts(pair.feed.contract, mine.calldata, pair.feed.transmitters[0])
    swapped = forged(pair.feed, context, [6, 0, 3], ["good", "v", "good"])
    assert not accepts(pair.rules, swapped.calldata, pair.feed.transmitters[0])
