"""Messages as bytes on their way: encoded when sent, decoded from those bytes when they arrive.

Both are pure functions, so equal messages are encoded once and equal bytes decoded once: a broadcast arrives
many times, and all echoes of a final report are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from ocr_peer import crypto
from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.messages import FinalEcho, Message, NewEpoch
from ocr_peer.protocol.plugin import SizeLimits
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message
from ocr_peer.wire.limits import oversize

__all__ = ["Parcel", "Post", "Shipment"]

_REMEMBERED = 256

_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class Parcel:
    """Bytes, and what a receiver makes of them."""

    payload: bytes
    kind: str
    label: str
    """Kind, epoch/round and the start of the bytes' hash."""
    message: Message | None
    """`None` when refused: not decodable, or too long for its kind."""


class Shipment(NamedTuple):
    """One sending: the same to all receivers and for all copies."""

    sender: OracleId
    generation: int
    """The sender's configuration; an oracle of another one does not hear it."""
    parcel: Parcel
    event: MessageReceived | None
    """What the receiver's oracle is told, if the parcel holds a message."""
    sent: int


class Post:
    """Encodes and decodes for a committee of n."""

    def __init__(self, n: int, limits: SizeLimits) -> None:
        self._n = n
        self._limits = limits
        self._by_message: dict[Message, Parcel] = {}
        self._by_payload: dict[bytes, Parcel] = {}

    def of(self, message: Message) -> Parcel:
        """The message as it travels."""
        known = self._by_message.get(message)
        if known is None:
            known = self.of_bytes(encode_message(message))
            _remember(self._by_message, message, known)
        return known

    def of_bytes(self, payload: bytes) -> Parcel:
        """Bytes that an oracle, perhaps a Byzantine one, sends."""
        known = self._by_payload.get(payload)
        if known is None:
            known = self._parcel(payload)
            _remember(self._by_payload, payload, known)
        return known

    def _parcel(self, payload: bytes) -> Parcel:
        decoded = decode_message(payload)
        name = crypto.blake3(payload)[:4].hex()
        if isinstance(decoded, Undecodable):
            return Parcel(payload, "undecodable", f"{len(payload)} undecodable bytes #{name}", None)
        kind = type(decoded).__name__
        label = f"{kind} {_place(decoded)} #{name}"
        if oversize(decoded, len(payload), self._n, self._limits):
            return Parcel(payload, "oversize", f"oversize {label}", None)
        return Parcel(payload, kind, label, decoded)


def _remember(known: dict[_K, Parcel], key: _K, parcel: Parcel) -> None:
    if len(known) >= _REMEMBERED:
        del known[next(iter(known))]
    known[key] = parcel


def _place(message: Message) -> str:
    match message:
        case NewEpoch(epoch):
            return str(epoch)
        case FinalEcho(final):
            return f"{final.epoch}/{final.round}"
        case _:
            return f"{message.epoch}/{message.round}"
