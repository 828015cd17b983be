"""One committee's network: gossip and direct streams behind the `Endpoint` port."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from ocr_peer.errors import InputError, InvariantError
from ocr_peer.libp2p_network.containment import ContainedTasks
from ocr_peer.libp2p_network.counters import Count
from ocr_peer.libp2p_network.gate import Role
from ocr_peer.libp2p_network.gossip import MAX_BROADCAST_BYTES, Broadcasts, Topic
from ocr_peer.libp2p_network.host import PeerHost
from ocr_peer.libp2p_network.identity import public_key_of
from ocr_peer.libp2p_network.inbox import Inbox
from ocr_peer.libp2p_network.peer_stream import PeerStream
from ocr_peer.libp2p_network.streams import PeerLink, read_frames
from ocr_peer.protocol.config import OracleId
from ocr_peer.runtime.ports import Endpoint, NetworkCommittee, PeerStatus

__all__ = ["CommitteeEndpoint"]


class CommitteeEndpoint(Endpoint):
    """A committee while it is joined."""

    def __init__(self, committee: NetworkCommittee, host: PeerHost, broadcasts: Broadcasts) -> None:
        _check(committee, host.peer_id)
        name = committee.config_digest.hex()
        self._committee = committee
        self._host = host
        self._broadcasts = broadcasts
        self._counters = host.counters
        self._topic = f"ocr/{name}"
        self._protocol = f"/ocr/{name}/1"
        others = {OracleId(index): peer_id for index, peer_id in enumerate(committee.peer_ids)}
        del others[committee.own_id]
        self._others = others
        self._oracles = {peer_id: oracle for oracle, peer_id in others.items()}
        self.is_ready = trio.Event()
        """Set once broadcasts and direct streams are received."""
        self._inbox = Inbox(len(committee.peer_ids), committee.max_message_bytes, host.counters)
        self._links = {oracle: PeerLink(host, peer_id, self._protocol) for oracle, peer_id in others.items()}

    @property
    def members(self) -> frozenset[str]:
        """Peer ids of the other oracles."""
        return frozenset(self._oracles)

    async def run(self) -> None:
        """Take part until cancelled."""
        topic = Topic(
            name=self._topic,
            members=self.members,
            max_message_bytes=self._committee.max_message_bytes,
            is_relayable=lambda peer_id, payload: self._committee.relay_check(
                self._oracles[peer_id], payload
            ),
            deliver=lambda peer_id, payload: self._inbox.put(self._oracles[peer_id], payload),
        )
        try:
            self._host.serve(self._protocol, Role.MEMBER, self._serve_direct)
            await self._broadcasts.join_topic(topic)
            async with trio.open_nursery() as nursery:
                tasks = ContainedTasks(nursery, self._counters)
                for link in self._links.values():
                    tasks.run_daemon_task(link.run)
                self.is_ready.set()
        finally:
            self._inbox.close()
            self._host.stop_serving(self._protocol)
            with trio.CancelScope(shield=True):  # only queues; does not wait for peers
                await self._broadcasts.leave_topic(self._topic)

    async def send(self, to: OracleId, payload: bytes) -> None:
        """Queue a payload for one oracle."""
        link = self._links.get(to)
        if link is None:
            raise InvariantError(f"oracle {to} is not another member of {self._topic}")
        await trio.lowlevel.checkpoint()
        if self._fits(payload):
            link.send(payload)

    async def broadcast(self, payload: bytes) -> None:
        """Queue a payload for every other oracle."""
        await trio.lowlevel.checkpoint()
        if self._fits(payload):
            await self._broadcasts.broadcast(self._topic, payload)

    async def receive(self) -> tuple[OracleId, bytes]:
        """The next payload with its author.

        Raises:
            trio.ClosedResourceError: the committee was left.
        """
        return await self._inbox.get()

    def peers(self) -> Sequence[PeerStatus]:
        """Every other oracle, by oracle id."""
        return [
            PeerStatus(oracle, peer_id, self._host.is_connected(peer_id), self._host.last_address(peer_id))
            for oracle, peer_id in self._others.items()
        ]

    async def _serve_direct(self, stream: PeerStream) -> None:
        if stream.peer_id not in self._oracles:
            self._counters.add(Count.REFUSED_STREAM)
            return
        await read_frames(stream, self._receive_direct, self._host)

    def _receive_direct(self, peer_id: str, payload: bytes) -> None:
        if self._fits(payload):
            self._counters.add(Count.DELIVERED_DIRECT)
            self._inbox.put(self._oracles[peer_id], payload)

    def _fits(self, payload: bytes) -> bool:
        fits = len(payload) <= self._committee.max_message_bytes
        if not fits:
            self._counters.add(Count.REFUSED_OVERSIZE)
        return fits


def _check(committee: NetworkCommittee, own_peer_id: str) -> None:
    for index, peer_id in enumerate(committee.peer_ids):
        public_key_of(peer_id, field=f"peer_ids[{index}]")
    if len(set(committee.peer_ids)) != len(committee.peer_ids):
        raise InputError(
            "peer_ids", committee.peer_ids, "names a peer twice", "give every oracle its own peer id"
        )
    if not 0 < committee.max_message_bytes <= MAX_BROADCAST_BYTES:
        problem = f"does not fit the transport's limit of {MAX_BROADCAST_BYTES} bytes"
        raise InputError("max_message_bytes", committee.max_message_bytes, problem, "lower it")
    if (
        not 0 <= committee.own_id < len(committee.peer_ids)
        or committee.peer_ids[committee.own_id] != own_peer_id
    ):
        raise InvariantError(f"oracle {committee.own_id} of the committee is not this node, {own_peer_id}")
