"""A bootstrap node: tells members where members listen, and takes no part in anything else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
import trio

from ocr_peer.libp2p_network.addresses import PeerAddress, parse_address, parse_announced
from ocr_peer.libp2p_network.counters import Counters
from ocr_peer.libp2p_network.discovery import RecordServer
from ocr_peer.libp2p_network.gate import Gate
from ocr_peer.libp2p_network.host import PeerHost, open_host
from ocr_peer.libp2p_network.identity import key_pair_of, peer_id_of
from ocr_peer.libp2p_network.library_logging import quiet_library
from ocr_peer.libp2p_network.records import AddressBook
from ocr_peer.libp2p_network.tcp import bind

__all__ = ["BootstrapNode", "open_bootstrap_node"]

log = structlog.get_logger(__name__)

_MAX_RECORDS = 4096
_SWEEP_SECONDS = 5.0
_IDLE_SECONDS = 60.0


class BootstrapNode:
    """Made by `open_bootstrap_node`."""

    def __init__(self, host: PeerHost, book: AddressBook, server: RecordServer) -> None:
        self._host = host
        self._book = book
        self._server = server

    @property
    def peer_id(self) -> str:
        """This node's peer id, `12D3KooW…`."""
        return self._host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """What members give as bootstrap: `/ip4/…/tcp/…/p2p/…`, with the real port."""
        return tuple(str(PeerAddress(address, self.peer_id)) for address in self._host.announced)

    def counters(self) -> dict[str, int]:
        """Totals since the node was opened, by name; see `Count`."""
        return self._host.counters.snapshot()

    def known_addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Addresses of peers heard of, by peer id."""
        return self._book.known_addresses()

    async def sweep(self) -> None:
        """Close connections of peers that may no longer connect, or have asked for nothing in a while."""
        idle_since: dict[str, float] = {}
        while True:
            await trio.sleep(_SWEEP_SECONDS)
            now = trio.current_time()
            connected = self._host.connected_peers()
            idle_since = {peer_id: idle_since.get(peer_id, now) for peer_id in connected}
            for peer_id, since in idle_since.items():
                last = max(since, self._server.last_exchange.get(peer_id, since))
                if self._host.gate.role(peer_id) is None or now - last > _IDLE_SECONDS:
                    self._host.drop(peer_id)


@asynccontextmanager
async def open_bootstrap_node(
    *,
    peer_seed: bytes,
    listen: Sequence[str],
    announce: Sequence[str] = (),
    allowed: Callable[[], Collection[str]] | None = None,
) -> AsyncIterator[BootstrapNode]:
    """Run a bootstrap node for the duration of the context.

    Args:
        peer_seed: ed25519 seed of the peer key, 32 bytes.
        listen: TCP multiaddresses, `/ip4/0.0.0.0/tcp/6690`; port 0 takes a free one.
        announce: addresses shown in `addresses` instead of the listening ones.
        allowed: peer ids of the members, asked again at every connection; must be quick. `None` lets any peer
            leave its own record, the 4096 heard of last being kept.

    Raises:
        InputError: a key or an address is unusable.
    """
    keys = key_pair_of(peer_seed)
    announced = parse_announced(announce)
    quiet_library()
    counters = Counters()

    def is_allowed(peer_id: str) -> bool:
        return allowed is None or peer_id in allowed()

    gate = Gate(peer_id_of(keys.public_key.to_bytes()), counters, is_allowed)
    book = AddressBook(is_allowed, limit=_MAX_RECORDS)
    listeners = bind([parse_address(text, field=f"listen[{index}]") for index, text in enumerate(listen)])
    failure: Exception | None = None
    async with open_host(
        keys, listeners=listeners, announce=announced, gate=gate, counters=counters
    ) as opened:
        host, tasks = opened
        server = RecordServer(
            host, book, own_record=lambda: None, may_know=is_allowed, only_own=allowed is None
        )
        node = BootstrapNode(host, book, server)
        tasks.run_daemon_task(node.sweep)
        log.info("bootstrap node open", peer=node.peer_id, addresses=node.addresses)
        try:
            yield node
        except Exception as error:  # noqa: BLE001 - raised below as it is, not wrapped in a group
            failure = error
    if failure is not None:
        raise failure
