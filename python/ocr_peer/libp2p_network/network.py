"""The `Network` port over libp2p: composition of host, gossip, discovery and dialling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
import trio

from ocr_peer.errors import InputError, InvariantError
from ocr_peer.libp2p_network.addresses import PeerAddress, parse_address, parse_announced, parse_peer_address
from ocr_peer.libp2p_network.counters import Counters
from ocr_peer.libp2p_network.dialling import Dialler
from ocr_peer.libp2p_network.discovery import Discovery, RecordServer
from ocr_peer.libp2p_network.endpoint import CommitteeEndpoint
from ocr_peer.libp2p_network.gate import Gate
from ocr_peer.libp2p_network.gossip import Broadcasts
from ocr_peer.libp2p_network.host import PeerHost, open_host
from ocr_peer.libp2p_network.identity import key_pair_of, peer_id_of
from ocr_peer.libp2p_network.library_logging import quiet_library
from ocr_peer.libp2p_network.records import AddressBook, sign_record
from ocr_peer.libp2p_network.tcp import bind
from ocr_peer.protocol.config import ConfigDigest
from ocr_peer.runtime.ports import Network, NetworkCommittee

__all__ = ["Libp2pNetwork", "open_libp2p_network"]

log = structlog.get_logger(__name__)


class Libp2pNetwork(Network):
    """One node's transport; made by `open_libp2p_network`."""

    relays_broadcasts = True

    def __init__(
        self,
        host: PeerHost,
        broadcasts: Broadcasts,
        book: AddressBook,
        dialler: Dialler,
        discovery: Discovery,
        *,
        nursery: trio.Nursery,
        bootstraps: frozenset[str],
    ) -> None:
        self._host = host
        self._broadcasts = broadcasts
        self._book = book
        self._dialler = dialler
        self._discovery = discovery
        self._nursery = nursery
        self._bootstraps = bootstraps
        self._endpoints: dict[ConfigDigest, CommitteeEndpoint] = {}
        self._use_committees()

    @property
    def peer_id(self) -> str:
        """This node's peer id, `12D3KooW…`."""
        return self._host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where peers reach this node, as `/ip4/…/tcp/…/p2p/…`, with the real port."""
        return tuple(str(PeerAddress(address, self.peer_id)) for address in self._host.announced)

    @property
    def sequence(self) -> int:
        """Number of the newest broadcast; a later run has to start above it."""
        return self._broadcasts.counter

    def counters(self) -> dict[str, int]:
        """Totals since the network was opened, by name; see `Count`."""
        return self._host.counters.snapshot()

    def known_addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Addresses of members heard of, by peer id."""
        return self._book.known_addresses()

    async def changed(self) -> None:
        """Wait until a connection is made or lost, or an address is learned."""
        await self._host.changed.wait()

    @asynccontextmanager
    async def join(self, committee: NetworkCommittee) -> AsyncIterator[CommitteeEndpoint]:
        """Take part in a committee for the duration of the context.

        Raises:
            InputError: a peer id is malformed, or the message limit does not fit the transport.
            InvariantError: the committee is joined already, or this node is not the member it should be.
        """
        digest = committee.config_digest
        if self._nursery.cancel_scope.cancel_called:
            raise InvariantError("the network is closed")
        if digest in self._endpoints:
            raise InvariantError(f"committee {digest.hex()} is joined already")
        endpoint = CommitteeEndpoint(committee, self._host, self._broadcasts)
        self._endpoints[digest] = endpoint
        ended = trio.Event()
        scope = trio.CancelScope()
        try:
            self._use_committees()
            self._nursery.start_soon(_run_endpoint, endpoint, scope, ended)
            await endpoint.is_ready.wait()
            yield endpoint
        finally:
            scope.cancel()
            with trio.CancelScope(shield=True):  # ends by itself: nothing in it waits for a peer
                await ended.wait()
            del self._endpoints[digest]
            self._use_committees()
            self._drop_strangers()

    def _use_committees(self) -> None:
        members = frozenset[str]().union(*(endpoint.members for endpoint in self._endpoints.values()))
        self._host.gate.set_members(members)
        self._dialler.keep(members | self._bootstraps)
        self._discovery.hurry()

    def _drop_strangers(self) -> None:
        for peer_id in self._host.connected_peers():
            if self._host.gate.role(peer_id) is None:
                self._host.drop(peer_id)


