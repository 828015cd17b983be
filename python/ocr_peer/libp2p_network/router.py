"""Gossipsub 1.1's mesh, kept from growing without bound and from doing needless work.

The mesh itself (graft, prune, heartbeat) is py-libp2p's. Sending is rewritten: no signed peer record is
attached to and verified with every RPC, own messages go to every subscriber at once (flood publishing, which
py-libp2p lacks), answers to IWANT fit the receiver's limit, and what a peer names is looked up before it is
remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue

from ocr_peer.libp2p_network.counters import Count, Counters

__all__ = ["GOSSIP_PROTOCOL", "RPC_BYTES", "GuardedRouter"]

GOSSIP_PROTOCOL = TProtocol(str(PROTOCOL_ID_V11))
RPC_BYTES = 64 * 1024
"""RPCs are kept below this, unless one message alone needs more."""
_FULL_MESH = 16
"""Committees up to this size form a full mesh."""
_BACK_OFF_SECONDS = 1
_MAX_CONTROL_ENTRIES = 64
_MAX_MESSAGE_IDS = 1024
_MAX_WANTED = 128


class GuardedRouter(GossipSub):
    """The router of one host."""

    def __init__(self, counters: Counters) -> None:
        super().__init__(
            [GOSSIP_PROTOCOL],
            degree=1,
            degree_low=1,
            degree_high=5,
            heartbeat_interval=1,
            # A committee left and joined again must not stay pruned for the default minute.
            prune_back_off=_BACK_OFF_SECONDS,
            unsubscribe_back_off=_BACK_OFF_SECONDS,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
            adaptive_gossip_enabled=False,
        )
        self._counters = counters

    def fit_committees(self, sizes: Sequence[int]) -> None:
        """Set the mesh degree for the largest need among the committees joined."""
        full = max((size - 1 for size in sizes if size <= _FULL_MESH), default=1)
        sparse = any(size > _FULL_MESH for size in sizes)
        self.degree = max(full, 6 if sparse else 1)
        self.degree_low = max(full, 5 if sparse else 1)
        self.degree_high = max(full + 4, 8 if sparse else 1)

    async def publish(self, msg_forwarder: ID, pubsub_msg: rpc_pb2.Message) -> None:
        """Send a message that was checked to everyone who should have it from us."""
        pubsub = self.pubsub
        if pubsub is None:
            return
        self.mcache.put(pubsub_msg)
        rpc = rpc_pb2.RPC(publish=[pubsub_msg])
        origin = ID(pubsub_msg.from_id)
        for topic in pubsub_msg.topicIDs:
            subscribed = pubsub.peer_topics.get(topic, set())
            targets = (
                subscribed if msg_forwarder == pubsub.my_id else self.mesh.get(topic, set()) & subscribed
            )
            for peer in targets - {msg_forwarder, origin}:
                self._enqueue(peer, rpc)

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """Bring a peer that just subscribed up to date."""
        for message_id in self.mcache.window(topic)[-_MAX_WANTED:]:
            message = self.mcache.get(message_id)
            if message is not None and message.from_id != peer_id.to_bytes():
                self._enqueue(peer_id, rpc_pb2.RPC(publish=[message]))

    async def flush_pending_messages(self, peer_id: ID) -> None:
        """Nothing is held back for peers that have not subscribed; `send_recent_messages` serves them."""

    async def handle_rpc(self, rpc: rpc_pb2.RPC, sender_peer_id: ID) -> None:
        """Act on control entries about topics that are joined; ignore the rest before it leaves a trace."""
        if sender_peer_id not in self.peer_protocol:
            return
        control = rpc.control
        for ihave in control.ihave[:_MAX_CONTROL_ENTRIES]:
            if ihave.topicID in self.mesh:
                del ihave.messageIDs[_MAX_MESSAGE_IDS:]
                await self.handle_ihave(ihave, sender_peer_id)
        for iwant in control.iwant[:_MAX_CONTROL_ENTRIES]:
            await self.handle_iwant(iwant, sender_peer_id)
        for graft in control.graft[:_MAX_CONTROL_ENTRIES]:
            if graft.topicID in self.mesh and self._has_subscribed(sender_peer_id, graft.topicID):
                await self.handle_graft(graft, sender_peer_id)
        for prune in control.prune[:_MAX_CONTROL_ENTRIES]:
            if prune.topicID in self.mesh:
                del prune.peers[:]  # peer exchange: addresses come from signed records only
                prune.backoff = min(prune.backoff, _BACK_OFF_SECONDS)
                await self.handle_prune(prune, sender_peer_id)

    async def handle_iwant(self, iwant_msg: rpc_pb2.ControlIWant, sender_peer_id: ID) -> None:
        """Send messages that the peer missed, one RPC each."""
        if not self._check_iwant_rate_limit(sender_peer_id):
            return
        for message_id in iwant_msg.messageIDs[:_MAX_WANTED]:
            message = self.mcache.get(bytes(message_id))
            if message is not None:
                self._enqueue(sender_peer_id, rpc_pb2.RPC(publish=[message]))

    async def emit_control_message(self, control_msg: rpc_pb2.ControlMessage, to_peer: ID) -> None:
        """Send graft, prune, IHAVE or IWANT."""
        self.send_rpc(to_peer, rpc_pb2.RPC(control=control_msg), priority=True)

    async def leave(self, topic: str) -> None:
        """Leave the mesh of a topic, and forget what was kept about it."""
        await super().leave(topic)
        self.back_off.pop(topic, None)
        self.graft_flood_tracking = defaultdict(lambda: defaultdict(float))
        self._mesh_peer_events.clear()

    def _has_subscribed(self, peer: ID, topic: str) -> bool:
        return self.pubsub is not None and peer in self.pubsub.peer_topics.get(topic, set())

    def _enqueue(self, peer: ID, rpc: rpc_pb2.RPC) -> None:
        queue: RpcQueue | None = None if self.pubsub is None else self.pubsub.peer_queues.get(peer)
        if queue is not None and not queue.push(rpc):
            self._counters.add(Count.DROPPED_GOSSIP_QUEUE_FULL)
