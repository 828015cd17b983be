"""web3.py against a chain, in a process of its own: it brings asyncio. The result goes to stdout as JSON.

Usage: web3_client.py http|ws URL OWNER_KEY ARTIFACT
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.middleware import SignAndSendRawMiddlewareBuilder

ANSWERS = (-(10**30), 10**30)


def committee(name: str, count: int = 4) -> list[str]:
    return [Account.from_key(Web3.keccak(text=f"{name} {index}")).address for index in range(count)]


def arguments() -> tuple[Any, ...]:
    """Of setConfig."""
    limits = b"\x01" + b"".join(answer.to_bytes(24, "big", signed=True) for answer in ANSWERS)
    return (committee("signer"), committee("transmitter"), 1, limits, 2, b"for the oracles")


def over_http(url: str, owner: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    w3 = Web3(Web3.HTTPProvider(url))
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(owner), layer=0)
    w3.eth.default_account = owner.address
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    deployed = w3.eth.wait_for_transaction_receipt(
        factory.constructor(*ANSWERS, 8, "ETH / USD", 0, 3600).transact(), poll_latency=0.05
    )
    contract = w3.eth.contract(deployed["contractAddress"], abi=artifact["abi"])
    new = contract.events.ConfigSet.create_filter(from_block="latest")
    blocks = w3.eth.filter("latest")
    receipt = w3.eth.wait_for_transaction_receipt(
        contract.functions.setConfig(*arguments()).transact(), poll_latency=0.05
    )
    (event,) = contract.events.ConfigSet().process_receipt(receipt)
    (found,) = contract.events.ConfigSet().get_logs(from_block=0)
    (told,) = new.get_new_entries()
    assert event == found == told
    # Another contract's error, read by web3.py.
    try:
        contract.functions.setConfig(committee("signer", 3), committee("transmitter"), 1, b"", 2, b"").call()
        refused = ""
    except Exception as error:  # noqa: BLE001
        refused = type(error).__name__
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert block["transactions"][0]["hash"] == receipt["transactionHash"]
    assert w3.eth.get_transaction(receipt["transactionHash"])["blockHash"] == block["hash"]
    history = w3.eth.fee_history(4, "latest", [50])
    return {
        "client": w3.client_version,
        "chain_id": w3.eth.chain_id,
        "description": contract.functions.description().call(),
        "transmitters": contract.functions.getTransmitters().call(),
        "digest": HexBytes(event["args"]["configDigest"]).to_0x_hex(),
        "details": contract.functions.latestConfigDetails().call()[1],
        "refused": refused,
        "blocks": len(blocks.get_new_entries()),
        "fees": len(history["baseFeePerGas"]),
        "accounts": w3.eth.accounts,
        "peers": w3.net.peer_count,
    }


async def over_websocket(url: str, owner: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    async with AsyncWeb3(WebSocketProvider(url.replace("http", "ws", 1))) as w3:
        w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(owner), layer=0)
        w3.eth.default_account = owner.address
        heads = await w3.eth.subscribe("newHeads")
        pending = await w3.eth.subscribe("newPendingTransactions")
        factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        sent = await factory.constructor(*ANSWERS, 8, "ETH / USD", 0, 0).transact()
        deployed = await w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.05)
        contract = w3.eth.contract(deployed["contractAddress"], abi=artifact["abi"])
        logs = await w3.eth.subscribe("logs", {"address": contract.address})
        configured = await contract.functions.setConfig(*arguments()).transact()
        receipt = await w3.eth.wait_for_transaction_receipt(configured, poll_latency=0.05)
        told: dict[str, list[Any]] = {heads: [], pending: [], logs: []}
        async for message in w3.socket.process_subscriptions():
            told[message["subscription"]].append(message["result"])
            numbers = [head["number"] for head in told[heads]]
            if told[logs] and receipt["blockNumber"] in numbers:
                break
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert told[pending] == [sent, configured]
        event = contract.events.ConfigSet().process_log(told[logs][0])
        # Out of the chain again: the log is taken back.
        await w3.provider.make_request("evm_setIntervalMining", [0])
        depth = await w3.eth.block_number - receipt["blockNumber"] + 1
        await w3.provider.make_request("anvil_reorg", [depth, [], False])
        async for message in w3.socket.process_subscriptions():
            if message["subscription"] == logs:
                break
        return {
            "digest": HexBytes(event["args"]["configDigest"]).to_0x_hex(),
            "details": (await contract.functions.latestConfigDetails().call())[1],
            "removed": message["result"]["removed"],
            "unsubscribed": await w3.eth.unsubscribe(heads),
        }


def run_over_websocket(url: str, owner: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(over_websocket(url, owner, artifact))


def main() -> None:
    kind, url, key, artifact = sys.argv[1:]
    owner = Account.from_key(key)
    contract = json.loads(Path(artifact).read_bytes())
    over = over_http if kind == "http" else run_over_websocket
    sys.stdout.write(json.dumps(over(url, owner, contract)))


if __name__ == "__main__":
    main()
