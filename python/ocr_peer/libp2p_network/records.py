"""Signed address records: where a peer says it listens, in a form that third parties can pass on.

Layout, all integers big-endian::

    32  ed25519 public key          8  sequence number
     1  number of addresses, ≤ 10   (1 length, that many ASCII bytes) per address
    64  ed25519 signature over the domain below and everything before it

A higher sequence number replaces a lower one. libp2p's own signed envelopes are not used: they cannot be
bounded before they are parsed, and py-libp2p stores whatever address they hold.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from libp2p.crypto.keys import PrivateKey

from ocr_peer.errors import InputError
from ocr_peer.libp2p_network.addresses import MAX_ADDRESS_BYTES, TcpAddress, parse_address
from ocr_peer.libp2p_network.identity import PUBLIC_KEY_BYTES, peer_id_of, verify

__all__ = [
    "MAX_ADDRESSES",
    "MAX_RECORD_BYTES",
    "AddressBook",
    "AddressRecord",
    "RecordError",
    "decode_record",
    "sign_record",
]

MAX_ADDRESSES = 10
_SIGNATURE_BYTES = 64
_FIXED_BYTES = PUBLIC_KEY_BYTES + 8 + 1
MAX_RECORD_BYTES = _FIXED_BYTES + MAX_ADDRESSES * (1 + MAX_ADDRESS_BYTES) + _SIGNATURE_BYTES
_DOMAIN = b"ocr-peer address record v1\n"


class RecordError(Exception):
    """Bytes that are not a genuine address record."""


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """One peer's addresses, as it signed them."""

    public_key: bytes
    sequence: int
    addresses: tuple[TcpAddress, ...]
    encoded: bytes
    """The whole record, signature included."""

    @property
    def peer_id(self) -> str:
        """Who signed."""
        return peer_id_of(self.public_key)

    def is_genuine(self) -> bool:
        """Whether the signature holds."""
        signed, signature = self.encoded[:-_SIGNATURE_BYTES], self.encoded[-_SIGNATURE_BYTES:]
        return verify(self.public_key, _DOMAIN + signed, signature)


def sign_record(private_key: PrivateKey, sequence: int, addresses: Iterable[TcpAddress]) -> AddressRecord:
    """A record of one's own; addresses beyond the tenth are left out."""
    kept = tuple(addresses)[:MAX_ADDRESSES]
    public_key = private_key.get_public_key().to_bytes()
    body = bytearray(public_key + sequence.to_bytes(8, "big") + bytes([len(kept)]))
    for address in kept:
        text = str(address).encode("ascii")
        body += bytes([len(text)]) + text
    signature = private_key.sign(_DOMAIN + bytes(body))
    return AddressRecord(public_key, sequence, kept, bytes(body) + signature)


def decode_record(encoded: bytes) -> AddressRecord:
    """Read a record; the signature is not checked yet, so that records which are old anyway cost little.

    Raises:
        RecordError: any deviation from the layout.
    """
    if not _FIXED_BYTES + _SIGNATURE_BYTES <= len(encoded) <= MAX_RECORD_BYTES:
        raise RecordError(f"{len(encoded)} bytes")
    public_key = encoded[:PUBLIC_KEY_BYTES]
    sequence = int.from_bytes(encoded[PUBLIC_KEY_BYTES : PUBLIC_KEY_BYTES + 8], "big")
    count = encoded[_FIXED_BYTES - 1]
    if count > MAX_ADDRESSES:
        raise RecordError(f"{count} addresses")
    position, end = _FIXED_BYTES, len(encoded) - _SIGNATURE_BYTES
    addresses = []
    for _ in range(count):
        if position >= end:
            raise RecordError("truncated")
        begin = position + 1
        position = begin + encoded[position]
        if position > end:
            raise RecordError("truncated")
        addresses.append(_address(encoded[begin:position]))
    if position != end:
        raise RecordError("trailing bytes")
    return AddressRecord(public_key, sequence, tuple(addresses), encoded)


def _address(raw: bytes) -> TcpAddress:
    try:
        text = raw.decode("ascii")
        address = parse_address(text)
    except (UnicodeDecodeError, InputError) as error:
        raise RecordError("malformed address") from error
    if not address.is_dialable or str(address) != text:
        raise RecordError("address that cannot be dialled")
    return address


class AddressBook:
    """The newest genuine record of every peer of interest.

    Args:
        wanted: whether this node has a use for a peer's record.
        limit: how many records are kept; the one confirmed longest ago goes first.
        on_record: told about each record that is new, so that it can be saved.
    """

    def __init__(
        self,
        wanted: Callable[[str], bool],
        *,
        limit: int = 4096,
        on_record: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._wanted = wanted
        self._limit = limit
        self._on_record = on_record
        self._records: OrderedDict[str, AddressRecord] = OrderedDict()

    def offer(self, encoded: bytes, *, only_from: str | None = None) -> bool:
        """Take in a record. Returns whether it said something new.

        Args:
            encoded: what a peer sent.
            only_from: accept no one else's record.

        Raises:
            RecordError: malformed, forged, or of a peer that is not wanted.
        """
        record = decode_record(encoded)
        peer_id = record.peer_id
        if not self._wanted(peer_id) or (only_from is not None and peer_id != only_from):
            raise RecordError(f"record of {peer_id} is not wanted")
        is_new = self._take(peer_id, record)
        if is_new and self._on_record is not None:
            self._on_record(peer_id, encoded)
        return is_new

    def restore(self, saved: Iterable[bytes]) -> None:
        """Take in records saved by an earlier run; one that is damaged is left out."""
        for encoded in saved:
            with suppress(RecordError):
                record = decode_record(encoded)
                self._take(record.peer_id, record)

    def _take(self, peer_id: str, record: AddressRecord) -> bool:
        known = self._records.get(peer_id)
        is_new = known is None or known.sequence < record.sequence
        if is_new:
            if not record.is_genuine():
                raise RecordError(f"record of {peer_id} has a wrong signature")
            self._records[peer_id] = record
        self._records.move_to_end(peer_id)
        while len(self._records) > self._limit:
            self._records.popitem(last=False)
        return is_new

    def record(self, peer_id: str) -> AddressRecord | None:
        """The newest record of a peer."""
        return self._records.get(peer_id)

    def records(self) -> tuple[AddressRecord, ...]:
        """All records."""
        return tuple(self._records.values())

    def addresses(self, peer_id: str) -> tuple[TcpAddress, ...]:
        """Where a peer says it listens; empty when unknown."""
        record = self._records.get(peer_id)
        return () if record is None else record.addresses

    def known_addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Addresses as text, by peer id."""
        return {peer_id: tuple(map(str, record.addresses)) for peer_id, record in self._records.items()}
