"""A chain behind JSON-RPC, and a contract on it, called by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from eth_abi import decode, encode
from eth_account import Account
from eth_utils import keccak, to_checksum_address

from .signing import address_of

ARTIFACTS = Path(__file__).parents[2] / "python" / "ocr_peer" / "evm" / "artifacts"

GAS_LIMIT = 8_000_000
MAX_FEE = 100 * 10**9


# What time the node believes it is. Blocks need ascending times, so each is a second after the one before.
NOW = 1_800_000_000


class Transport(Protocol):
    def rpc(self, request: bytes, timestamp: int | None = None) -> bytes: ...


class RpcError(Exception):
    """The node answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.reverted = error["code"] == 3
        self.data: str | None = error.get("data")


class Reverted(Exception):
    """A call came back with revert data."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex() or "no data")
        self.data = data


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def unhexed(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@dataclass(frozen=True)
class Log:
    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    success: bool
    gas_used: int
    block_number: int
    contract: str | None
    logs: tuple[Log, ...]


class Chain:
    """A node that mines every transaction at once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._ids = count(1)
        self.chain_id = int(self.rpc("eth_chainId"), 16)

    def rpc(self, method: str, *params: Any) -> Any:
        return self._rpc_at(NOW, method, *params)

    def mine(self, timestamp: int) -> None:
        """Mines a block of that time, from which the next ones go on."""
        self._rpc_at(timestamp, "evm_mine")

    @property
    def next_timestamp(self) -> int:
        """The time of the next block. A call is made at that of the newest, a second before."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 1

    def _rpc_at(self, timestamp: int, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = json.loads(self._transport.rpc(json.dumps(body).encode(), timestamp))
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        call = {"to": to, "data": hexed(data), "gas": hex(GAS_LIMIT)}
        if sender is not None:
            call["from"] = sender
        try:
            return unhexed(self.rpc("eth_call", call, "latest"))
        except RpcError as error:
            if error.reverted:
                raise Reverted(unhexed(error.data or "0x")) from error
            raise

    def send(self, key: bytes, to: str | None, data: bytes) -> Receipt:
        """Sends a transaction to a chain that mines at once."""
        receipt = self.receipt(self.submit(key, to, data))
        assert receipt is not None, "not mined"
        return receipt

    def submit(
        self, key: bytes, to: str | None, data: bytes, *, gas: int = GAS_LIMIT, tip: int = 10**9
    ) -> str:
        """Hands a transaction over; its hash."""
        transaction = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": int(self.rpc("eth_getTransactionCount", address_of(key), "pending"), 16),
            "gas": gas,
            "maxFeePerGas": MAX_FEE,
            "maxPriorityFeePerGas": tip,
            "value": 0,
            "data": hexed(data),
        }
        if to is not None:
            transaction["to"] = to_checksum_address(to)
        raw = Account.sign_transaction(transaction, key).raw_transaction
        return self.rpc("eth_sendRawTransaction", hexed(raw))

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """What became of a transaction; None while it waits."""
        receipt = self.rpc("eth_getTransactionReceipt", transaction_hash)
        if receipt is None:
            return None
        return Receipt(
            success=int(receipt["status"], 16) == 1,
            gas_used=int(receipt["gasUsed"], 16),
            block_number=int(receipt["blockNumber"], 16),
            contract=receipt["contractAddress"] and receipt["contractAddress"].lower(),
            logs=tuple(
                Log(log["address"].lower(), tuple(map(unhexed, log["topics"])), unhexed(log["data"]))
                for log in receipt["logs"]
            ),
        )

    def timestamp(self, block_number: int) -> int:
        return int(self.rpc("eth_getBlockByNumber", hex(block_number), False)["timestamp"], 16)

    def storage(self, address: str, slot: int) -> int:
        return int(self.rpc("eth_getStorageAt", address, hex(slot), "latest"), 16)


def artifact(name: str) -> dict[str, Any]:
    return json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))


def type_of(parameter: dict[str, Any]) -> str:
    return parameter["type"]


def signature_of(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(map(type_of, entry['inputs']))})"


@dataclass(frozen=True)
class Event:
    name: str
    args: dict[str, Any]


class Contract:
    """Calls, events and errors of a deployed contract, by its ABI."""

    def __init__(self, chain: Chain, address: str, abi: list[dict[str, Any]]) -> None:
        self.chain = chain
        self.address = address
        self.functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self.event_entries = {
            keccak(text=signature_of(entry)): entry for entry in abi if entry["type"] == "event"
        }
        self.errors = {self.selector(signature_of(entry)): entry for entry in abi if entry["type"] == "error"}

    @classmethod
    def deploy(cls, chain: Chain, key: bytes, built: str | dict[str, Any], *args: Any) -> Contract:
        """Deploys a contract of this project, by its name, or another one, by abi and bytecode."""
        built = artifact(built) if isinstance(built, str) else built
        constructor = next(
            (entry for entry in built["abi"] if entry["type"] == "constructor"), {"inputs": []}
        )
        types = [type_of(parameter) for parameter in constructor["inputs"]]
        receipt = chain.send(key, None, unhexed(built["bytecode"]) + encode(types, args))
        assert receipt.success, "deployment failed"
        assert receipt.contract is not None
        return cls(chain, receipt.contract, built["abi"])

    @staticmethod
    def selector(signature: str) -> bytes:
        """The four bytes that stand for a function or an error."""
        return keccak(text=signature)[:4]

    def calldata(self, name: str, *args: Any) -> bytes:
        entry = self.functions[name]
        return self.selector(signature_of(entry)) + encode(list(map(type_of, entry["inputs"])), args)

    def read(self, name: str, *args: Any, sender: str | None = None) -> Any:
        """The result of a call; a tuple if the function returns several values."""
        data = self.chain.call(self.address, self.calldata(name, *args), sender)
        values = decode(list(map(type_of, self.functions[name]["outputs"])), data)
        return values[0] if len(values) == 1 else values

    def send(self, key: bytes, name: str, *args: Any) -> Receipt:
        return self.send_raw(key, self.calldata(name, *args))

    def send_raw(self, key: bytes, data: bytes) -> Receipt:
        """Sends a transaction that must succeed."""
        receipt = self.chain.send(key, self.address, data)
        assert receipt.success, "the transaction was reverted"
        return receipt

    def events(self, receipt: Receipt) -> list[Event]:
        return [self._event(log) for log in receipt.logs]

    def _event(self, log: Log) -> Event:
        assert log.address == self.address
        entry = self.event_entries[log.topics[0]]
        inputs = entry["inputs"]
        indexed = [parameter for parameter in inputs if parameter["indexed"]]
        values = {
            parameter["name"]: decode([type_of(parameter)], topic)[0]
            for parameter, topic in zip(indexed, log.topics[1:], strict=True)
        }
        plain = [parameter for parameter in inputs if not parameter["indexed"]]
        for parameter, value in zip(plain, decode(list(map(type_of, plain)), log.data), strict=True):
            values[parameter["name"]] = value
        return Event(entry["name"], values)

    def error(self, data: bytes) -> tuple[str, tuple[Any, ...]]:
        """Name and arguments of a typed error; ("", ()) for a revert without data."""
        if not data:
            return "", ()
        entry = self.errors.get(data[:4])
        if entry is None:
            return data.hex(), ()
        return entry["name"], decode(list(map(type_of, entry["inputs"])), data[4:])

    def reverts(self, key: bytes, data: bytes) -> tuple[str, tuple[Any, ...]]:
        """Asserts that a transaction is reverted; returns the error a call with the same data gives."""
        try:
            self.chain.call(self.address, data, address_of(key))
        except Reverted as reverted:
            error = self.error(reverted.data)
        else:
            raise AssertionError("the call was not reverted")
        receipt = self.chain.send(key, self.address, data)
        assert not receipt.success, "the call was reverted, the transaction was not"
        assert receipt.logs == ()
        return error
