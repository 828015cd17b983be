"""The life of a feed: one oracle instance per configuration, the old one gone before the new one starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog
import trio

from ocr_peer import crypto
from ocr_peer.errors import InvariantError, OperatingError
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.protocol.attestation import CommitteeAttestation, committee_keys
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.protocol.reconfiguration import (
    ConfigRefused,
    ContractConfig,
    InstanceChange,
    Membership,
    Reconfiguration,
    SaveConfig,
    StartInstance,
    StopInstance,
)
from ocr_peer.runtime.clock import Clock
from ocr_peer.runtime.driver import Driver, InstancePorts, MilestoneListener
from ocr_peer.runtime.ports import (
    Chain,
    DataSource,
    Endpoint,
    Network,
    NetworkCommittee,
    Store,
)
from ocr_peer.wire.limits import max_message_bytes, relay_check

__all__ = ["ConfigSource", "Feed", "OwnKeys", "run_feed"]

_log = structlog.get_logger(__name__)

_PEERS_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The signers with which this node acts in an instance."""

    offchain: crypto.OffchainSigner
    onchain: crypto.OnchainSigner


class ConfigSource(Protocol):
    """Where a feed's configurations come from."""

    async def run(self, configs: trio.MemorySendChannel[ContractConfig]) -> None:
        """Send every new configuration in force; failures are waited out, not raised."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """One job, with everything that it needs of the world."""

    name: str
    contract: str
    """Key of the contract in the store: chain id and address."""
    keys: OwnKeys
    read_membership: Callable[[ContractConfig], Membership]
    """Decode and check a configuration; raises `InputError` if it is invalid or leaves this node out."""
    configs: ConfigSource
    chain: Chain
    source: DataSource
    network: Network
    store: Store
    on_milestone: Callable[[Membership], MilestoneListener]


async def run_feed(feed: Feed) -> None:
    """Follow the contract's configuration and run an oracle under each.

    The stored configuration starts before the chain answers. The *first* configuration that this node
    sees must be one that it can serve; later ones that it cannot leave it idle, watching.

    Raises:
        InputError: the first configuration is invalid, or does not list this node's keys.
    """
    send_config, configs = trio.open_memory_channel[ContractConfig](1)
    reconfiguration = Reconfiguration(feed.read_membership, lambda published: published.config_digest)
    stored = await feed.store.load_config(feed.contract)
    async with trio.open_nursery() as nursery:
        instances = _Instances(feed, nursery)
        if stored is not None:
            await instances.change(reconfiguration.on_stored(stored))
        nursery.start_soon(feed.configs.run, send_config)
        async for published in configs:
            await instances.change(reconfiguration.on_published(published))


class _Instances:
    """Carries out what `Reconfiguration` says."""

    def __init__(self, feed: Feed, nursery: trio.Nursery) -> None:
        self._feed = feed
        self._nursery = nursery
        self._running: _Running | None = None

    async def change(self, changes: Sequence[InstanceChange[ContractConfig]]) -> None:
        for change in changes:
            match change:
                case StopInstance():
                    if self._running is not None:
                        await self._running.stop()
                    self._running = None
                case SaveConfig(published):
                    await self._feed.store.save_config(self._feed.contract, published)
                case StartInstance(membership):
                    self._running = _Running.start(self._nursery, self._feed, membership)
                case ConfigRefused(digest, error, first):
                    if first:
                        raise error
                    _log.error(
                        "configuration refused, idle until the next",
                        feed=self._feed.name,
                        config_digest=digest.hex(),
                        reason=str(error),
                    )
                case _:
                    assert_never(change)


@dataclass(slots=True)
class _Running:
    """An instance under way, and how to end it completely."""

    scope: trio.CancelScope
    ended: trio.Event

    @classmethod
    def start(cls, nursery: trio.Nursery, feed: Feed, membership: Membership) -> _Running:
        running = cls(trio.CancelScope(), trio.Event())
        nursery.start_soon(running._run, feed, membership)
        return running

    async def stop(self) -> None:
        """Cancel the instance and wait until nothing of it is left."""
        self.scope.cancel()
        await self.ended.wait()

    async def _run(self, feed: Feed, membership: Membership) -> None:
        try:
            with self.scope:
                await _run_instance(feed, membership)
        finally:
            self.ended.set()


async def _run_instance(feed: Feed, membership: Membership) -> None:
    config, own_id = membership.config, membership.own_id
    log = _log.bind(feed=feed.name, config_digest=config.config_digest.hex())
    committee = committee_keys(config)
    for oracle_id, kind in committee.weak_keys:
        log.warning("weak off-chain key in the committee", oracle=oracle_id, kind=kind)
    attestation = CommitteeAttestation(
        config, committee, offchain=feed.keys.offchain, onchain=feed.keys.onchain
    )
    plugin = MedianPlugin(config, committee)
    oracle = Oracle(config, membership.private, own_id, attestation=attestation, plugin=plugin)
    participation = NetworkCommittee(
        config_digest=config.config_digest,
        own_id=own_id,
        peer_ids=tuple(identity.peer_id for identity in config.oracles),
        max_message_bytes=max_message_bytes(config.n, plugin.limits),
        relay_check=relay_check(config, attestation, plugin.limits),
    )
    log.info("instance started", oracle=own_id, n=config.n, f=config.f)
    async with feed.network.join(participation) as endpoint:
        ports = InstancePorts(
            endpoint=endpoint,
            store=feed.store,
            chain=feed.chain,
            source=feed.source,
            on_milestone=feed.on_milestone(membership),
            echo_finals=not feed.network.relays_broadcasts,
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell_peers, endpoint, log)
                nursery.start_soon(Driver(oracle, plugin.limits, ports, Clock()).run)
        except* (OperatingError, InvariantError) as errors:
            # Mute, not dead: the node's other feeds go on, and restarting is the operator's decision.
            log.critical("oracle stopped, it is mute from now on", reason=_first_reason(errors))


def _first_reason(errors: BaseExceptionGroup[BaseException]) -> str:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first)


async def _tell_peers(endpoint: Endpoint, log: structlog.typing.FilteringBoundLogger) -> None:
    """Log how many of the others are connected, whenever that changes."""
    before = -1
    while True:
        peers = endpoint.peers()
        connected = sum(peer.connected for peer in peers)
        if connected != before:
            missing = [int(peer.oracle) for peer in peers if not peer.connected]
            log.info("peers", connected=connected, of=len(peers), missing=missing)
            before = connected
        await trio.sleep(_PEERS_POLL_S)
