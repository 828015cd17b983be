"""The wire codec over all messages and all bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.messages import (
    Final,
    FinalEcho,
    Message,
    NewEpoch,
    Observe,
    ObserveReq,
    Report,
    ReportReq,
)
from ocr_peer.protocol.report import AttributedObservation, AttributedSignature
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message

epochs, rounds, blobs = st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=200)
oracles = st.integers(0, 255).map(OracleId)
observations = st.lists(st.builds(AttributedObservation, blobs, blobs, oracles), max_size=40).map(tuple)
signatures = st.lists(st.builds(AttributedSignature, blobs, oracles), max_size=40).map(tuple)
finals = st.builds(Final, epochs, rounds, st.binary(min_size=32, max_size=32), blobs, signatures)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(NewEpoch, epochs),
    st.builds(ObserveReq, epochs, rounds, blobs),
    st.builds(Observe, epochs, rounds, blobs, blobs),
    st.builds(ReportReq, epochs, rounds, blobs, observations),
    st.builds(Report, epochs, rounds, st.booleans(), blobs, blobs),
    finals,
    st.builds(FinalEcho, finals),
)


@given(messages)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@given(st.binary(max_size=2000))
def test_no_bytes_raise(data: bytes) -> None:
    decode_message(data)


@given(messages, st.data())
def test_damaged_messages_are_messages_or_undecodable(message: Message, data: st.DataObject) -> None:
    encoded = bytearray(encode_message(message))
    for _ in range(data.draw(st.integers(1, 4))):
        if encoded:
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    decoded = decode_message(bytes(encoded))
    assert isinstance(decoded, Undecodable) or decode_message(encode_message(decoded)) == decoded
