"""The chain, driven with transactions that eth-account signs and checked with code that is not its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from ocr_devnet import Devnet

GWEI = 10**9
ETHER = 10**18
START = 1_700_000_000
STRANGER = "0x" + "99" * 20

# Without input it returns slot 0. Any other first word is stored there and logged, with topics
# 0x11 and the word; zero reverts with Error("zero").
RUNTIME = bytes.fromhex(
    "36600f57600054600052602060 00f3"
    "5b6000358060235760646034600039606460 00fd"
    "5b80600055806000526011602060 00a200"
) + bytes.fromhex("08c379a0" + f"{32:064x}" + f"{4:064x}" + b"zero".hex().ljust(64, "0"))
INIT = bytes.fromhex("6098600c60003960986000f3") + RUNTIME


class Chain:
    """A chain with one funded account, and a clock that only moves with blocks."""

    def __init__(self, **options: Any) -> None:
        self.account: LocalAccount = Account.from_key(b"\x01" * 32)
        address = bytes.fromhex(self.account.address[2:])
        self.devnet = Devnet(1337, {address: 1000 * ETHER}, genesis_timestamp=START, **options)
        self.now = START

    def answer(self, method: str, *params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.loads(self.devnet.rpc(json.dumps(request).encode(), self.now))

    def ok(self, method: str, *params: object) -> Any:
        answer = self.answer(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    def fails(self, method: str, *params: object) -> dict[str, Any]:
        answer = self.answer(method, *params)
        assert "result" not in answer, answer
        error: dict[str, Any] = answer["error"]
        return error

    def sign(self, nonce: int, **fields: object) -> str:
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": 1337,
            "nonce": nonce,
            "gas": 21_000,
            "maxFeePerGas": 10 * GWEI,
            "maxPriorityFeePerGas": GWEI,
            "value": 0,
            "to": to_checksum_address(STRANGER),
        } | fields
        signed = self.account.sign_transaction({k: v for k, v in transaction.items() if v is not None})
        return "0x" + signed.raw_transaction.hex()

    def send(self, nonce: int, **fields: object) -> str:
        tx_hash: str = self.ok("eth_sendRawTransaction", self.sign(nonce, **fields))
        return tx_hash

    def mine(self) -> int:
        self.now += 1
        return self.devnet.mine(self.now)

    def receipt(self, tx_hash: str) -> Any:
        return self.ok("eth_getTransactionReceipt", tx_hash)

    def deploy(self, nonce: int = 0) -> str:
        tx_hash = self.send(nonce, to=None, data="0x" + INIT.hex(), gas=500_000)
        self.mine()
        return str(self.receipt(tx_hash)["contractAddress"])


def word(value: int) -> str:
    return f"0x{value:064x}"


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_transfer_1559(chain: Chain) -> None:
    tx_hash = chain.send(0, value=ETHER)
    assert chain.devnet.pending_count == 1
    assert chain.mine() == chain.devnet.block_number == 1
    receipt = chain.receipt(tx_hash)
    assert (receipt["status"], receipt["type"], receipt["gasUsed"]) == ("0x1", "0x2", hex(21_000))
    assert int(receipt["effectiveGasPrice"], 16) == 875_000_000 + GWEI
    assert chain.ok("eth_getBalance", STRANGER, "latest") == hex(ETHER)
    spent = ETHER + 21_000 * (875_000_000 + GWEI)
    assert int(chain.ok("eth_getBalance", chain.account.address, "latest"), 16) == 1000 * ETHER - spent
    transaction = chain.ok("eth_getTransactionByHash", tx_hash)
    assert transaction["from"] == chain.account.address.lower()
    assert transaction["maxFeePerGas"] == hex(10 * GWEI)


def test_transfer_legacy(chain: Chain) -> None:
    legacy = {"type": None, "maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 2 * GWEI}
    tx_hash = chain.send(0, value=5, **legacy)
    chain.mine()
    transaction = chain.ok("eth_getTransactionByHash", tx_hash)
    assert (transaction["type"], transaction["gasPrice"]) == ("0x0", hex(2 * GWEI))
    assert int(transaction["v"], 16) in {1337 * 2 + 35, 1337 * 2 + 36}
    assert "accessList" not in transaction
    assert chain.receipt(tx_hash)["effectiveGasPrice"] == hex(2 * GWEI)


def test_deploy_call_and_log(chain: Chain) -> None:
    contract = chain.deploy()
    assert chain.ok("eth_getCode", contract, "latest") == "0x" + RUNTIME.hex()
    gas = chain.ok("eth_estimateGas", {"from": chain.account.address, "to": contract, "data": word(42)})
    tx_hash = chain.send(1, to=to_checksum_address(contract), data=word(42), gas=int(gas, 16))
    block = chain.mine()
    receipt = chain.receipt(tx_hash)
    assert receipt["status"] == "0x1"
    assert int(gas, 16) < 1.05 * int(receipt["gasUsed"], 16)
    assert chain.ok("eth_call", {"to": contract}, "latest") == word(42)
    assert chain.ok("eth_call", {"to": contract}, hex(block - 1)) == word(0)
    assert chain.ok("eth_getStorageAt", contract, "0x0", "latest") == word(42)
    (log,) = chain.ok("eth_getLogs", {"fromBlock": "0x0", "address": contract, "topics": [None, word(42)]})
    assert log == receipt["logs"][0]
    assert (log["topics"], log["data"], log["removed"]) == ([word(0x11), word(42)], word(42), False)
    assert chain.ok("eth_getLogs", {"fromBlock": "0x0", "topics": [[word(1), word(2)]]}) == []


def test_revert_carries_reason_and_data(chain: Chain) -> None:
    contract = chain.deploy()
    for method in ("eth_call", "eth_estimateGas"):
        error = chain.fails(method, {"to": contract, "data": word(0)})
        assert error["code"] == 3
        assert error["message"] == "execution reverted: zero"
        assert bytes.fromhex(error["data"][2:]) == RUNTIME[-100:]
    tx_hash = chain.send(1, to=to_checksum_address(contract), data=word(0), gas=100_000)
    chain.mine()
    assert chain.receipt(tx_hash)["status"] == "0x0"


def test_nonce_and_replacement_errors(chain: Chain) -> None:
    chain.send(0)
    refusals = [
        (chain.sign(0), "already known"),
        (chain.sign(0, maxFeePerGas=11 * GWEI), "replacement transaction underpriced"),
        (
            chain.sign(0, maxFeePerGas=11 * GWEI, maxPriorityFeePerGas=GWEI + GWEI // 10 - 1),
            "replacement transaction underpriced",
        ),
        (chain.sign(1, value=1000 * ETHER), "insufficient funds for gas * price + value"),
        (chain.sign(1, gas=20_999), "intrinsic gas too low"),
        (chain.sign(1, chainId=1), "invalid chain id for signer"),
    ]
    for raw, expected in refusals:
        error = chain.fails("eth_sendRawTransaction", raw)
        assert error["code"] == -32000
        assert error["message"].startswith(expected)
    chain.send(0, maxFeePerGas=11 * GWEI, maxPriorityFeePerGas=GWEI + GWEI // 10)
    chain.send(2)
    assert chain.ok("txpool_status") == {"pending": "0x1", "queued": "0x1"}
    chain.mine()
    error = chain.fails("eth_sendRawTransaction", chain.sign(0))
    assert error["message"] == "nonce too low: next nonce 1, tx nonce 0"
    assert chain.ok("eth_getTransactionCount", chain.account.address, "pending") == "0x1"


def test_base_fee_moves_with_demand() -> None:
    chain = Chain(block_gas_limit=100_000)

    def base_fee() -> int:
        return int(chain.ok("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)

    for nonce in range(4):
        chain.send(nonce)
    chain.mine()
    assert base_fee() == 875_000_000
    chain.mine()
    assert base_fee() == 875_000_000 + 875_000_000 * 34_000 // 50_000 // 8
    chain.mine()
    history = chain.ok("eth_feeHistory", "0x2", "latest", [50])
    assert history["oldestBlock"] == "0x2"
    assert [int(fee, 16) for fee in history["baseFeePerGas"][:2]] == [949_375_000, base_fee()]


def test_block_and_transaction_hashes_are_real(chain: Chain) -> None:
    tx_hash = chain.send(0)
    assert tx_hash == "0x" + keccak(hexstr=chain.sign(0)).hex()
    chain.mine()
    block = chain.ok("eth_getBlockByNumber", "latest", False)
    data = ["parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"]
    data_after = ["extraData", "mixHash", "nonce"]
    trailing = ["withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"]
    numbers = ["difficulty", "number", "gasLimit", "gasUsed", "timestamp"]
    quantities = {*numbers, "baseFeePerGas", "blobGasUsed", "excessBlobGas"}
    order = [*data, *numbers, *data_after, "baseFeePerGas", *trailing]
    fields = [
        int(block[name], 16) if name in quantities else bytes.fromhex(block[name][2:]) for name in order
    ]
    assert block["hash"] == "0x" + keccak(rlp.encode(fields)).hex()


def test_batches_and_malformed_requests(chain: Chain) -> None:
    batch = [{"jsonrpc": "2.0", "id": i, "method": m} for i, m in enumerate(["eth_chainId", "nope"])]
    first, second = json.loads(chain.devnet.rpc(json.dumps(batch).encode()))
    assert first == {"jsonrpc": "2.0", "id": 0, "result": hex(1337)}
    assert second["error"]["code"] == -32601
    assert "eth_getLogs" in second["error"]["message"]
    for body in (b"", b"{", b"\xff", b"[" * 10_000):
        assert json.loads(chain.devnet.rpc(body))["error"]["code"] == -32700
    assert chain.devnet.rpc(b'{"jsonrpc": "2.0", "method": "evm_mine"}') == b""
    assert chain.devnet.block_number == 1


def test_automine_is_switched_at_run_time(chain: Chain) -> None:
    chain.devnet.automine = True
    chain.send(0)
    assert chain.devnet.block_number == 1
    chain.ok("evm_setAutomine", False)
    assert chain.devnet.automine is False


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((0, {}), {}, "chain_id"),
        ((1, {b"short": 1}), {}, "accounts"),
        ((1, {bytes(20): -1}), {}, "accounts"),
        ((1, {}), {"block_gas_limit": 1}, "block_gas_limit"),
        ((1, {}), {"base_fee": 2**64 - 1}, "base_fee"),
    ],
)
def test_arguments_out_of_bounds(arguments: Any, options: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Devnet(*arguments, **options)
