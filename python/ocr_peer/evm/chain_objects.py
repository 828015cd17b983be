"""Logs, blocks and receipts out of JSON-RPC answers, with the fields that this node uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ocr_peer.evm.quantity import count_from_hex, data_from_hex, quantity_from_hex
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer

__all__ = ["Block", "Log", "Receipt", "block_from_json", "logs_from_json", "receipt_from_json", "result_of"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Log:
    """One event, as a block holds it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header."""

    number: int
    hash: bytes
    timestamp: int
    """Unix seconds."""
    base_fee_per_gas: int | None
    """Wei; `None` on a chain without EIP-1559."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction."""

    transaction_hash: bytes
    succeeded: bool
    """False: it reverted, and its gas was paid nevertheless."""
    block_number: int
    block_hash: bytes
    gas_used: int
    effective_gas_price: int
    """Wei per gas, base fee and tip together; 0 where the node does not tell."""
    contract_address: bytes | None
    """The contract that the transaction created."""
    l1_fee: int = 0
    """Wei that a rollup of the OP stack took on top, for the data on its parent chain (`l1Fee`)."""


def logs_from_json(value: object) -> list[Log]:
    """The answer of `eth_getLogs`; pending and removed logs are left out. Raises `UnexpectedAnswer`."""
    if not isinstance(value, list):
        raise UnexpectedAnswer("a list of logs", value)
    return [
        _parsed(item, "a log", _log)
        for item in value
        if not (isinstance(item, dict) and (item.get("removed") is True or item.get("blockNumber") is None))
    ]


def block_from_json(value: object) -> Block:
    """The answer of `eth_getBlockByNumber` or `…ByHash`. Raises `UnexpectedAnswer`, also for an unknown block."""
    return _parsed(value, "a block", _block)


def receipt_from_json(value: object) -> Receipt | None:
    """The answer of `eth_getTransactionReceipt`; `None` while not mined. Raises `UnexpectedAnswer`."""
    return None if value is None else _parsed(value, "a receipt", _receipt)


def result_of(outcome: object | RpcError) -> object:
    """The result of one call of a batch; raises its `RpcError`."""
    if isinstance(outcome, RpcError):
        raise outcome
    return outcome


def _parsed(value: object, what: str, parse: Callable[[dict[str, Any]], _T]) -> _T:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(what, value)
    try:
        return parse(value)
    except KeyError as error:
        raise UnexpectedAnswer(f"{what} with {error.args[0]}", value) from None


def _log(item: dict[str, Any]) -> Log:
    topics = item["topics"]
    if not isinstance(topics, list):
        raise UnexpectedAnswer("the topics of a log", topics)
    return Log(
        address=data_from_hex(item["address"], "a log's address", length=20),
        topics=tuple(data_from_hex(topic, "a log's topic", length=32) for topic in topics),
        data=data_from_hex(item["data"], "a log's data"),
        block_number=quantity_from_hex(item["blockNumber"], "a log's blockNumber"),
        block_hash=data_from_hex(item["blockHash"], "a log's blockHash", length=32),
        transaction_hash=data_from_hex(item["transactionHash"], "a log's transactionHash", length=32),
        log_index=quantity_from_hex(item["logIndex"], "a log's logIndex"),
    )


def _block(item: dict[str, Any]) -> Block:
    base_fee = item.get("baseFeePerGas")
    return Block(
        number=count_from_hex(item["number"], "a block's number"),
        hash=data_from_hex(item["hash"], "a block's hash", length=32),
        timestamp=quantity_from_hex(item["timestamp"], "a block's timestamp"),
        base_fee_per_gas=None if base_fee is None else quantity_from_hex(base_fee, "a block's baseFeePerGas"),
    )


def _receipt(item: dict[str, Any]) -> Receipt:
    created = item.get("contractAddress")
    return Receipt(
        transaction_hash=data_from_hex(item["transactionHash"], "a receipt's transactionHash", length=32),
        succeeded=quantity_from_hex(item["status"], "a receipt's status") == 1,
        block_number=count_from_hex(item["blockNumber"], "a receipt's blockNumber"),
        block_hash=data_from_hex(item["blockHash"], "a receipt's blockHash", length=32),
        gas_used=quantity_from_hex(item["gasUsed"], "a receipt's gasUsed"),
        effective_gas_price=quantity_from_hex(
            item.get("effectiveGasPrice", "0x0"), "a receipt's effectiveGasPrice"
        ),
        contract_address=None
        if created is None
        else data_from_hex(created, "a receipt's contractAddress", length=20),
        l1_fee=0 if (l1_fee := item.get("l1Fee")) is None else quantity_from_hex(l1_fee, "a receipt's l1Fee"),
    )
