"""A bootstrap node: tells the members of its jobs' committees where the others listen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog
import trio

from ocr_peer.errors import InputError
from ocr_peer.evm.config_tracker import ConfigTracker
from ocr_peer.job import Job
from ocr_peer.keystore import read_password, unlock_keyring
from ocr_peer.libp2p_network import open_bootstrap_node
from ocr_peer.node.chains import check_job, pool_of
from ocr_peer.node.jobs import chain_of, contract_address, load_jobs
from ocr_peer.protocol.config import SECOND
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.settings import Settings
from ocr_peer.wire.offchain_config import decode_offchain_config

__all__ = ["run_bootstrap"]

_log = structlog.get_logger(__name__)


async def run_bootstrap(settings: Settings, on_ready: Callable[[tuple[str, ...]], None]) -> None:
    """Serve until cancelled.

    Args:
        settings: a loaded `node.toml`. Its bootstrap jobs name the contracts whose committees may use this
            node; without any job, everyone may.
        on_ready: told the addresses to hand to members, once they answer.

    Raises:
        InputError: a job, a key or an endpoint is wrong.
    """
    jobs = load_jobs(settings.jobs, "bootstrap")
    password = read_password(settings.keystore.password_file)
    keyring = await unlock_keyring(settings.keystore.directory, password)
    members: dict[str, frozenset[str]] = {}

    def allowed() -> frozenset[str]:
        return frozenset[str]().union(*members.values())

    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(
            open_bootstrap_node(
                peer_seed=keyring.peer_seed,
                listen=settings.p2p.v2.listen_addresses,
                announce=settings.p2p.v2.announce_addresses,
                allowed=allowed if jobs else None,
            )
        )
        nursery = await stack.enter_async_context(trio.open_nursery())
        for job in jobs:
            nursery.start_soon(_follow, settings, job, members)
        on_ready(node.addresses)
        await trio.sleep_forever()


async def _follow(settings: Settings, job: Job, members: dict[str, frozenset[str]]) -> None:
    pool = pool_of(chain_of(job, settings))
    try:
        await check_job(pool, job, None)
        tracker = ConfigTracker(
            pool,
            chain_id=job.chain_id,
            contract=contract_address(job),
            confirmations=job.contract_config_confirmations,
            poll_interval_s=job.contract_config_tracker_poll_interval_ns / SECOND,
        )
        send, receive = trio.open_memory_channel[ContractConfig](1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.run)
            nursery.start_soon(tracker.run, send)
            async for published in receive:
                try:
                    members[job.name] = frozenset(decode_offchain_config(published.offchain_config).peer_ids)
                except InputError as error:
                    _log.error("configuration refused", job=job.name, reason=str(error))
    finally:
        with trio.CancelScope(shield=True):
            await pool.aclose()