async def _run_endpoint(
    endpoint: CommitteeEndpoint,
    scope: trio.CancelScope,
    ended: trio.Event,
) -> None:
    try:
        with scope:
            await endpoint.run()
    finally:
        ended.set()


@asynccontextmanager
async def open_libp2p_network(
    *,
    peer_seed: bytes,
    listen: Sequence[str],
    sequence_start: int,
    announce: Sequence[str] = (),
    bootstrap: Sequence[str] = (),
    records: Iterable[bytes] = (),
    on_record: Callable[[str, bytes], None] | None = None,
    exchange_interval: float = 5.0,
) -> AsyncIterator[Libp2pNetwork]:
    """Run this node's transport for the duration of the context.

    Args:
        peer_seed: ed25519 seed of the peer key, 32 bytes.
        listen: TCP multiaddresses, `/ip4/0.0.0.0/tcp/6690`; port 0 takes a free one.
        sequence_start: a number that rises from run to run, by more than the run before sent broadcasts;
            nanoseconds since 1970 do. Peers take messages numbered lower for old ones.
        announce: addresses told to peers instead of the listening ones.
        bootstrap: `/ip4/…/tcp/…/p2p/…` of nodes that know where members listen.
        records: address records saved by an earlier run.
        on_record: called with peer id and signed record for each that is new, to save it; must not raise.
        exchange_interval: seconds between record exchanges in quiet times.

    Raises:
        InputError: a key or an address is unusable.
    """
    keys = key_pair_of(peer_seed)
    own = peer_id_of(keys.public_key.to_bytes())
    bootstraps = _bootstraps(bootstrap, own)
    announced = parse_announced(announce)
    if not 0 <= sequence_start < 1 << 63:
        raise InputError("sequence_start", sequence_start, "is not in 0 … 2^63", "use nanoseconds since 1970")
    quiet_library()
    counters = Counters()
    gate = Gate(own, counters, lambda peer_id: peer_id in bootstraps)
    book = AddressBook(lambda peer_id: peer_id in gate.members, on_record=on_record)
    listeners = bind([parse_address(text, field=f"listen[{index}]") for index, text in enumerate(listen)])

    def addresses(peer_id: str) -> list[PeerAddress]:
        known = [PeerAddress(address, peer_id) for address in book.addresses(peer_id)]
        return list(dict.fromkeys(bootstraps.get(peer_id, []) + known))

    book.restore(records)
    failure: Exception | None = None
    async with open_host(
        keys, listeners=listeners, announce=announced, gate=gate, counters=counters
    ) as opened:
        host, tasks = opened
        own_record = sign_record(keys.private_key, sequence_start, host.announced)
        server = RecordServer(
            host, book, own_record=lambda: own_record, may_know=lambda _: True, only_own=False
        )
        ids = frozenset(bootstraps)
        discovery = Discovery(
            host, book, server, own_record=own_record, bootstraps=ids, interval=exchange_interval
        )
        dialler = Dialler(host, tasks, addresses=addresses, always_ours=ids)
        broadcasts = Broadcasts(host, tasks, sequence=sequence_start)
        tasks.run_daemon_task(discovery.run)
        async with trio.open_nursery() as nursery:
            network = Libp2pNetwork(
                host, broadcasts, book, dialler, discovery, nursery=nursery, bootstraps=ids
            )
            log.info("network open", peer=own, addresses=network.addresses, bootstrap=sorted(ids))
            try:
                yield network
            except Exception as error:  # noqa: BLE001 - raised below as it is, not wrapped in two groups
                failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _bootstraps(texts: Sequence[str], own: str) -> dict[str, list[PeerAddress]]:
    found: dict[str, list[PeerAddress]] = {}
    for index, text in enumerate(texts):
        address = parse_peer_address(text, field=f"bootstrap[{index}]")
        if address.peer_id != own:
            found.setdefault(address.peer_id, []).append(address)
    return found
