"""One-off transactions of a feed's owner: deploy the aggregator, configure it, request a round.

These wait for the block, and remember nothing: whoever is interrupted looks at the chain and repeats.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.abi import encode_values
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import CONFIG_SET, REQUEST_NEW_ROUND, decode_config_set
from ocr_peer.evm.broadcast import Handover, broadcast
from ocr_peer.evm.chain_objects import Receipt, logs_from_json, receipt_from_json, result_of
from ocr_peer.evm.fees import FEE_CALLS, FeeSettings, quote_fees
from ocr_peer.evm.quantity import quantity, quantity_from_hex, to_hex
from ocr_peer.evm.reverts import revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.signer import TransactionSigner, UnsignedTransaction, transaction_hash
from ocr_peer.protocol.config import ReportFormat
from ocr_peer.protocol.reconfiguration import ContractConfig

__all__ = ["AggregatorArguments", "OwnerAccount"]

_ARTIFACTS: Final = {ReportFormat.OCR2: "Aggregator", ReportFormat.PACKED: "PackedAggregator"}
_CONSTRUCTOR = ("int192", "int192", "uint8", "string", "uint24", "uint32")


@dataclass(frozen=True, slots=True)
class AggregatorArguments:
    """What an aggregator is deployed with; only `max_age_s` and `heartbeat_s` can be changed later."""

    min_answer: int
    """int192, scaled by `decimals`, as all answers are."""
    max_answer: int
    decimals: int
    description: str
    """For people, such as `ETH / USD`."""
    max_age_s: int = 0
    """Oldest observations the contract accepts; 0 for any age."""
    heartbeat_s: int = 0
    """Longest time between two answers that consumers may read off the contract; 0 for none."""
    report_format: ReportFormat = ReportFormat.OCR2
    """Which contract: aggregator A takes OCR2's reports, B packed ones."""


class OwnerAccount:
    """The account that owns an aggregator.

    Args:
        rpc: the chain.
        signer: the account; nobody else sends from it meanwhile.
        chain_id: goes into every transaction.
        fees: limits of fees.
        timeout_s: how long to wait for a block to take a transaction.
        poll_interval_s: pause between looks for it.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        signer: TransactionSigner,
        *,
        chain_id: int,
        fees: FeeSettings | None = None,
        timeout_s: float = 180.0,
        poll_interval_s: float = 0.5,
    ) -> None:
        self._rpc = rpc
        self._signer = signer
        self._chain_id = chain_id
        self._fees = fees or FeeSettings()
        self._timeout_s = timeout_s
        self._poll_interval_s = poll_interval_s

    async def deploy(self, arguments: AggregatorArguments) -> bytes:
        """Deploy an aggregator; returns its address, 20 bytes.

        Raises:
            OperatingError: the chain refuses it, or no block takes it in time.
        """
        name = _ARTIFACTS[arguments.report_format]
        artifact = json.loads(files("ocr_peer.evm").joinpath("artifacts", f"{name}.json").read_bytes())
        code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
        receipt = await self.send(
            None,
            code
            + encode_values(
                _CONSTRUCTOR,
                (
                    arguments.min_answer,
                    arguments.max_answer,
                    arguments.decimals,
                    arguments.description,
                    arguments.max_age_s,
                    arguments.heartbeat_s,
                ),
            ),
        )
        if receipt.contract_address is None:
            raise OperatingError(f"the receipt of {to_hex(receipt.transaction_hash)} names no contract")
        return receipt.contract_address

    async def set_config(self, contract: bytes, calldata: bytes) -> ContractConfig:
        """Configure an aggregator; returns the configuration as its event tells it.

        Args:
            contract: 20 bytes.
            calldata: made by `aggregator.encode_set_config`.

        Raises:
            OperatingError: the contract refuses it, or no block takes it in time.
        """
        receipt = await self.send(contract, calldata)
        query = {
            "address": to_hex(contract),
            "fromBlock": quantity(receipt.block_number),
            "toBlock": quantity(receipt.block_number),
            "topics": [to_hex(CONFIG_SET.topic)],
        }
        for log in logs_from_json(await self._rpc.call("eth_getLogs", (query,))):
            if log.transaction_hash == receipt.transaction_hash and log.address == contract:
                return decode_config_set(log)
        raise OperatingError(
            f"setConfig of {checksum_address(contract)} was mined, but logged no ConfigSet event"
        )

    async def request_new_round(self, contract: bytes) -> Receipt:
        """Ask an aggregator's oracles for a report now; raises `OperatingError`."""
        return await self.send(contract, REQUEST_NEW_ROUND.encode_call())

    async def send(self, to: bytes | None, data: bytes) -> Receipt:
        """Send one transaction and wait until a block holds it.

        Raises:
            OperatingError: refused, reverted, or not mined in time.
        """
        raw = await self._signed(to, data)
        result = await broadcast(self._rpc, raw)
        if result.handover not in {Handover.TAKEN, Handover.UNKNOWN}:
            account = checksum_address(self._signer.address)
            raise OperatingError(f"the endpoint refuses the transaction of {account}: {result.words}")
        shown = to_hex(transaction_hash(raw))
        with trio.move_on_after(self._timeout_s):
            while True:
                receipt = receipt_from_json(await self._rpc.call("eth_getTransactionReceipt", (shown,)))
                if receipt is not None:
                    break
                await trio.sleep(self._poll_interval_s)
            if not receipt.succeeded:
                raise OperatingError(f"transaction {shown} reverted in block {receipt.block_number}")
            return receipt
        raise OperatingError(f"no block took transaction {shown} within {self._timeout_s:g} s")

    async def _signed(self, to: bytes | None, data: bytes) -> bytes:
        sender = to_hex(self._signer.address)
        call = {"from": sender, "data": to_hex(data)}
        if to is not None:
            call["to"] = to_hex(to)
        estimated, nonce, *fee_outcomes = await self._rpc.batch(
            [("eth_estimateGas", (call,)), ("eth_getTransactionCount", (sender, "pending")), *FEE_CALLS]
        )
        revert = revert_of(estimated) if isinstance(estimated, RpcError) else None
        if revert is not None:
            target = "the deployment" if to is None else checksum_address(to)
            raise OperatingError(f"{target} refuses the transaction: {revert.reason}")
        gas = quantity_from_hex(result_of(estimated), "eth_estimateGas")
        return await self._signer.sign(
            UnsignedTransaction(
                chain_id=self._chain_id,
                nonce=quantity_from_hex(result_of(nonce), "eth_getTransactionCount"),
                to=to,
                data=data,
                gas_limit=gas + gas // 5,
                fees=quote_fees(fee_outcomes, self._fees),
            )
        )
