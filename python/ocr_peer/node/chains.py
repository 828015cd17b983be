"""The chains of a node: for each a pool of the endpoints that its settings name, checked before use."""

from __future__ import annotations

import structlog

from ocr_peer.errors import InputError
from ocr_peer.evm.connection import check_contract, check_endpoints
from ocr_peer.evm.contract_type import check_report_format
from ocr_peer.evm.endpoint import EndpointState
from ocr_peer.evm.endpoint_settings import EndpointAddress, PoolSettings
from ocr_peer.evm.pool import EndpointPool, endpoint_pool
from ocr_peer.job import Job
from ocr_peer.node.jobs import contract_address, contract_key
from ocr_peer.protocol.config import SECOND
from ocr_peer.settings import ChainSettings
from ocr_peer.store import SqliteStore

__all__ = ["check_job", "pool_of"]

_log = structlog.get_logger(__name__)


def pool_of(chain: ChainSettings) -> EndpointPool:
    """The chain's endpoints; the caller runs and closes the pool."""
    return endpoint_pool(
        [
            EndpointAddress(node.name, node.http_url, node.ws_url, node.send_only, node.order)
            for node in chain.nodes
        ],
        chain_id=chain.chain_id,
        settings=PoolSettings(
            poll_interval_s=chain.node_pool.poll_interval / SECOND,
            poll_failure_threshold=chain.node_pool.poll_failure_threshold,
            sync_threshold=chain.node_pool.sync_threshold,
            no_new_heads_threshold_s=chain.no_new_heads_threshold / SECOND,
            quorum=chain.node_pool.quorum,
        ),
    )


async def check_job(pool: EndpointPool, job: Job, store: SqliteStore | None) -> None:
    """Make sure that the endpoints serve the job's chain and contract.

    Endpoints that are down are no reason to stay down after a first success: with a configuration in the
    store the node starts from that.

    Raises:
        InputError: names what is wrong.
        OperatingError: no endpoint answers any more.
    """
    try:
        # Once for all jobs of a chain: one that hangs would hold up each of them.
        if not any(endpoint.state is EndpointState.ALIVE for endpoint in pool.readers):
            await check_endpoints(pool, job.chain_id)
        await check_contract(pool, job.chain_id, contract_address(job))
        if job.type == "offchainreporting2":
            await check_report_format(pool, contract_address(job), job.report_format)
    except InputError as error:
        if error.field != "HTTPURL" or store is None or await store.load_config(contract_key(job)) is None:
            raise
        _log.warning("chain not reachable, starting from the stored configuration", reason=str(error))
