"""Random committees, quorums, values and orders of arrival, with real signatures."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .chain import Chain, Reverted
from .feed import JUELS, MAX_ANSWER, MIN_ANSWER, OBSERVED_AT, OWNER, Deploy, Feed
from .signing import Report, committee, epoch_and_round, recover

QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

answers = st.integers(MIN_ANSWER, MAX_ANSWER)
epochs = st.integers(0, 2**32 - 1)
rounds = st.integers(1, 255)


@given(data=st.data())
@QUICK
def test_signed_reports_are_accepted_and_altered_ones_refused(
    chain: Chain, deploy: Deploy, data: st.DataObject
) -> None:
    n = data.draw(st.integers(4, 31), "n")
    f = data.draw(st.integers(1, (n - 1) // 3), "f")
    feed = deploy(n, f)
    k = data.draw(st.integers(f + 1, n), "k")
    values = sorted(data.draw(st.lists(answers, min_size=k, max_size=k), "values"))
    observers = data.draw(st.permutations(range(n)), "observers")[:k]
    signers = data.draw(st.permutations(range(n)), "signers")[: f + 1]
    epoch, round_ = data.draw(epochs, "epoch"), data.draw(rounds, "round")
    sender = feed.oracles[data.draw(st.integers(0, n - 1), "transmitter")]
    report = Report(OBSERVED_AT, tuple(observers), tuple(values), JUELS)
    transmission = feed.signed(epoch, round_, report=report, signers=signers)
    calldata = transmission.calldata

    at = data.draw(st.integers(0, len(calldata) - 1).filter(lambda at: at not in feed.idle), "flipped byte")
    altered = bytearray(calldata)
    altered[at] ^= 1 << data.draw(st.integers(0, 7), "flipped bit")
    feed.refuses(bytes(altered), sender.transmitting_key)

    receipt = feed.transmit(transmission, sender.transmitting_key)

    event = feed.contract.events(receipt)[0]
    assert event == feed.event(report, transmission, sender.transmitter)
    assert feed.contract.read("latestRoundData")[:3] == (1, values[k // 2], OBSERVED_AT)
    # Whoever reads the chain finds the oracles that vouch for the answer.
    found = {recover(transmission.message_hash, signature) for signature in transmission.signatures}
    assert found == {feed.oracles[index].signer for index in signers}


@given(arrivals=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=12))
@QUICK
def test_accepted_reports_ascend(deploy: Deploy, arrivals: list[tuple[int, int]]) -> None:
    feed = deploy()
    latest, history = 0, []
    for number, (epoch, round_) in enumerate(arrivals):
        transmission = feed.signed(epoch, round_, [number] * 2)
        both = epoch_and_round(epoch, round_)
        if both > latest:
            feed.transmit(transmission)
            latest = both
            history.append(number)
        else:
            assert feed.refuses(transmission) == ("StaleReport", (both, latest))
    assert feed.contract.read("latestRound") == len(history)
    assert [feed.contract.read("getAnswer", id_ + 1) for id_ in range(len(history))] == history


@given(
    signers=st.lists(st.integers(0, 6), min_size=0, max_size=6),
    known=st.booleans(),
)
@QUICK
def test_nothing_but_a_quorum_of_distinct_signers_counts(
    chain: Chain, deploy: Deploy, signers: list[int], known: bool
) -> None:
    feed = deploy(7)
    transmission = feed.signed(signers=signers)
    if not known:
        # Signatures of the same people for another round.
        other = feed.signed(1, 2, signers=signers)
        transmission = transmission.with_signatures(*other.signatures)
    wanted = known and len(signers) == len(set(signers)) == feed.f + 1
    try:
        chain.call(feed.contract.address, transmission.calldata, feed.oracles[0].transmitter)
    except Reverted:
        assert not wanted
    else:
        assert wanted


# Sending accounts may be any: also ones that resemble each other, unlike hashes.
ACCOUNTS = [
    f"0x{number:040x}" for number in (*range(36), *(1 << bit for bit in range(64, 160, 8)), 2**160 - 1)
]
SIGNERS = [oracle.signer for oracle in committee(36)]


def expected_refusal(
    signers: list[str], transmitters: list[str], f: int
) -> tuple[str, tuple[int | str, ...]] | None:
    """What setConfig says to a committee, None if nothing."""
    n = len(signers)
    if n > 31:
        return "TooManyOracles", (n, 31)
    if n != len(transmitters):
        return "OracleListsDiffer", (n, len(transmitters))
    if 3 * f >= n:
        return "FaultToleranceTooHigh", (f, n)
    if f == 0:
        return "FaultToleranceZero", ()
    if ACCOUNTS[0] in transmitters:
        return "ZeroTransmitter", (transmitters.index(ACCOUNTS[0]),)
    for name, addresses in (("RepeatedSigner", signers), ("RepeatedTransmitter", transmitters)):
        for index, address in enumerate(addresses):
            first = addresses.index(address)
            if first != index:
                return name, (address, first, index)
    return None


@given(data=st.data())
@QUICK
def test_committees_are_accepted_or_refused_for_their_first_flaw(feed: Feed, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 33), "n")
    signers = data.draw(st.permutations(SIGNERS), "signers")[:n]
    transmitters = data.draw(st.permutations(ACCOUNTS[1:]), "transmitters")[:n]
    f = data.draw(st.integers(0, max(1, n // 3)), "f")
    for flaw in data.draw(
        st.lists(st.sampled_from(["signer", "transmitter", "zero", "missing"]), max_size=1), "flaw"
    ):
        if n >= 2:
            first, again = sorted(data.draw(st.permutations(range(n)), "places")[:2])
            if flaw == "signer":
                signers[again] = signers[first]
            elif flaw == "transmitter":
                transmitters[again] = transmitters[first]
            elif flaw == "zero":
                transmitters[again] = ACCOUNTS[0]
            else:
                transmitters.pop()
    calldata = feed.config_calldata(signers=signers, transmitters=transmitters, f=f)
    refusal = expected_refusal(signers, transmitters, f)
    if refusal is not None:
        assert feed.refuses(calldata, OWNER) == refusal
        return
    count = feed.contract.read("latestConfigDetails")[0]
    feed.contract.send_raw(OWNER, calldata)
    assert feed.contract.read("latestConfigDetails")[0] == count + 1
    assert feed.contract.read("getTransmitters") == tuple(transmitters)
    # Each of them is found, and nobody else.
    for account in ACCOUNTS[1:]:
        with pytest.raises(Reverted) as caught:
            feed.chain.call(feed.contract.address, feed.signed(1, 1, signers=()).calldata, account)
        known = feed.contract.error(caught.value.data)[0] != "UnauthorizedTransmitter"
        assert known == (account in transmitters)
