"""Checks, before anything starts, that endpoints serve the chain and the contract that the operator means."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import structlog

from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import LATEST_CONFIG_DETAILS, decode_latest_config_details
from ocr_peer.evm.contract_type import check_report_format
from ocr_peer.evm.endpoint import WrongChain
from ocr_peer.evm.pool import EndpointPool
from ocr_peer.evm.quantity import data_from_hex, quantity_from_hex, to_hex
from ocr_peer.evm.redaction import redacted
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer
from ocr_peer.protocol.config import ReportFormat

__all__ = ["check_contract", "check_endpoints", "connect"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def connect(
    rpc_url: str,
    chain_id: int,
    contract: bytes,
    *,
    report_format: ReportFormat | None = None,
    timeout_s: float = 10.0,
    client: httpx.AsyncClient | None = None,
) -> RpcClient:
    """A client for the endpoint, after a few questions to it; the caller closes it.

    Args:
        rpc_url: `HTTPURL` of the settings.
        chain_id: `relayConfig.chainID` of the job.
        contract: 20 bytes, `contractID` of the job.
        report_format: `pluginConfig.reportFormat` of the job; `None` asks for nothing.
        timeout_s: per attempt.
        client: the HTTP client to use instead of an own one.

    Raises:
        InputError: names the setting that is wrong: the endpoint does not answer, serves another chain, or
            has no OCR2 aggregator at that address, or one that takes reports of another format.
    """
    if urlsplit(rpc_url).scheme not in {"http", "https"}:
        raise InputError("HTTPURL", redacted(rpc_url), "not an HTTP address", "write http://… or https://…")
    rpc = RpcClient(rpc_url, timeout_s=timeout_s, client=client)
    try:
        await _check_chain(rpc, chain_id)
        await check_contract(rpc, chain_id, contract)
        if report_format is not None:
            await check_report_format(rpc, contract, report_format)
    except BaseException:
        await rpc.aclose()
        raise
    return rpc


async def check_endpoints(pool: EndpointPool, chain_id: int) -> None:
    """Ask every endpoint for its chain. One that does not answer is a warning if another does.

    Args:
        pool: the endpoints.
        chain_id: `relayConfig.chainID` of the job.

    Raises:
        InputError: an endpoint serves another chain, or none that can be read answers.
    """
    failures = await pool.probe()
    for endpoint in pool.endpoints:
        failure = failures.get(endpoint.name)
        if isinstance(failure, WrongChain):
            shown = endpoint.rpc.shown_url
            named = shown if len(pool.endpoints) == 1 else f'endpoint "{endpoint.name}" ({shown})'
            raise InputError(
                "relayConfig.chainID",
                chain_id,
                f"{named} serves chain {failure.served}",
                f"write {failure.served}, or set its HTTPURL to an endpoint of chain {chain_id}",
            )
    if all(endpoint.name in failures for endpoint in pool.readers):
        first = pool.readers[0]
        raise _no_answer(first.rpc.shown_url, failures[first.name], others=len(pool.readers) - 1)
    for endpoint in pool.endpoints:
        if endpoint.name in failures:
            _log.warning(
                "endpoint does not answer", endpoint=endpoint.name, reason=str(failures[endpoint.name])
            )


async def check_contract(rpc: ChainAccess, chain_id: int, contract: bytes) -> None:
    """Make sure of an OCR2 aggregator at that address.

    Raises:
        InputError: there is none.
        OperatingError: the chain does not answer.
    """
    address = checksum_address(contract)
    code = data_from_hex(await rpc.call("eth_getCode", (to_hex(contract), "latest")), "eth_getCode")
    if not code:
        raise InputError(
            "contractID",
            address,
            f"no contract there on chain {chain_id}",
            "check the address, or deploy it first",
        )
    call = {"to": to_hex(contract), "data": to_hex(LATEST_CONFIG_DETAILS.encode_call())}
    try:
        answer = await rpc.call("eth_call", (call, "latest"))
        decode_latest_config_details(data_from_hex(answer, "latestConfigDetails"))
    except (RpcError, UnexpectedAnswer):
        raise InputError(
            "contractID",
            address,
            "the contract there is no OCR2 aggregator: it does not answer latestConfigDetails()",
            "give the address of the aggregator itself, not of its proxy",
        ) from None


async def _check_chain(rpc: RpcClient, chain_id: int) -> None:
    try:
        served = quantity_from_hex(await rpc.call("eth_chainId"), "eth_chainId")
    except OperatingError as failure:
        raise _no_answer(rpc.shown_url, failure) from None
    if served != chain_id:
        raise InputError(
            "relayConfig.chainID",
            chain_id,
            f"{rpc.shown_url} serves chain {served}",
            f"write {served}, or set HTTPURL to an endpoint of chain {chain_id}",
        )


def _no_answer(shown_url: str, failure: OperatingError, *, others: int = 0) -> InputError:
    too = f"; the other {others} do not answer either" if others else ""
    if isinstance(failure, RpcUnavailable):
        return InputError(
            "HTTPURL", shown_url, failure.reason + too, "check the address, and that the endpoint runs"
        )
    return InputError(
        "HTTPURL",
        shown_url,
        f"no Ethereum endpoint: {failure}{too}",
        "give the address of a JSON-RPC endpoint",
    )
