"""Address records and the book that keeps them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import InputError
from ocr_peer.libp2p_network.addresses import TcpAddress, parse_address, parse_peer_address
from ocr_peer.libp2p_network.discovery import encode_records
from ocr_peer.libp2p_network.frames import FrameDecoder
from ocr_peer.libp2p_network.identity import key_pair_of, peer_id_of, public_key_of
from ocr_peer.libp2p_network.records import (
    MAX_RECORD_BYTES,
    AddressBook,
    AddressRecord,
    RecordError,
    decode_record,
    sign_record,
)

KEY = key_pair_of(bytes(32)).private_key
OTHER = key_pair_of(bytes([1]) * 32).private_key
PEER = peer_id_of(KEY.get_public_key().to_bytes())
HOME = parse_address("/ip4/192.0.2.7/tcp/6690")


def record(sequence: int = 1, *addresses: TcpAddress, key=KEY) -> AddressRecord:
    return sign_record(key, sequence, addresses or (HOME,))


def test_round_trip() -> None:
    addresses = [
        HOME,
        parse_address("/ip6/2001:db8::1/tcp/1"),
        parse_address("/dns4/oracle-1.example/tcp/65535"),
    ]
    signed = sign_record(KEY, 7, addresses)
    read = decode_record(signed.encoded)
    assert read == signed
    assert read.is_genuine()
    assert (read.peer_id, read.sequence, read.addresses) == (PEER, 7, tuple(addresses))


def test_the_longest_record_fits_the_cap() -> None:
    longest = TcpAddress("dns4", ".".join(["a" * 62, "b" * 62, "cc"]), 65535)
    signed = sign_record(KEY, 2**64 - 1, [longest] * 12)
    assert len(signed.addresses) == 10
    assert len(signed.encoded) <= MAX_RECORD_BYTES
    assert decode_record(signed.encoded) == signed


@given(data=st.binary(max_size=MAX_RECORD_BYTES + 2))
def test_any_bytes_are_a_record_or_a_record_error(data: bytes) -> None:
    try:
        read = decode_record(data)
    except RecordError:
        return
    assert not read.is_genuine()


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(position: int, flip: int) -> None:
    forged = bytearray(record().encoded)
    forged[position % len(forged)] ^= flip
    book = AddressBook(lambda _: True)
    with pytest.raises(RecordError):
        book.offer(bytes(forged))


@pytest.mark.parametrize(
    "text", ["/ip4/0.0.0.0/tcp/1", "/ip4/192.0.2.7/tcp/0", "/ip4/192.0.2.7/tcp/01", "/ip6/::/tcp/1"]
)
def test_addresses_nobody_could_dial_are_refused(text: str) -> None:
    raw = bytearray(record().encoded)
    body = raw[:40] + bytes([1, len(text)]) + text.encode()
    with pytest.raises(RecordError, match="address"):
        decode_record(bytes(body) + bytes(64))


def test_book_keeps_the_newest_and_tells_of_it_once() -> None:
    told: list[tuple[str, bytes]] = []
    book = AddressBook(lambda _: True, on_record=lambda peer, encoded: told.append((peer, encoded)))
    newer = record(5, parse_address("/ip4/192.0.2.8/tcp/1"))
    assert book.offer(record(4).encoded)
    assert book.offer(newer.encoded)
    assert not book.offer(newer.encoded)
    assert not book.offer(record(4).encoded)
    assert book.known_addresses() == {PEER: ("/ip4/192.0.2.8/tcp/1",)}
    assert told == [(PEER, record(4).encoded), (PEER, newer.encoded)]


def test_book_refuses_strangers_and_hearsay() -> None:
    with pytest.raises(RecordError, match="not wanted"):
        AddressBook(lambda _: False).offer(record().encoded)
    with pytest.raises(RecordError, match="not wanted"):
        AddressBook(lambda _: True).offer(record().encoded, only_from="12D3KooWsomeoneelse")


def test_book_forgets_the_peer_heard_of_longest_ago() -> None:
    keys = [key_pair_of(bytes([number]) * 32).private_key for number in range(1, 5)]
    book = AddressBook(lambda _: True, limit=3)
    for key in keys[:3]:
        book.offer(record(1, key=key).encoded)
    book.offer(record(1, key=keys[0]).encoded)  # nothing new, but alive
    book.offer(record(1, key=keys[3]).encoded)
    kept = {peer_id_of(key.get_public_key().to_bytes()) for key in (keys[0], keys[2], keys[3])}
    assert book.known_addresses().keys() == kept


def test_book_restores_what_was_saved_and_skips_what_is_damaged() -> None:
    book = AddressBook(lambda _: False)
    book.restore([record(key=OTHER).encoded[:-1], record().encoded])
    assert book.addresses(PEER) == (HOME,)


def test_records_on_the_wire_end_with_an_empty_frame() -> None:
    encoded = encode_records([record(1), record(2)])
    assert list(FrameDecoder(MAX_RECORD_BYTES).feed(encoded)) == [record(1).encoded, record(2).encoded, b""]


@given(text=st.text(max_size=80))
def test_any_text_is_an_address_or_an_input_error(text: str) -> None:
    for parse in (parse_address, parse_peer_address):
        with suppress(InputError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("/ip4/192.0.2.7/udp/1/quic-v1", "not a TCP multiaddress"),
        ("/ip4/192.0.2.300/tcp/1", "malformed ip4"),
        ("/ip6/fe80::1%eth0/tcp/1", "malformed ip6"),
        ("/ip4/192.0.2.7/tcp/65536", "above 65535"),
        ("/dns4/-x/tcp/1", "host name"),
        ("/ip4/192.0.2.7/tcp/1", "which peer"),
        (f"/ip4/0.0.0.0/tcp/1/p2p/{PEER}", "can be dialled"),
        ("/ip4/192.0.2.7/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "ed25519"),
    ],
)
def test_bootstrap_addresses_say_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_peer_address(text)


def test_peer_ids_are_libp2ps() -> None:
    # The peer of the all-zero seed, as it appears in examples of other libp2p implementations.
    assert PEER == "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    assert public_key_of(PEER) == KEY.get_public_key().to_bytes()


@given(text=st.text(max_size=60))
def test_any_text_is_a_peer_id_or_an_input_error(text: str) -> None:
    with suppress(InputError):
        assert peer_id_of(public_key_of(text)) == text.strip()
