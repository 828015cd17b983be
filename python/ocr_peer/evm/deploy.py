"""One-off transactions of a feed's owner: deploy the aggregator, configure it, request a round.

These wait for the block, and keep nothing on disk: the chain tells what became of the one before. So a `Quote`
says how many transactions of the account no block has taken yet.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import trio

from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.abi import encode_values
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import CONFIG_SET, REQUEST_NEW_ROUND, decode_config_set
from ocr_peer.evm.broadcast import Handover, broadcast
from ocr_peer.evm.chain_objects import Receipt, logs_from_json, receipt_from_json, result_of
from ocr_peer.evm.fees import FEE_CALLS, Fees, FeeSettings, quote_fees
from ocr_peer.evm.quantity import quantity, quantity_from_hex, to_hex
from ocr_peer.evm.reverts import revert_of
from ocr_peer.evm.rpc_errors import RpcError
from ocr_peer.evm.signer import TransactionSigner, UnsignedTransaction, transaction_hash
from ocr_peer.protocol.config import ReportFormat
from ocr_peer.protocol.reconfiguration import ContractConfig

__all__ = ["AggregatorArguments", "NotMined", "OwnerAccount", "Quote", "deployment_data", "ether"]

_ARTIFACTS: Final = {ReportFormat.OCR2: "Aggregator", ReportFormat.PACKED: "PackedAggregator"}
_HAND_OVER_AGAIN_S: Final = 15.0
"""An endpoint that gave no answer, or lost its pool, gets the same transaction again."""
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


@dataclass(frozen=True, slots=True)
class Quote:
    """What a transaction would be sent with; amounts in wei."""

    nonce: int
    unmined: int
    """Transactions of the account that the endpoint knows and no block has taken."""
    gas: int
    """As estimated."""
    gas_limit: int
    fees: Fees
    gas_price: int
    """What gas costs now."""
    balance: int

    @property
    def expected_cost(self) -> int:
        """At today's price."""
        return self.gas * min(self.gas_price, self.fees.most)

    @property
    def highest_cost(self) -> int:
        """What the account must own for the chain to take the transaction."""
        return self.gas_limit * self.fees.most


class NotMined(OperatingError):  # noqa: N818 - named for what happened
    """No block took the transaction in time. It may still be mined.

    Args:
        transaction: its hash, 32 bytes.
        waited_s: how long.
        last_failure: what the endpoint said last, where it did not answer well.
    """

    def __init__(self, transaction: bytes, waited_s: float, last_failure: str | None) -> None:
        self.transaction = transaction
        failure = "" if last_failure is None else f" (last answer: {last_failure})"
        super().__init__(
            f"no block took transaction {to_hex(transaction)} within {waited_s:g} s{failure}; it may still be "
            "mined: look it up before you send another"
        )


def deployment_data(arguments: AggregatorArguments) -> bytes:
    """What the transaction carries that deploys an aggregator: its code and the constructor's arguments."""
    name = _ARTIFACTS[arguments.report_format]
    artifact = json.loads(files("ocr_peer.evm").joinpath("artifacts", f"{name}.json").read_bytes())
    code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    values = (
        arguments.min_answer,
        arguments.max_answer,
        arguments.decimals,
        arguments.description,
        arguments.max_age_s,
        arguments.heartbeat_s,
    )
    return code + encode_values(_CONSTRUCTOR, values)


