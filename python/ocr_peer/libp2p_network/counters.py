"""What the network counts, for metrics and for operators who ask why a message did not arrive."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Count", "Counters"]


class Count(StrEnum):
    """Everything counted, with the name it has in metrics."""

    DELIVERED_BROADCAST = "delivered_broadcast"
    """Broadcasts of other members handed to an endpoint."""
    DELIVERED_DIRECT = "delivered_direct"
    """Payloads received over direct streams and handed to an endpoint."""
    DROPPED_QUEUE_FULL = "dropped_queue_full"
    """Outgoing payloads displaced by newer ones to the same peer."""
    DROPPED_INBOX_FULL = "dropped_inbox_full"
    """Received payloads displaced by newer ones of the same author."""
    DROPPED_GOSSIP_QUEUE_FULL = "dropped_gossip_queue_full"
    """Gossip to one peer dropped because that peer reads too slowly."""
    REJECTED_OUTSIDER = "rejected_outsider"
    """Connections whose authenticated peer id may not connect."""
    REJECTED_BUSY = "rejected_busy"
    """Incoming connections closed at once: too many handshakes or connections, in all or of one address."""
    REFUSED_OVERSIZE = "refused_oversize"
    """Payloads longer than the committee's limit, in either direction."""
    REFUSED_FRAME = "refused_frame"
    """Direct or record streams reset because of a malformed or oversized frame."""
    REFUSED_RPC = "refused_rpc"
    """Gossip streams reset because of a malformed or oversized RPC."""
    REFUSED_BROADCAST = "refused_broadcast"
    """Broadcasts with a wrong author, topic or shape, replayed, or refused by the relay check."""
    REFUSED_SIGNATURE = "refused_signature"
    """Broadcasts whose author's signature does not hold."""
    REFUSED_RATE = "refused_rate"
    """Broadcasts of an author who sends faster than anyone needs to."""
    REFUSED_STREAM = "refused_stream"
    """Streams a peer may not open, or opened in excess."""
    REFUSED_RECORD = "refused_record"
    """Address records that are malformed, forged or of a peer nobody asked about."""
    DIALS = "dials"
    """Connection attempts."""
    DIAL_FAILURES = "dial_failures"
    """Connection attempts that failed."""
    CONNECTIONS_OPENED = "connections_opened"
    """Authenticated connections, either direction."""
    CONNECTIONS_CLOSED = "connections_closed"
    """Authenticated connections that ended."""
    WRITE_TIMEOUTS = "write_timeouts"
    """Connections aborted because the peer did not take our bytes in time."""
    BUFFER_OVERRUNS = "buffer_overruns"
    """Connections closed because the peer ignored flow control."""
    CONTAINED_ERRORS = "contained_errors"
    """Exceptions inside the transport that were contained; zero unless a peer or the library misbehaves."""


class Counters:
    """Running totals since the network was opened."""

    def __init__(self) -> None:
        self._totals = dict.fromkeys(Count, 0)

    def add(self, name: Count, amount: int = 1) -> None:
        """Count `amount` more."""
        self._totals[name] += amount

    def snapshot(self) -> dict[str, int]:
        """All totals by name, zeros included."""
        return {name.value: total for name, total in self._totals.items()}
