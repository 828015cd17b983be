"""Who may connect, and for what: checked on the peer id that the Noise handshake has proved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import trio
from libp2p.abc import IRawConnection, ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.exceptions import HandshakeFailure
from libp2p.security.noise.transport import Transport as NoiseTransport

from ocr_peer.libp2p_network.complaints import Complaints
from ocr_peer.libp2p_network.counters import Count, Counters
from ocr_peer.libp2p_network.tcp import GuardedTcpStream

__all__ = ["Gate", "GatedNoise", "Role"]


class Role(Enum):
    """What a connected peer may do here."""

    MEMBER = "member"
    """Everything: it sits on a committee of this node."""
    RECORDS = "records"
    """Exchange address records only."""


class Gate:
    """The current set of peers.

    Args:
        own: this node's peer id, which is never let in.
        exchanges_records: whether a peer that is no member may connect to exchange address records.
    """

    def __init__(self, own: str, counters: Counters, exchanges_records: Callable[[str], bool]) -> None:
        self._own = own
        self._counters = counters
        self._exchanges_records = exchanges_records
        self._members: frozenset[str] = frozenset()
        self.complaints = Complaints()
        """For everyone who deals with peers of this gate."""

    @property
    def members(self) -> frozenset[str]:
        """The other oracles of all committees this node has joined."""
        return self._members

    def set_members(self, peer_ids: Iterable[str]) -> None:
        """Replace the set of members; this node itself is left out."""
        self._members = frozenset(peer_ids) - {self._own}

    def role(self, peer_id: str) -> Role | None:
        """What a peer may do; `None`: it may not even connect."""
        if peer_id == self._own:
            return None
        if peer_id in self._members:
            return Role.MEMBER
        return Role.RECORDS if self._exchanges_records(peer_id) else None

    def reject(self, peer_id: str, direction: str) -> None:
        """Count a rejected peer, and say so."""
        self._counters.add(Count.REJECTED_OUTSIDER)
        reason = "no member of a committee here"
        self.complaints.say("peer rejected", peer_id, peer=peer_id, direction=direction, reason=reason)


class GatedNoise(NoiseTransport):
    """Noise that finishes only with peers the gate lets in.

    The handshake authenticates the peer, so the check cannot be earlier; libp2p's own `ConnectionGate` knows
    IP addresses only.
    """

    def __init__(self, keys: KeyPair, gate: Gate) -> None:
        super().__init__(keys, noise_privkey=create_noise_key_pair().private_key)
        self._gate = gate

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Authenticate an incoming connection."""
        return await self._admit(await super().secure_inbound(conn), conn, "incoming")

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        """Authenticate an outgoing connection."""
        return await self._admit(await super().secure_outbound(conn, peer_id), conn, "outgoing")

    async def _admit(self, secured: ISecureConn, conn: IRawConnection, direction: str) -> ISecureConn:
        peer_id = str(secured.get_remote_peer())
        if self._gate.role(peer_id) is None:
            self._gate.reject(peer_id, direction)
            with trio.move_on_after(1) as scope:
                scope.shield = True
                await conn.close()
            raise HandshakeFailure(f"{peer_id} is not a member of any committee here")
        if isinstance(conn, RawConnection) and isinstance(conn.stream, GuardedTcpStream):
            conn.stream.lift_read_budget()
        return secured