def ether(wei: int) -> str:
    """An amount for people, rounded up to a millionth."""
    millionths = -(-wei // 10**12)
    return f"{millionths / 10**6:,.6f} ETH"


class OwnerAccount:
    """The account that owns an aggregator.

    Args:
        rpc: the chain.
        signer: the account; nobody else sends from it meanwhile.
        chain_id: goes into every transaction.
        fees: limits of fees.
        timeout_s: how long to wait for a block to take a transaction.
        poll_interval_s: pause between looks for it.
        on_progress: told, in words, what is being waited for.
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
        on_progress: Callable[[str], None] = lambda _words: None,
    ) -> None:
        self._rpc = rpc
        self._signer = signer
        self._chain_id = chain_id
        self._fees = fees or FeeSettings()
        self._timeout_s = timeout_s
        self._poll_interval_s = poll_interval_s
        self._on_progress = on_progress

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return self._signer.address

    async def deploy(self, arguments: AggregatorArguments) -> bytes:
        """Deploy an aggregator; returns its address, 20 bytes.

        Raises:
            InputError: the account cannot pay.
            OperatingError: the chain refuses it, or no block takes it in time.
        """
        receipt = await self.send(None, deployment_data(arguments))
        if receipt.contract_address is None:
            raise OperatingError(f"the receipt of {to_hex(receipt.transaction_hash)} names no contract")
        return receipt.contract_address

    async def set_config(self, contract: bytes, calldata: bytes) -> ContractConfig:
        """Configure an aggregator; returns the configuration as its event tells it.

        Args:
            contract: 20 bytes.
            calldata: made by `aggregator.encode_set_config`.

        Raises:
            InputError: the account cannot pay.
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

    async def quote(self, to: bytes | None, data: bytes) -> Quote:
        """What a transaction would cost; nothing is sent.

        Args:
            to: 20 bytes; `None` deploys a contract.
            data: calldata, or code.

        Raises:
            InputError: the account cannot pay for it; the message says how much it lacks.
            OperatingError: the contract would refuse it, or the endpoint cannot tell.
        """
        sender = to_hex(self._signer.address)
        call = {"from": sender, "data": to_hex(data)}
        if to is not None:
            call["to"] = to_hex(to)
        estimated, pending, mined, balance, price, *fee_outcomes = await self._rpc.batch(
            [
                ("eth_estimateGas", (call,)),
                ("eth_getTransactionCount", (sender, "pending")),
                ("eth_getTransactionCount", (sender, "latest")),
                ("eth_getBalance", (sender, "latest")),
                ("eth_gasPrice", ()),
                *FEE_CALLS,
            ]
        )
        revert = revert_of(estimated) if isinstance(estimated, RpcError) else None
        if revert is not None:
            target = "the deployment" if to is None else checksum_address(to)
            raise OperatingError(f"{target} refuses the transaction: {revert.reason}")
        gas = quantity_from_hex(result_of(estimated), "eth_estimateGas")
        nonce = quantity_from_hex(result_of(pending), "eth_getTransactionCount")
        quote = Quote(
            nonce=nonce,
            unmined=max(0, nonce - quantity_from_hex(result_of(mined), "eth_getTransactionCount")),
            gas=gas,
            gas_limit=gas + gas // 5,
            fees=quote_fees(fee_outcomes, self._fees),
            gas_price=quantity_from_hex(result_of(price), "eth_gasPrice"),
            balance=quantity_from_hex(result_of(balance), "eth_getBalance"),
        )
        if quote.balance < quote.highest_cost:
            account = checksum_address(self._signer.address)
            raise InputError(
                "account",
                account,
                f"it owns {ether(quote.balance)}, and the transaction may cost {ether(quote.highest_cost)}",
                f"send it {ether(quote.highest_cost - quote.balance)} on chain {self._chain_id}",
            )
        return quote

    async def send(self, to: bytes | None, data: bytes) -> Receipt:
        """Send one transaction and wait until a block holds it.

        Raises:
            InputError: the account cannot pay.
            NotMined: no block took it in time.
            OperatingError: refused or reverted.
        """
        quote = await self.quote(to, data)
        raw = await self._signer.sign(
            UnsignedTransaction(
                chain_id=self._chain_id,
                nonce=quote.nonce,
                to=to,
                data=data,
                gas_limit=quote.gas_limit,
                fees=quote.fees,
            )
        )
        result = await broadcast(self._rpc, raw)
        if result.handover not in {Handover.TAKEN, Handover.UNKNOWN}:
            account = checksum_address(self._signer.address)
            raise OperatingError(f"the endpoint refuses the transaction of {account}: {result.words}")
        receipt = await self._mined(raw)
        if not receipt.succeeded:
            shown = to_hex(receipt.transaction_hash)
            raise OperatingError(f"transaction {shown} reverted in block {receipt.block_number}")
        return receipt

    async def _mined(self, raw: bytes) -> Receipt:
        name = transaction_hash(raw)
        self._on_progress(f"sent {to_hex(name)}, waiting for a block")
        failure: str | None = None
        begun = handed_over = trio.current_time()
        while trio.current_time() - begun < self._timeout_s:
            try:
                answer = await self._rpc.call("eth_getTransactionReceipt", (to_hex(name),))
                receipt = receipt_from_json(answer)
                failure = None
            except OperatingError as error:  # the transaction is on its way, whatever becomes of the endpoint
                receipt, failure = None, str(error)
            if receipt is not None:
                self._on_progress(f"block {receipt.block_number} has it, {receipt.gas_used:,} gas used")
                return receipt
            await trio.sleep(self._poll_interval_s)
            if trio.current_time() - handed_over >= _HAND_OVER_AGAIN_S:
                handed_over = trio.current_time()
                await broadcast(self._rpc, raw)
                self._on_progress(f"still waiting, {handed_over - begun:.0f} s by now")
        raise NotMined(name, self._timeout_s, failure)
