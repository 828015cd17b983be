"""Broadcasts over gossipsub: checked before they are relayed, and read so that no peer can end the node.

py-libp2p's `Pubsub` keeps the table of peers, streams and subscriptions. Reading, checking and writing are
replaced: its read loop dies of five bytes of garbage, verifies a peer record with every RPC, and starts one
task per message, which puts no bound on what a flood can occupy.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from libp2p.tools.timed_cache.last_seen_cache import LastSeenCache

from ocr_peer.libp2p_network.containment import ContainedTasks
from ocr_peer.libp2p_network.counters import Count
from ocr_peer.libp2p_network.frames import MAX_FRAME_BYTES, FrameError, FrameReader, encode_frame
from ocr_peer.libp2p_network.gate import Role
from ocr_peer.libp2p_network.host import PeerHost, StreamUnavailable
from ocr_peer.libp2p_network.identity import library_id
from ocr_peer.libp2p_network.muxing import BoundedYamux
from ocr_peer.libp2p_network.router import GOSSIP_PROTOCOL, RPC_BYTES, GuardedRouter

__all__ = ["MAX_BROADCAST_BYTES", "Broadcasts", "Topic"]

log = structlog.get_logger(__name__)

_TOPIC = re.compile(r"ocr/[0-9a-f]{64}")
_MAX_TOPICS_PER_PEER = 64
MAX_BROADCAST_BYTES = MAX_FRAME_BYTES - 1024
"""Room is left for author, sequence number, topic, key and signature around a payload: about 300 bytes."""
_QUEUE_RPCS = 1024
_COALESCE_BYTES = 16 * 1024
_SEEN_SECONDS = 120.0
_SEEN_LIMIT = 1 << 16
_RATE_PER_SECOND = 250.0
_RATE_BURST = 500.0
"""Broadcasts per author. A leader sends about four per round."""
_PENALTY_SECONDS = 0.02
"""Pause in reading from a peer that passed on something no honest peer would."""
_REOPEN_SECONDS = 0.5
_REOPEN_MAX_SECONDS = 10.0
_SEQUENCE_BYTES = 8
_REPLAY_WINDOW = 1024
"""Relayed messages overtake each other by far less. Without this, a member could replay another's old broadcasts
once their ids are forgotten, and use up that member's rate."""


@dataclass(slots=True)
class Topic:
    """One committee's broadcasts."""

    name: str
    members: frozenset[str]
    """Peer ids of the other members."""
    max_message_bytes: int
    is_relayable: Callable[[str, bytes], bool]
    """Whether a payload by that peer is worth passing on."""
    deliver: Callable[[str, bytes], None]
    """Takes a checked payload and its author's peer id."""
    authors: dict[bytes, _Author] = field(init=False)

    def __post_init__(self) -> None:
        self.authors = {library_id(peer_id).to_bytes(): _Author(peer_id) for peer_id in self.members}


class _Author:
    """A member, with its key and what it may still send."""

    def __init__(self, peer_id: str) -> None:
        raw = library_id(peer_id).to_bytes()
        self.peer_id = peer_id
        self._key = Ed25519PublicKey.from_bytes(raw[-32:])
        self._tokens = _RATE_BURST
        self._refilled_at = 0.0
        self._newest = 0

    def is_stale(self, sequence: int) -> bool:
        """Whether so many newer ones were seen that this can only be a replay."""
        return sequence + _REPLAY_WINDOW <= self._newest

    def note(self, sequence: int) -> None:
        self._newest = max(self._newest, sequence)

    def may_send(self) -> bool:
        now = trio.current_time()
        self._tokens = min(_RATE_BURST, self._tokens + (now - self._refilled_at) * _RATE_PER_SECOND)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def signed(self, message: rpc_pb2.Message) -> bool:
        unsigned = rpc_pb2.Message(
            data=message.data, topicIDs=message.topicIDs, from_id=message.from_id, seqno=message.seqno
        )
        try:
            return self._key.verify(
                PUBSUB_SIGNING_PREFIX.encode() + unsigned.SerializeToString(), message.signature
            )
        except Exception:  # noqa: BLE001 - the binding has several error types for malformed input
            return False


class _SeenIds(LastSeenCache):
    """Ids of messages handled, bounded, and without the thread that the base class starts."""

    def __init__(self) -> None:
        self._times: OrderedDict[bytes, float] = OrderedDict()

    def add(self, key: bytes) -> bool:
        is_new = key not in self._times
        now = trio.current_time()
        self._times[key] = now
        self._times.move_to_end(key)
        while len(self._times) > _SEEN_LIMIT or next(iter(self._times.values())) < now - _SEEN_SECONDS:
            self._times.popitem(last=False)
        return is_new

    def has(self, key: bytes) -> bool:
        return key in self._times

    def stop(self) -> None:
        """No thread to stop."""


