"""One oracle node: a nursery that holds its network, its chains and one task per feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import httpx
import structlog
import trio

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.config_tracker import ConfigTracker
from ocr_peer.evm.pool import EndpointPool
from ocr_peer.evm.transmitter import Transmitter
from ocr_peer.job import Job
from ocr_peer.keystore import Keyring, PublicIdentity, public_identity, read_password, unlock_keyring
from ocr_peer.libp2p_network import Libp2pNetwork, open_libp2p_network
from ocr_peer.node.chains import check_job, pool_of
from ocr_peer.node.heartbeat import FreshnessWatch
from ocr_peer.node.jobs import chain_of, check_keys, contract_address, contract_key, load_jobs
from ocr_peer.node.logs import milestone_listener
from ocr_peer.node.membership import membership_reader
from ocr_peer.node.observation import PipelineSource
from ocr_peer.node.peer_records import PeerRecordKeeper
from ocr_peer.node.sending import open_transmitter, sending_identity
from ocr_peer.node.stages import StageBook
from ocr_peer.node.watching import tell_transmissions
from ocr_peer.pipeline import new_http_client
from ocr_peer.protocol.config import SECOND
from ocr_peer.protocol.reconfiguration import ContractConfig, Membership
from ocr_peer.runtime.driver import MilestoneListener
from ocr_peer.runtime.instance import Feed, OwnKeys, run_feed
from ocr_peer.settings import Settings
from ocr_peer.store import SqliteStore, open_store

__all__ = ["run_node"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Chain:
    """One chain as the node's feeds share it."""

    rpc: EndpointPool
    transmitter: Transmitter


@dataclass(frozen=True, slots=True)
class _Parts:
    """What all feeds of a node share."""

    keyring: Keyring
    identity: PublicIdentity
    store: SqliteStore
    network: Libp2pNetwork
    http: httpx.AsyncClient


@dataclass(frozen=True, slots=True)
class _Watches:
    """What is followed of a feed's contract beside its answers."""

    configs: ConfigTracker
    freshness: FreshnessWatch
    stages: StageBook


async def run_node(settings: Settings, bootstrap: Sequence[str]) -> None:
    """Run every job of the settings until cancelled.

    Args:
        settings: a loaded `node.toml`.
        bootstrap: multiaddresses that override those of jobs and settings; may be empty.

    Raises:
        InputError: a job, a key, an endpoint, a contract or a configuration is wrong.
        OperatingError: the surroundings failed.
    """
    jobs = load_jobs(settings.jobs, "offchainreporting2")
    if not jobs:
        raise InputError("jobs", "[]", "nothing to do", 'list job files, such as jobs = ["feed.toml"]')
    password = read_password(settings.keystore.password_file)
    keyring = await unlock_keyring(settings.keystore.directory, password)
    identity = public_identity(keyring)
    for job, path in zip(jobs, settings.jobs, strict=True):
        check_keys(job, path, sending_identity(identity, chain_of(job, settings)))
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.data_dir))
        http = await stack.enter_async_context(new_http_client())
        chains = await _open_chains(settings, jobs, keyring, store, stack)
        records = PeerRecordKeeper(store)
        network = await stack.enter_async_context(
            open_libp2p_network(
                peer_seed=keyring.peer_seed,
                listen=settings.p2p.v2.listen_addresses,
                announce=settings.p2p.v2.announce_addresses,
                bootstrap=_bootstrappers(settings, jobs, bootstrap),
                sequence_start=(await store.next_sequence_block()).start,
                records=(await store.load_peer_records()).values(),
                on_record=records.keep,
                exchange_interval=settings.p2p.v2.delta_reconcile / SECOND,
            )
        )
        parts = _Parts(keyring, identity, store, network, http)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(records.run)
        for chain in chains.values():
            nursery.start_soon(chain.rpc.run)
            nursery.start_soon(chain.transmitter.run)
        for job in jobs:
            chain = chains[job.chain_id]
            aggregator = AggregatorChain(
                chain.rpc,
                chain.transmitter,
                contract=contract_address(job),
                report_format=job.report_format,
            )
            freshness = FreshnessWatch(chain.rpc, contract_address(job), feed=job.name)
            stages = StageBook()
            configs = _config_tracker(job, chain, await store.load_config(contract_key(job)))
            watches = _Watches(configs, freshness, stages)
            nursery.start_soon(run_feed, _feed(job, chain, aggregator, parts, watches))
            nursery.start_soon(freshness.run)
            nursery.start_soon(tell_transmissions, aggregator.watch(), job.name, stages)
        _log.info("node running", peer_id=identity.peer_id, feeds=[job.name for job in jobs])


async def _open_chains(
    settings: Settings, jobs: Sequence[Job], keyring: Keyring, store: SqliteStore, stack: AsyncExitStack
) -> Mapping[int, _Chain]:
    chains: dict[int, _Chain] = {}
    for job in jobs:
        chain_settings = chain_of(job, settings)
        if job.chain_id in chains:
            await check_job(chains[job.chain_id].rpc, job, store)
            continue
        rpc = pool_of(chain_settings)
        stack.push_async_callback(rpc.aclose)
        await check_job(rpc, job, store)
        transmitter = await open_transmitter(chain_settings, rpc, keyring, store, stack)
        chains[job.chain_id] = _Chain(rpc, transmitter)
    return chains


def _config_tracker(job: Job, chain: _Chain, stored: ContractConfig | None) -> ConfigTracker:
    return ConfigTracker(
        chain.rpc,
        chain_id=job.chain_id,
        contract=contract_address(job),
        confirmations=job.contract_config_confirmations,
        poll_interval_s=job.contract_config_tracker_poll_interval_ns / SECOND,
        newest=stored,
    )


def _feed(job: Job, chain: _Chain, aggregator: AggregatorChain, parts: _Parts, watches: _Watches) -> Feed:
    def started(membership: Membership) -> MilestoneListener:
        watches.stages.learn(membership)
        return milestone_listener(job.name, membership.own_id)

    keys = OwnKeys(
        offchain=crypto.OffchainSigner(parts.keyring.offchain_seed),
        onchain=crypto.OnchainSigner(parts.keyring.onchain_secret),
    )
    return Feed(
        name=job.name,
        contract=contract_key(job),
        keys=keys,
        read_membership=watches.freshness.noting(
            membership_reader(
                parts.keyring,
                replace(parts.identity, transmitter_address=chain.transmitter.address),
                unique_reports=job.unique_reports,
                report_format=job.report_format,
            )
        ),
        configs=watches.configs,
        chain=aggregator,
        source=PipelineSource(job, parts.http),
        network=parts.network,
        store=parts.store,
        on_milestone=started,
    )


def _bootstrappers(settings: Settings, jobs: Sequence[Job], overriding: Sequence[str]) -> list[str]:
    if overriding:
        return list(overriding)
    of_jobs = [address for job in jobs for address in job.p2p_v2_bootstrappers]
    return list(dict.fromkeys(of_jobs or settings.p2p.v2.default_bootstrappers))
