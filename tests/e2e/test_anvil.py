"""The chain side of a node on anvil, with what goes wrong there: no blocks, lost transactions, dear gas, restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from ocr_peer import crypto
from ocr_peer.evm.aggregator import NEW_TRANSMISSION
from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.config_tracker import ConfigTracker
from ocr_peer.evm.confirmation import ConfirmationSettings
from ocr_peer.evm.connection import connect
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.evm.fees import GWEI
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import InMemoryTransactionStore, TransactionRow, TransactionState
from ocr_peer.evm.transmitter import Transmitter, TransmitterSettings
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import RoundTag
from tests.contracts.chain import NOW, Chain, Receipt
from tests.contracts.feed import KINDS, Feed, funded, new_chain
from tests.e2e.anvil import Transport, anvil
from tests.unit.test_evm_feed import (
    CHAIN_ID,
    LIMITS,
    ConfiguredFeed,
    N,
    seed,
    set_config_calldata,
    transmitters,
)

FAST = TransmitterSettings(confirmation=ConfirmationSettings(poll_interval_s=0.05))
ACCOUNTS = [crypto.secp256k1_address(seed("owner", 0)), *transmitters()]


@dataclass
class Network:
    """An anvil with a configured feed. It mines at once until told otherwise."""

    url: str
    feed: ConfiguredFeed
    settled: list[TransactionRow] = field(default_factory=list)

    @property
    def rpc(self) -> RpcClient:
        return self.feed.rpc

    def transmitter(self, oracle: int = 0) -> Transmitter:
        return Transmitter(
            self.rpc,
            LocalSigner(self.feed.transmitter_key(oracle)),
            InMemoryTransactionStore(),
            chain_id=CHAIN_ID,
            settings=FAST,
            on_settled=self.settled.append,
        )

    def chain(self, transmitter: Transmitter) -> AggregatorChain:
        return AggregatorChain(self.rpc, transmitter, contract=self.feed.contract)

    async def mine(self) -> None:
        await self.rpc.call("evm_mine")

    async def pool(self) -> int:
        status: Any = await self.rpc.call("txpool_status")
        return int(status["pending"], 16) + int(status["queued"], 16)

    async def transmissions(self) -> list[str]:
        """The transactions that brought a report."""
        query = {
            "fromBlock": "0x0",
            "address": "0x" + self.feed.contract.hex(),
            "topics": ["0x" + NEW_TRANSMISSION.topic.hex()],
        }
        logs: Any = await self.rpc.call("eth_getLogs", (query,))
        return [log["transactionHash"] for log in logs]

    async def nonce(self, oracle: int = 0) -> int:
        address = "0x" + transmitters()[oracle].hex()
        answer: Any = await self.rpc.call("eth_getTransactionCount", (address, "latest"))
        return int(answer, 16)


@asynccontextmanager
async def network(*options: str) -> AsyncIterator[Network]:
    with trio.fail_after(120):
        async with (
            anvil("--chain-id", str(CHAIN_ID), *options, funded=ACCOUNTS) as url,
            RpcClient(url) as rpc,
        ):
            owner = OwnerAccount(rpc, LocalSigner(seed("owner", 0)), chain_id=CHAIN_ID, poll_interval_s=0.05)
            contract = await owner.deploy(AggregatorArguments(*LIMITS, 8, "ETH / USD"))
            config = await owner.set_config(contract, set_config_calldata())
            yield Network(url, ConfiguredFeed(rpc, contract, config, owner))


async def landed_once(net: Network) -> TransactionRow:
    """The one transaction that came to an end, which brought the one report there is."""
    (row,) = net.settled
    assert row.state == TransactionState.MINED
    assert row.inclusion is not None
    assert await net.transmissions() == ["0x" + row.inclusion.transaction_hash.hex()]
    assert await net.nonce() == 1
    view = await net.chain(net.transmitter(1)).view()
    assert (view.tag, view.answer) == (RoundTag(1, 1), 5_001)
    return row


async def test_a_committee_races_and_one_report_lands() -> None:
    async with network() as net, trio.open_nursery() as nursery:
        rpc = await connect(net.url, CHAIN_ID, net.feed.contract)
        send, receive = trio.open_memory_channel[ContractConfig](1)
        tracker = ConfigTracker(
            rpc, chain_id=CHAIN_ID, contract=net.feed.contract, confirmations=1, poll_interval_s=0.05
        )
        nursery.start_soon(tracker.run, send)
        assert await receive.receive() == net.feed.config
        await rpc.call("evm_setAutomine", (False,))
        await rpc.call("evm_setIntervalMining", (1,))
        members = [net.transmitter(oracle) for oracle in range(N)]
        for member in members:
            nursery.start_soon(member.run)
        async with trio.open_nursery() as racing:
            for member in members:
                racing.start_soon(net.chain(member).transmit, Transmit(net.feed.report(1, 1), 0, 0))
        while any(member.in_flight for member in members):
            await trio.sleep(0.05)
        states = [row.state for row in net.settled]
        assert states.count(TransactionState.MINED) == 1
        assert set(states) <= {TransactionState.MINED, TransactionState.REVERTED}
        assert len(await net.transmissions()) == 1
        nursery.cancel_scope.cancel()
        await rpc.aclose()


async def test_without_blocks_it_waits_and_sends_once() -> None:
    async with network() as net, trio.open_nursery() as nursery:
        await net.rpc.call("evm_setAutomine", (False,))
        transmitter = net.transmitter()
        nursery.start_soon(transmitter.run)
        for _ in range(3):
            # The errand of the same report is not begun anew.
            await net.chain(transmitter).transmit(Transmit(net.feed.report(1, 1), 0, 0))
        assert (transmitter.in_flight, await net.pool(), net.settled) == (1, 1, [])
        await net.mine()
        while transmitter.in_flight:
            await trio.sleep(0.05)
        assert len((await landed_once(net)).hashes) == 1
        nursery.cancel_scope.cancel()


async def test_a_dropped_transaction_is_sent_again() -> None:
    async with network() as net, trio.open_nursery() as nursery:
        await net.rpc.call("evm_setAutomine", (False,))
        transmitter = net.transmitter()
        await net.chain(transmitter).transmit(Transmit(net.feed.report(1, 1), 0, 0))
        assert await net.pool() == 1
        content: Any = await net.rpc.call("txpool_content")
        (waiting,) = content["pending"].values()
        await net.rpc.call("anvil_dropTransaction", (waiting["0"]["hash"],))
        assert await net.pool() == 0
        nursery.start_soon(transmitter.run)
        while await net.pool() == 0:
            await trio.sleep(0.05)
        await net.mine()
        while transmitter.in_flight:
            await trio.sleep(0.05)
        row = await landed_once(net)
        assert "0x" + row.hashes[0].hex() == waiting["0"]["hash"]
        nursery.cancel_scope.cancel()


async def test_a_jump_of_the_base_fee_is_outbid() -> None:
    async with network() as net, trio.open_nursery() as nursery:
        await net.rpc.call("evm_setAutomine", (False,))
        transmitter = net.transmitter()
        await net.chain(transmitter).transmit(Transmit(net.feed.report(1, 1), 0, 0))
        # anvil evicts what a block cannot pay for.
        await net.rpc.call("anvil_setNextBlockBaseFeePerGas", (hex(100 * GWEI),))
        await net.mine()
        assert net.settled == []
        nursery.start_soon(transmitter.run)
        while not net.settled:
            await net.mine()
            await trio.sleep(0.2)
        row = await landed_once(net)
        assert len(row.hashes) > 1
        assert row.inclusion is not None
        assert row.inclusion.effective_gas_price > 10 * GWEI
        nursery.cancel_scope.cancel()


async def test_a_configuration_that_a_reorganisation_takes_back_is_not_followed() -> None:
    async with network() as net, trio.open_nursery() as nursery:
        await net.rpc.call("anvil_mine", ("0x4",))
        send, receive = trio.open_memory_channel[ContractConfig](4)
        rpc = await connect(net.url, CHAIN_ID, net.feed.contract)
        tracker = ConfigTracker(
            rpc, chain_id=CHAIN_ID, contract=net.feed.contract, confirmations=3, poll_interval_s=0.05
        )
        nursery.start_soon(tracker.run, send)
        assert await receive.receive() == net.feed.config
        owner = net.feed.owner
        lost = await owner.set_config(net.feed.contract, set_config_calldata(shared_secret=b"2" * 16))
        await net.rpc.call("anvil_mine", ("0x1",))
        await net.rpc.call("anvil_reorg", (2, []))
        final = await owner.set_config(net.feed.contract, set_config_calldata(shared_secret=b"3" * 16))
        assert final.config_digest != lost.config_digest
        await net.rpc.call("anvil_mine", ("0x4",))
        assert await receive.receive() == final
        with pytest.raises(trio.WouldBlock):
            receive.receive_nowait()
        nursery.cancel_scope.cancel()
        await rpc.aclose()


async def test_a_restart_that_forgets_the_mempool(tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    async with network("--dump-state", state) as net:
        await net.rpc.call("evm_setAutomine", (False,))
        transmitter = net.transmitter()
        await net.chain(transmitter).transmit(Transmit(net.feed.report(1, 1), 0, 0))
        assert await net.pool() == 1
        port = int(net.url.rpartition(":")[2])
    assert await trio.Path(state).exists()
    with trio.fail_after(120):
        async with trio.open_nursery() as nursery, RpcClient(net.url) as rpc:
            net.feed.rpc = rpc
            row = (await transmitter_rows(transmitter))[0]
            store = InMemoryTransactionStore()
            await store.save(row)
            again = Transmitter(
                rpc,
                LocalSigner(net.feed.transmitter_key(0)),
                store,
                chain_id=CHAIN_ID,
                settings=FAST,
                on_settled=net.settled.append,
            )
            # It is there before the chain is.
            nursery.start_soon(again.run)
            await trio.sleep(0.2)
            options = ("--chain-id", str(CHAIN_ID), "--load-state", state)
            async with anvil(*options, port=port):
                while not net.settled:
                    await trio.sleep(0.05)
                assert (await landed_once(net)).hashes == row.hashes
                nursery.cancel_scope.cancel()


async def transmitter_rows(transmitter: Transmitter) -> list[TransactionRow]:
    """What its store would hold after a restart of the node."""
    return transmitter._in_flight.rows()


class PatientChain(Chain):
    """anvil answers before it mines."""

    def receipt(self, transaction_hash: str) -> Receipt | None:
        while (receipt := super().receipt(transaction_hash)) is None:
            pass
        return receipt


@pytest.mark.parametrize("kind", KINDS)
async def test_a_report_costs_what_it_costs_on_revm(kind: str) -> None:
    def gas(chain: Chain) -> list[int]:
        feed = Feed.deploy(chain, 4, max_age=3600, kind=kind)
        rounds = [feed.signed(1, round_, observed_at=NOW) for round_ in range(1, 6)]
        return [feed.transmit(transmission).gas_used for transmission in rounds]

    def gas_there(url: str) -> list[int]:
        with httpx.Client() as client:
            transport = Transport(url, client)
            transport.fund(funded(), 10**24)
            return gas(PatientChain(transport))

    options = ("--chain-id", "1337", "--timestamp", str(NOW), "--block-base-fee-per-gas", "1000000000")
    async with anvil(*options) as url:
        theirs = await trio.to_thread.run_sync(gas_there, url)
    ours = gas(new_chain())
    for here, there in zip(ours, theirs, strict=True):
        assert abs(here - there) <= 0.005 * there, (ours, theirs)
