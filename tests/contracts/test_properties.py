"""Random committees, quorums, values and orders of arrival, with real signatures."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .chain import Chain, Reverted
from .feed import JUELS, MAX_ANSWER, MIN_ANSWER, OBSERVED_AT, Deploy
from .signing import Report, epoch_and_round, recover

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
