"""Checks, before anything starts, that an endpoint serves the chain and the contract that the operator means."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import LATEST_CONFIG_DETAILS, decode_latest_config_details
from ocr_peer.evm.contract_type import check_report_format
from ocr_peer.evm.quantity import data_from_hex, quantity_from_hex, to_hex
from ocr_peer.evm.rpc import RpcClient, redacted
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, UnexpectedAnswer
from ocr_peer.protocol.config import ReportFormat

__all__ = ["connect"]


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
        await _check_contract(rpc, chain_id, contract)
        if report_format is not None:
            await check_report_format(rpc, contract, report_format)
    except BaseException:
        await rpc.aclose()
        raise
    return rpc


async def _check_chain(rpc: RpcClient, chain_id: int) -> None:
    try:
        served = quantity_from_hex(await rpc.call("eth_chainId"), "eth_chainId")
    except RpcUnavailable as unavailable:
        raise InputError(
            "HTTPURL", rpc.shown_url, unavailable.reason, "check the address, and that the endpoint runs"
        ) from None
    except (RpcError, UnexpectedAnswer) as error:
        raise InputError(
            "HTTPURL",
            rpc.shown_url,
            f"no Ethereum endpoint: {error}",
            "give the address of a JSON-RPC endpoint",
        ) from None
    if served != chain_id:
        raise InputError(
            "relayConfig.chainID",
            chain_id,
            f"{rpc.shown_url} serves chain {served}",
            f"write {served}, or set HTTPURL to an endpoint of chain {chain_id}",
        )


async def _check_contract(rpc: RpcClient, chain_id: int, contract: bytes) -> None:
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
