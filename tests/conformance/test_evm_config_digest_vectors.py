"""The digest that the tracker recomputes: `ocr2_evm_config_digest`, `ocr2_set_config`, `ocr2_onchain_e2e`.

The event is built from each case, so its decoding is under test as well.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ocr_peer.evm.abi import encode_values
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import CONFIG_SET
from ocr_peer.evm.config_tracker import ConfigTracker, TrackerState
from ocr_peer.evm.quantity import quantity, to_hex
from ocr_peer.evm.rpc import RpcClient
from tests.conformance.vectors import cases, unhex


def digest_cases() -> list[Any]:
    found = []
    for name in ("ocr2_evm_config_digest", "ocr2_set_config", "ocr2_onchain_e2e"):
        for index, case in enumerate(cases(name)):
            signers = case.get("signers") or [o["onchain_address"] for o in case.get("oracles", [])]
            transmitters = case.get("transmitters")
            if transmitters is None:
                transmitters = [oracle["transmitter_address"] for oracle in case["oracles"]]
            found.append(pytest.param(case, signers, transmitters, id=f"{name}-{index}"))
    return found


async def tracked(case: dict[str, Any], signers: list[str], transmitters: list[str], digest: bytes) -> Any:
    count, version = int(case["config_count"]), int(case["offchain_config_version"])
    contract = unhex(case["contract_address"])
    event = encode_values(
        CONFIG_SET.inputs,
        (
            0,
            digest,
            count,
            [unhex(signer) for signer in signers],
            [unhex(transmitter) for transmitter in transmitters],
            case["f"],
            unhex(case["onchain_config"]),
            version,
            unhex(case["offchain_config"]),
        ),
    )
    log = {
        "address": to_hex(contract),
        "topics": [to_hex(CONFIG_SET.topic)],
        "data": to_hex(event),
        "blockNumber": "0x7",
        "blockHash": "0x" + "11" * 32,
        "transactionHash": "0x" + "22" * 32,
        "logIndex": "0x0",
        "removed": False,
    }
    results = {
        "eth_blockNumber": quantity(9),
        "eth_call": to_hex(encode_values(("uint32", "uint32", "bytes32"), (count % 2**32, 7, digest))),
        "eth_getLogs": [log],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        body = httpx.Response(200, content=request.content).json()
        answers = [
            {"jsonrpc": "2.0", "id": item["id"], "result": results[item["method"]]}
            for item in (body if isinstance(body, list) else [body])
        ]
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        rpc = RpcClient("http://chain.test", client=client)
        tracker = ConfigTracker(rpc, chain_id=int(case["chain_id"]), contract=contract)
        return await tracker.poll(), tracker.status


@pytest.mark.parametrize(("case", "signers", "transmitters"), digest_cases())
async def test_an_event_with_the_right_digest_is_believed(
    case: dict[str, Any], signers: list[str], transmitters: list[str]
) -> None:
    digest = unhex(case["config_digest"])
    config, status = await tracked(case, signers, transmitters, digest)
    assert status.state == TrackerState.CURRENT
    assert config.config_digest == digest
    assert [checksum_address(signer) for signer in config.signers] == signers


@pytest.mark.parametrize(("case", "signers", "transmitters"), digest_cases()[::6])
async def test_an_event_with_another_digest_is_refused(
    case: dict[str, Any], signers: list[str], transmitters: list[str]
) -> None:
    digest = bytearray(unhex(case["config_digest"]))
    digest[31] ^= 1
    config, status = await tracked(case, signers, transmitters, bytes(digest))
    assert config is None
    assert status.state == TrackerState.REFUSED
    assert f"its contents have {case['config_digest']}" in status.detail
