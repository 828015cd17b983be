"""The oracle under arbitrary messages: it never raises, its memory is bounded, its state only moves forward."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_peer.protocol.config import SECOND, Instant, OracleId
from ocr_peer.protocol.events import MessageReceived, TimeAdvanced
from ocr_peer.protocol.messages import Final, NewEpoch, Observe, ObserveReq, Report, ReportReq
from ocr_peer.protocol.oracle import FUTURE_MESSAGES_PER_SENDER
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature
from tests.protocol.committee import Committee

small = st.integers(0, 12)
blobs = st.binary(max_size=100)
oracles = st.integers(0, 255).map(OracleId)
observations = st.lists(st.builds(AttributedObservation, blobs, blobs, oracles), max_size=5).map(tuple)
signatures = st.lists(st.builds(AttributedSignature, blobs, oracles), max_size=3).map(tuple)
messages = st.one_of(
    st.builds(NewEpoch, st.integers(0, 2**32 - 1)),
    st.builds(ObserveReq, small, small, blobs),
    st.builds(Observe, small, small, blobs, blobs),
    st.builds(ReportReq, small, small, blobs, observations),
    st.builds(Report, small, small, st.booleans(), blobs, blobs),
    st.builds(Final, small, small, st.binary(min_size=32, max_size=32), blobs, signatures),
)
steps = st.lists(
    st.tuples(st.integers(1, 3).map(OracleId), messages, st.integers(0, 3 * SECOND)), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_an_oracle_among_liars(script: list[tuple[OracleId, object, int]]) -> None:
    committee = Committee(4, 1, delays=lambda *_: ())
    committee.start(0)
    oracle = committee.oracles[OracleId(0)]
    epoch, wished = oracle.epoch, oracle._pacemaker.highest_wished
    for sender, message, pause in script:
        committee.now = Instant(committee.now + pause)
        committee.inject(0, MessageReceived(sender, message))  # type: ignore[arg-type]
        while (deadline := oracle.next_deadline()) is not None and deadline <= committee.now:
            committee.inject(0, TimeAdvanced())
        assert oracle.epoch >= epoch
        assert oracle._pacemaker.highest_wished >= max(wished, oracle.epoch)
        epoch, wished = oracle.epoch, oracle._pacemaker.highest_wished
        assert all(len(ring) <= FUTURE_MESSAGES_PER_SENDER for ring in oracle._future)
        assert len(oracle._finalizer._finalized) <= oracle._finalizer.window
