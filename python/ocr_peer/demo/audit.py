"""Checks every answer on chain, with code that shares nothing with the node.

Reads what anyone can read: the transmitting transaction's calldata, the contract's configuration and the
answer it serves. Decodes with eth-abi, recovers signers with coincurve, sorts with `sorted`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from coincurve import PublicKey
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from ocr_peer.demo.calldata import PACKED_TOPIC, TransmittedReport, read_calldata
from ocr_peer.errors import OperatingError
from ocr_peer.protocol.report import RoundTag

__all__ = ["AnswerAudit", "ChainAuditor"]

_CONFIG_SET_TYPES = (
    "uint32",
    "bytes32",
    "uint64",
    "address[]",
    "address[]",
    "uint8",
    "bytes",
    "uint64",
    "bytes",
)


def _selector(signature: str) -> str:
    return "0x" + keccak(text=signature)[:4].hex()


def _topic(signature: str) -> str:
    return "0x" + keccak(text=signature).hex()


_GET_ROUND_DATA = _selector("getRoundData(uint80)")
_ANSWER_UPDATED = _topic("AnswerUpdated(int256,uint256,uint256)")
_CONFIG_SET = _topic("ConfigSet(uint32,bytes32,uint64,address[],address[],uint8,bytes,uint64,bytes)")


@dataclass(frozen=True, slots=True)
class AnswerAudit:
    """One answer on chain and what the report behind it says."""

    round_id: int
    answer: int
    updated_at: int
    """Unix seconds of the block."""
    median: int
    """Of the report's observations, sorted here."""
    epoch: int
    round: int
    observers: tuple[int, ...]
    observations: tuple[int, ...]
    """Ascending, as the report holds them; the i-th is that of the i-th observer."""
    signers: tuple[int, ...]
    """Oracle ids recovered from the signatures."""
    transmitter: int
    """Oracle id of the transaction's sender."""
    gas_used: int
    block_number: int
    problems: tuple[str, ...]
    """Everything that does not hold; empty for a sound answer."""

    @property
    def tag(self) -> RoundTag:
        """(epoch, round) as an ordered pair."""
        return RoundTag(self.epoch, self.round)


class ChainAuditor:
    """Reads one aggregator over JSON-RPC."""

    def __init__(self, client: httpx.AsyncClient, rpc_url: str, contract: str) -> None:
        self._client = client
        self._url = rpc_url
        self._contract = contract

    async def new_answers(self, from_block: int) -> tuple[list[AnswerAudit], int]:
        """Audit the answers of blocks `from_block` … head; also returns the next block to ask for."""
        head = int(await self._call("eth_blockNumber"), 16)
        if head < from_block:
            return [], from_block
        logs = await self._logs(_ANSWER_UPDATED, from_block, head)
        return [await self._audit(log) for log in logs], head + 1

    async def _audit(self, log: dict[str, Any]) -> AnswerAudit:
        transaction = await self._call("eth_getTransactionByHash", log["transactionHash"])
        receipt = await self._call("eth_getTransactionReceipt", log["transactionHash"])
        answer, round_id = _signed(log["topics"][1]), int(log["topics"][2], 16)
        block = int(log["blockNumber"], 16)
        digest, config_signers, transmitters, f = await self._configuration(block)
        report = read_calldata(bytes.fromhex(transaction["input"][2:]), digest)
        if report is None:
            raise OperatingError(
                f"transaction {log['transactionHash']} changed the answer, and transmits no report"
            )
        median = sorted(report.observations)[len(report.observations) // 2]
        served = await self._round_data(round_id)
        problems = _event_problems(receipt, report)
        if answer != median:
            problems.append(f"answer {answer} is not the median {median}")
        if served[1] != answer:
            problems.append(f"the contract serves {served[1]} for round {round_id}, the event says {answer}")
        if report.digest not in {None, digest}:
            problems.append("signed for another configuration")
        signers = [_signer_index(report.signed, signature, config_signers) for signature in report.signatures]
        if -1 in signers or len(set(signers)) != f + 1 or len(signers) != f + 1:
            problems.append(f"signed by {signers}, where {f + 1} distinct oracles are needed")
        return AnswerAudit(
            round_id=round_id,
            answer=answer,
            updated_at=served[3],
            median=median,
            epoch=report.epoch,
            round=report.round,
            observers=report.observers,
            observations=report.observations,
            signers=tuple(signers),
            transmitter=transmitters.index(transaction["from"].lower()),
            gas_used=int(receipt["gasUsed"], 16),
            block_number=block,
            problems=tuple(problems),
        )

    async def _configuration(self, block: int) -> tuple[bytes, list[bytes], list[str], int]:
        (*_, log) = await self._logs(_CONFIG_SET, 0, block)
        fields = decode(_CONFIG_SET_TYPES, bytes.fromhex(log["data"][2:]))
        signers = [bytes.fromhex(address[2:]) for address in fields[3]]
        return fields[1], signers, [address.lower() for address in fields[4]], fields[5]

    async def _round_data(self, round_id: int) -> tuple[Any, ...]:
        data = _GET_ROUND_DATA + encode(["uint80"], [round_id]).hex()
        result = await self._call("eth_call", {"to": self._contract, "data": data}, "latest")
        return decode(["uint80", "int256", "uint256", "uint256", "uint80"], bytes.fromhex(result[2:]))

    async def _logs(self, topic: str, first: int, last: int) -> list[dict[str, Any]]:
        query = {"address": self._contract, "topics": [topic], "fromBlock": hex(first), "toBlock": hex(last)}
        logs: list[dict[str, Any]] = await self._call("eth_getLogs", query)
        return logs

    async def _call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = (await self._client.post(self._url, json=body)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise OperatingError(f"{method} at {self._url} failed: {error}") from error
        if "error" in answer:
            raise OperatingError(f"{method}: {answer['error']['message']}")
        return answer["result"]


def _signed(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word[2:]), "big", signed=True)


def _event_problems(receipt: dict[str, Any], report: TransmittedReport) -> list[str]:
    """Aggregator B's event must tell exactly what was signed, so that a log alone proves an answer."""
    if report.message is None:
        return []
    told = [
        decode(["address", "bytes"], bytes.fromhex(log["data"][2:]))[1]
        for log in receipt["logs"]
        if log["topics"][0] == PACKED_TOPIC
    ]
    return [] if told == [report.message] else ["the event does not tell what was signed"]


def _signer_index(signed: bytes, signature: bytes, signers: list[bytes]) -> int:
    try:
        key = PublicKey.from_signature_and_message(signature, signed, hasher=None)
    except ValueError:
        return -1
    address = keccak(key.format(compressed=False)[1:])[12:]
    return signers.index(address) if address in signers else -1
