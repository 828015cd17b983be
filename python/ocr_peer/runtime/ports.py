"""What a running instance needs of the world, as interfaces that adapters implement.

`Network`: `ocr_peer.libp2p_network`; `Store`: `ocr_peer.store`; `Chain`, `ConfigSource`: `ocr_peer.evm`;
`DataSource`: `ocr_peer.node` over `ocr_peer.pipeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from ocr_peer.errors import OperatingError
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.effects import Record, Transmit
from ocr_peer.protocol.events import ChainView, StoredState
from ocr_peer.protocol.reconfiguration import ContractConfig

__all__ = [
    "Chain",
    "DataSource",
    "Endpoint",
    "Network",
    "NetworkCommittee",
    "PeerStatus",
    "ReportRefused",
    "Store",
]


@dataclass(frozen=True, slots=True)
class NetworkCommittee:
    """Who talks to whom under one config digest."""

    config_digest: ConfigDigest
    own_id: OracleId
    peer_ids: tuple[str, ...]
    """By oracle id, the own one included."""
    max_message_bytes: int
    relay_check: Callable[[OracleId, bytes], bool] = field(repr=False)
    """Whether a broadcast by that author is worth relaying; pure, quick, never raises."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One other oracle, seen from the network."""

    oracle: OracleId
    peer_id: str
    connected: bool
    address: str | None
    """Multiaddress last dialled or seen."""


class Endpoint(Protocol):
    """The network of one committee."""

    async def send(self, to: OracleId, payload: bytes) -> None:
        """Hand `payload` to the link to one oracle. Never waits for the peer: a full queue drops its oldest."""
        ...

    async def broadcast(self, payload: bytes) -> None:
        """Hand `payload` to every other oracle; never waits for peers."""
        ...

    async def receive(self) -> tuple[OracleId, bytes]:
        """The next payload with its authenticated author; never the own ones."""
        ...

    def peers(self) -> Sequence[PeerStatus]:
        """Every other oracle, by oracle id."""
        ...


class Network(Protocol):
    """One node's transport; many committees share it."""

    relays_broadcasts: bool
    """Whether peers relay broadcasts among themselves, so that `FinalEcho` need not be sent."""

    def join(self, committee: NetworkCommittee) -> AbstractAsyncContextManager[Endpoint]:
        """Take part in a committee for the duration of the context."""
        ...


class Store(Protocol):
    """Durable state. A call returns when the data is safe against power loss, or raises `OperatingError`."""

    async def write(self, config_digest: ConfigDigest, records: Sequence[Record]) -> None:
        """Write all records in one transaction."""
        ...

    async def load_state(self, config_digest: ConfigDigest) -> StoredState:
        """What earlier runs wrote under this digest."""
        ...

    async def save_config(self, contract: str, config: ContractConfig) -> None:
        """Remember the latest configuration of a contract (key: chain id and address)."""
        ...

    async def load_config(self, contract: str) -> ContractConfig | None:
        """The configuration remembered last."""
        ...


class ReportRefused(OperatingError):  # noqa: N818 - named for what happened
    """The contract will never take this report from this oracle; sending it later is of no use."""


class Chain(Protocol):
    """The aggregator contract of one feed."""

    async def view(self) -> ChainView:
        """Read the aggregator's state; raises `OperatingError`."""
        ...

    async def transmit(self, transmit: Transmit) -> None:
        """Bring a report on chain; returns when the transaction is handed over.

        Raises:
            ReportRefused: it can never be brought there.
            OperatingError: it could not be done now.
        """
        ...


class DataSource(Protocol):
    """Where a feed's observations come from."""

    async def observe(self) -> bytes:
        """One encoded observation; raises `OperatingError`. The caller sets the deadline."""
        ...
