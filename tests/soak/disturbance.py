"""What happens to a committee during a soak: a seeded sequence of kills and of the chain's own accidents."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import trio

from ocr_peer.demo.processes import NodeProcess
from tests.soak.chain import BLOCK_TIME_S, ChainError, ChainProcess
from tests.soak.gateway import Gateway

PAUSE_S = (0.5, 4.0)
"""Between two disturbances."""
LONG_AWAY_S = (0.5, 8.0)
"""How long a node or an endpoint stays away."""
DEEPEST_REORG = 3


@dataclass
class Disturbance:
    """Kills and accidents until cancelled; never more than one node and one endpoint are away at a time.

    Attributes:
        processes: the nodes, by oracle id.
        restart: starts a node again.
        gateways: the RPC endpoints, all of one chain.
        chain: the chain itself.
        seed: decides what happens, and when.
        counts: how often each happened.
    """

    processes: Sequence[NodeProcess]
    restart: Callable[[int], None]
    gateways: Sequence[Gateway]
    chain: ChainProcess
    seed: int
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Go on until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._repeat, "nodes", [self._kill_node])
            nursery.start_soon(self._repeat, "endpoints", [self._take_endpoint])
            nursery.start_soon(
                self._repeat,
                "chain",
                [self._reorg, self._drop_pending, self._jump_base_fee, self._stop_mining],
            )

    async def _repeat(self, what: str, acts: Sequence[Callable[[random.Random], Awaitable[None]]]) -> None:
        chance = random.Random(f"{self.seed}/{what}")
        while True:
            await trio.sleep(chance.uniform(*PAUSE_S))
            try:
                await chance.choice(acts)(chance)
            except ChainError:
                self.counts["refused by the chain"] += 1

    async def _kill_node(self, chance: random.Random) -> None:
        oracle = chance.randrange(len(self.processes))
        if self.processes[oracle].pid is None:
            return
        self.processes[oracle].kill()
        self.counts["nodes killed"] += 1
        try:
            await trio.sleep(chance.uniform(*LONG_AWAY_S))
        finally:
            self.restart(oracle)
        # It takes a node some seconds to be of use again; f = 1 allows no second one to be away.
        await trio.sleep(chance.uniform(5, 10))

    async def _take_endpoint(self, chance: random.Random) -> None:
        gateway = chance.choice(self.gateways)
        gateway.down()
        self.counts["endpoints killed"] += 1
        try:
            await trio.sleep(chance.uniform(*LONG_AWAY_S))
        finally:
            gateway.up()

    async def _reorg(self, chance: random.Random) -> None:
        await self.chain.call("anvil_reorg", chance.randint(1, DEEPEST_REORG), [])
        self.counts["reorganisations"] += 1

    async def _drop_pending(self, _chance: random.Random) -> None:
        content = await self.chain.call("txpool_content")
        hashes = [
            transaction["hash"]
            for transactions in content["pending"].values()
            for transaction in transactions.values()
        ]
        for transaction_hash in hashes:
            await self.chain.call("anvil_dropTransaction", transaction_hash)
            self.counts["transactions dropped"] += 1

    async def _jump_base_fee(self, chance: random.Random) -> None:
        await self.chain.call("anvil_setNextBlockBaseFeePerGas", hex(chance.randint(1, 60) * 10**9))
        self.counts["base fee jumps"] += 1

    async def _stop_mining(self, chance: random.Random) -> None:
        await self.chain.call("evm_setIntervalMining", 0)
        self.counts["pauses of mining"] += 1
        try:
            await trio.sleep(chance.uniform(1, 6))
        finally:
            with trio.CancelScope(shield=True):
                await self.chain.call("evm_setIntervalMining", BLOCK_TIME_S)
