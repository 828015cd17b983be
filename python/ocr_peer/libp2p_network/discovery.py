"""Finding the addresses of members: signed records, exchanged with bootstrap nodes and with each other.

One exchange is one stream of `/ocr/peers/1`. The asker sends a frame with the public keys it wants (32 bytes
each), then records as frames, then an empty frame; the answerer sends the wanted records it has, then an
empty frame.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Final

import structlog
import trio
from libp2p.io.exceptions import IOException

from ocr_peer.libp2p_network.counters import Count
from ocr_peer.libp2p_network.frames import FrameError, FrameReader, encode_frame
from ocr_peer.libp2p_network.gate import Role
from ocr_peer.libp2p_network.host import PeerHost, StreamUnavailable
from ocr_peer.libp2p_network.identity import PUBLIC_KEY_BYTES, peer_id_of, public_key_of
from ocr_peer.libp2p_network.peer_stream import PeerStream
from ocr_peer.libp2p_network.records import MAX_RECORD_BYTES, AddressBook, AddressRecord, RecordError
from ocr_peer.libp2p_network.wakeup import Wakeup

__all__ = ["RECORDS_PROTOCOL", "Discovery", "RecordServer"]

log = structlog.get_logger(__name__)

RECORDS_PROTOCOL: Final = "/ocr/peers/1"
_MAX_WANTED = 256
_MAX_FRAME_BYTES = max(MAX_RECORD_BYTES, _MAX_WANTED * PUBLIC_KEY_BYTES)
_MAX_RECORDS = 256
_EXCHANGE_SECONDS = 10.0
_FIRST_INTERVAL = 0.2
_RATE_PER_SECOND = 10.0
_RATE_BURST = 20.0
_RATE_PEERS = 4096


class RecordServer:
    """Answers exchanges.

    Args:
        only_own: accept from each peer no record but its own (a bootstrap node that knows no committee).
    """

    def __init__(
        self,
        host: PeerHost,
        book: AddressBook,
        *,
        own_record: Callable[[], AddressRecord | None],
        may_know: Callable[[str], bool],
        only_own: bool,
    ) -> None:
        self._book = book
        self._counters = host.counters
        self._own_record = own_record
        self._may_know = may_know
        self._only_own = only_own
        self._allowances: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._host = host
        self.last_exchange: dict[str, float] = {}
        """When each connected peer last exchanged records."""
        host.serve(RECORDS_PROTOCOL, Role.RECORDS, self._serve)
        host.on_disconnected.append(self._forget)

    async def _serve(self, stream: PeerStream) -> None:
        peer_id = stream.peer_id
        if not self._is_within_rate(peer_id):
            self._counters.add(Count.REFUSED_STREAM)
            return
        reader = FrameReader(stream.read, _MAX_FRAME_BYTES)
        with trio.move_on_after(_EXCHANGE_SECONDS):
            try:
                wanted = _wanted_ids(await reader.next())
                await receive_records(reader, self.take, only_from=peer_id if self._only_own else None)
                await stream.write(encode_records(self._answer(wanted)))
                self.last_exchange[peer_id] = trio.current_time()
                await stream.close()
                with suppress(IOException):  # the asker closes its side too
                    while True:
                        await stream.read()
            except (FrameError, RecordError) as error:
                self._counters.add(Count.REFUSED_FRAME)
                self._host.gate.complaints.say(
                    "record exchange refused", peer_id, peer=peer_id, reason=str(error)
                )
            except IOException as error:
                log.debug("record exchange ended", peer=peer_id, reason=repr(error))

    def _forget(self, peer_id: str, _connection: object) -> None:
        self.last_exchange.pop(peer_id, None)

    def take(self, encoded: bytes, only_from: str | None) -> None:
        """Offer a record to the book; a bad one is counted."""
        try:
            if self._book.offer(encoded, only_from=only_from):
                self._host.changed.notify()
        except RecordError as error:
            self._counters.add(Count.REFUSED_RECORD)
            log.debug("record refused", reason=str(error))

    def _answer(self, wanted: Iterable[str]) -> list[AddressRecord]:
        own = self._own_record()
        found = []
        for peer_id in wanted:
            record = own if own is not None and own.peer_id == peer_id else self._book.record(peer_id)
            if record is not None and self._may_know(peer_id):
                found.append(record)
        return found[:_MAX_RECORDS]

    def _is_within_rate(self, peer_id: str) -> bool:
        now = trio.current_time()
        tokens, refilled_at = self._allowances.pop(peer_id, (_RATE_BURST, now))
        tokens = min(_RATE_BURST, tokens + (now - refilled_at) * _RATE_PER_SECOND)
        is_within = tokens >= 1
        self._allowances[peer_id] = (tokens - 1 if is_within else tokens), now
        if len(self._allowances) > _RATE_PEERS:
            self._allowances.popitem(last=False)
        return is_within


class Discovery:
    """Asks for the addresses of members, quickly while some are missing, at leisure afterwards.

    Args:
        bootstraps: peer ids of the bootstrap nodes.
        interval: seconds between exchanges once every member is connected, or has been missing for long.
    """

    def __init__(
        self,
        host: PeerHost,
        book: AddressBook,
        server: RecordServer,
        *,
        own_record: AddressRecord,
        bootstraps: Collection[str],
        interval: float,
    ) -> None:
        self._host = host
        self._book = book
        self._server = server
        self._own_record = own_record
        self._bootstraps = bootstraps
        self._interval = interval
        self._pace = _FIRST_INTERVAL
        self._hurried = Wakeup()

    def hurry(self) -> None:
        """The set of members has changed: start over at the quick pace."""
        self._pace = _FIRST_INTERVAL
        self._hurried.notify()

    async def run(self) -> None:
        """Exchange records for ever."""
        while True:
            partners = self._partners()
            if not partners:
                await self._host.changed.wait()
                continue
            async with trio.open_nursery() as nursery:
                for peer_id in partners:
                    nursery.start_soon(self._exchange, peer_id)
            pause = self._pace if self._is_member_missing() else self._interval
            self._pace = min(2 * self._pace, self._interval)
            with trio.move_on_after(pause * random.uniform(0.8, 1.2)):  # noqa: S311 - spreads load, no secret
                await self._hurried.wait()

    def _is_member_missing(self) -> bool:
        return any(not self._host.is_connected(peer_id) for peer_id in self._host.gate.members)

    def _partners(self) -> list[str]:
        members = [peer_id for peer_id in sorted(self._host.gate.members) if self._host.is_connected(peer_id)]
        chosen = {random.choice(members)} if members else set()  # noqa: S311 - as above
        return sorted(chosen | {peer_id for peer_id in self._bootstraps if self._host.is_connected(peer_id)})

    async def _exchange(self, peer_id: str) -> None:
        stream = None
        try:
            with trio.fail_after(_EXCHANGE_SECONDS):
                stream = await self._host.open_stream(peer_id, RECORDS_PROTOCOL)
                await stream.write(self._question(peer_id))
                reader = FrameReader(stream.read, _MAX_FRAME_BYTES)
                await receive_records(reader, self._server.take, only_from=None)
                await stream.close()
        except (StreamUnavailable, IOException, FrameError, RecordError, trio.TooSlowError) as error:
            log.debug("record exchange failed", peer=peer_id, reason=repr(error))
        finally:
            if stream is not None:
                await stream.reset()

    def _question(self, peer_id: str) -> bytes:
        wanted = sorted(self._host.gate.members - {peer_id})[:_MAX_WANTED]
        # A bootstrap node outside the committees hears of everyone directly.
        known = self._book.records() if peer_id in self._host.gate.members else ()
        others = [record for record in known if record.peer_id != peer_id]
        records = [self._own_record, *others][:_MAX_RECORDS]
        return encode_frame(b"".join(map(public_key_of, wanted))) + encode_records(records)


def encode_records(records: Iterable[AddressRecord]) -> bytes:
    """Records as frames, and the empty frame that ends them."""
    return b"".join(encode_frame(record.encoded) for record in records) + encode_frame(b"")


async def receive_records(
    reader: FrameReader, take: Callable[[bytes, str | None], None], *, only_from: str | None
) -> None:
    """Read records until the empty frame.

    Raises:
        RecordError: there are too many.
    """
    for _ in range(_MAX_RECORDS + 1):
        encoded = await reader.next()
        if not encoded:
            return
        take(encoded, only_from)
    raise RecordError(f"more than {_MAX_RECORDS} records")


def _wanted_ids(frame: bytes) -> list[str]:
    if len(frame) % PUBLIC_KEY_BYTES:
        raise FrameError("list of wanted peers is not a multiple of 32 bytes")
    keys = (frame[start : start + PUBLIC_KEY_BYTES] for start in range(0, len(frame), PUBLIC_KEY_BYTES))
    return [peer_id_of(key) for key in keys]