class Broadcasts(Pubsub):
    """Gossip of one host; strictly signed.

    Args:
        sequence: number before the first message's; must be higher than any used before with this key, or
            peers take new messages for old ones.
    """

    def __init__(self, host: PeerHost, tasks: ContainedTasks, *, sequence: int) -> None:
        self._router = GuardedRouter(host.counters)
        super().__init__(host, self._router, strict_signing=True)
        host.swarm.observe(host)  # instead of the library's observer, which blocks on its queue
        self.seen_messages.stop()
        self.seen_messages = _SeenIds()
        self.counter = sequence
        self._manager = tasks
        self._router._manager = tasks  # noqa: SLF001 - how the library hands a service its manager
        self._peer_host = host
        self._counters = host.counters
        self._topics: dict[str, Topic] = {}
        host.on_connected.append(self._greet)
        host.on_disconnected.append(self._connection_lost)
        tasks.run_daemon_task(self._router.heartbeat)

    # Committees

    async def join_topic(self, topic: Topic) -> None:
        """Subscribe; also greet members that connected when they were none."""
        self._topics[topic.name] = topic
        self._fit()
        for stranger in self.peer_topics.get(topic.name, set()) - set(map(library_id, topic.members)):
            self._forget_subscription(stranger, topic.name)
        await self.subscribe(topic.name)
        for peer_id in topic.members:
            self._greet(peer_id)

    async def leave_topic(self, name: str) -> None:
        """Unsubscribe."""
        await self.unsubscribe(name)
        self._topics.pop(name, None)
        self._fit()

    async def broadcast(self, topic: str, payload: bytes) -> None:
        """Sign and send to every member that is connected."""
        await self.publish(topic, payload)

    def _fit(self) -> None:
        self._router.fit_committees([len(topic.members) + 1 for topic in self._topics.values()])

    # Peers

    def _greet(self, peer_id: str) -> None:
        if self._peer_host.gate.role(peer_id) is Role.MEMBER and library_id(peer_id) not in self.peers:
            self._schedule_peer_stream_retry(library_id(peer_id))

    async def _peer_stream_retry_task(self, peer_id: ID) -> None:
        """Open our stream to a peer, and again as long as it is connected but will not have it."""
        delay = _REOPEN_SECONDS
        try:
            while self._peer_host.is_connected(str(peer_id)) and peer_id not in self.peers:
                try:
                    await self._handle_new_peer(peer_id)
                except StreamUnavailable as error:
                    log.debug("no gossip with peer yet", peer=str(peer_id), reason=str(error))
                    await trio.sleep(delay)
                    delay = min(2 * delay, _REOPEN_MAX_SECONDS)
        finally:
            self._peer_stream_retries_pending.discard(peer_id)

    async def _handle_new_peer(self, peer_id: ID) -> None:
        stream = await self._peer_host.open_stream(str(peer_id), GOSSIP_PROTOCOL)
        queue = RpcQueue(max_size=_QUEUE_RPCS, max_message_size=RPC_BYTES)
        queue.push(self.get_hello_packet())
        self._router.add_peer(peer_id, GOSSIP_PROTOCOL)
        self.peers[peer_id] = stream
        self.peer_queues[peer_id] = queue
        self.manager.run_task(self.handle_sending_messages, peer_id, stream, queue)
        for name, subscribers in self.peer_topics.items():
            if peer_id in subscribers:
                self.manager.run_task(self._replay_recent_messages, peer_id, name)
                self.manager.run_task(self._router.on_peer_subscribed, peer_id, name)

    def _connection_lost(self, peer_id: str, muxed: BoundedYamux) -> None:
        stream = self.peers.get(library_id(peer_id))
        if not self._peer_host.is_connected(peer_id) or (stream is not None and stream.muxed_conn is muxed):
            self._handle_dead_peer(library_id(peer_id))

    def _handle_dead_peer(self, peer_id: ID) -> None:
        """Our stream to a peer ended."""
        if not self._peer_host.is_connected(str(peer_id)):
            super()._handle_dead_peer(peer_id)
            return
        # The base class would forget the peer's subscriptions, which it has no reason to send again.
        self.peers.pop(peer_id, None)
        queue = self.peer_queues.pop(peer_id, None)
        if queue is not None:
            queue.close()
        self._replayed_recent_topics.pop(peer_id, None)
        self._router.remove_peer(peer_id)
        self._greet(str(peer_id))

    def _peer_is_connected(self, peer_id: ID) -> bool:
        return self._peer_host.is_connected(str(peer_id))

    def get_hello_packet(self) -> rpc_pb2.RPC:
        """Our subscriptions, without a signed peer record."""
        subscriptions = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=name) for name in self.topic_ids]
        return rpc_pb2.RPC(subscriptions=subscriptions)

    def _build_announce_rpc(self, topic_id: str, subscribe: bool) -> tuple[rpc_pb2.RPC, rpc_pb2.RPC.SubOpts]:
        announced = rpc_pb2.RPC.SubOpts(subscribe=subscribe, topicid=topic_id)
        return rpc_pb2.RPC(subscriptions=[announced]), announced

    # Sending

    async def handle_sending_messages(self, peer_id: ID, stream: INetStream, queue: RpcQueue) -> None:
        """Write what is queued for a peer, many RPCs at a time."""
        try:
            while (rpc := await queue.pop()) is not None:
                batch = encode_frame(rpc.SerializeToString())
                while len(queue) and len(batch) < _COALESCE_BYTES and (rpc := await queue.pop()) is not None:
                    batch += encode_frame(rpc.SerializeToString())
                await stream.write(batch)
        except Exception as error:  # noqa: BLE001 - whatever ends a stream
            log.debug("gossip to peer ended", peer=str(peer_id), reason=repr(error))
        finally:
            await stream.reset()
            if self.peers.get(peer_id) is stream:
                self._handle_dead_peer(peer_id)

    # Receiving

    async def stream_handler(self, stream: INetStream) -> None:
        """Serve a peer's stream to us until it ends."""
        await self.continuously_read_stream(stream)

    async def continuously_read_stream(self, stream: INetStream) -> None:
        """Read RPCs and act on them one by one, so that a flood waits in the peer's own send window."""
        peer_id = stream.muxed_conn.peer_id
        reader = FrameReader(stream.read, MAX_FRAME_BYTES)
        try:
            while True:
                rpc = rpc_pb2.RPC()
                rpc.ParseFromString(await reader.next())
                await self._handle_rpc(peer_id, rpc)
        except (FrameError, DecodeError) as error:
            self._counters.add(Count.REFUSED_RPC)
            self._complain("gossip stream reset", peer_id, str(error))
        except IOException as error:
            log.debug("gossip from peer ended", peer=str(peer_id), reason=repr(error))

    async def _handle_rpc(self, peer_id: ID, rpc: rpc_pb2.RPC) -> None:
        for subscription in rpc.subscriptions[:_MAX_TOPICS_PER_PEER]:
            self.handle_subscription(peer_id, subscription)
        for message in rpc.publish:
            await self.push_msg(peer_id, message)
            await trio.lowlevel.checkpoint()
        if rpc.HasField("control"):
            await self._router.handle_rpc(rpc, peer_id)

    def handle_subscription(self, origin_id: ID, sub_message: rpc_pb2.RPC.SubOpts) -> None:
        """Note a subscription, also to a topic we join later, unless the peer has no business there."""
        name = sub_message.topicid
        topic = self._topics.get(name)
        is_entitled = _TOPIC.fullmatch(name) if topic is None else str(origin_id) in topic.members
        if is_entitled and self._peer_subscription_count.get(origin_id, 0) < _MAX_TOPICS_PER_PEER:
            super().handle_subscription(origin_id, sub_message)

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Take in a message, ours or a peer's: check, deliver, pass on, in this order and without a pause."""
        if msg_forwarder == self.my_id:
            self.seen_messages.add(self.get_message_id(msg))
            await self._router.publish(msg_forwarder, msg)
            return
        if self._is_msg_seen(msg):
            return
        fault = self._check(msg)
        if fault is None:
            await self._router.publish(msg_forwarder, msg)
            return
        self._counters.add(fault)
        if fault is Count.REFUSED_SIGNATURE:
            self._complain("gossip refused", msg_forwarder, "passed on a forged broadcast")
            await trio.sleep(_PENALTY_SECONDS)

    def _complain(self, event: str, peer_id: ID, reason: str) -> None:
        self._peer_host.gate.complaints.say(event, str(peer_id), peer=str(peer_id), reason=reason)

    def _check(self, message: rpc_pb2.Message) -> Count | None:
        """Deliver a message, or say why not; never raises."""
        topic = self._topics.get(message.topicIDs[0]) if len(message.topicIDs) == 1 else None
        author = None if topic is None else topic.authors.get(message.from_id)
        if topic is None or author is None or len(message.seqno) != _SEQUENCE_BYTES:
            return Count.REFUSED_BROADCAST  # our own messages coming back from an earlier life among them
        sequence = int.from_bytes(message.seqno, "big")
        if author.is_stale(sequence):
            return Count.REFUSED_BROADCAST
        if len(message.data) > topic.max_message_bytes:
            return Count.REFUSED_OVERSIZE
        if not author.signed(message):
            return Count.REFUSED_SIGNATURE
        # From here on the author alone answers for the message, so that one look at it is enough.
        self.seen_messages.add(self.get_message_id(message))
        author.note(sequence)
        if not author.may_send():
            return Count.REFUSED_RATE
        try:
            is_relayable = topic.is_relayable(author.peer_id, message.data)
        except Exception as error:
            log.error("relay check raised", error=repr(error), exc_info=error)
            self._counters.add(Count.CONTAINED_ERRORS)
            is_relayable = False
        if not is_relayable:
            return Count.REFUSED_BROADCAST
        self._counters.add(Count.DELIVERED_BROADCAST)
        topic.deliver(author.peer_id, message.data)
        return None
