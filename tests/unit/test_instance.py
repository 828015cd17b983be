"""A feed's life: instances start and end as the contract's configuration says, and one's failure stays its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import structlog.testing
import trio
import trio.testing

from ocr_peer import crypto
from ocr_peer.errors import InputError, OperatingError
from ocr_peer.protocol.config import ConfigDigest, Instant, OracleId, PrivateConfig
from ocr_peer.protocol.effects import Record, Transmit
from ocr_peer.protocol.events import ChainView, StoredState
from ocr_peer.protocol.reconfiguration import ContractConfig, Membership
from ocr_peer.runtime.instance import Feed, OwnKeys, run_feed
from ocr_peer.runtime.ports import NetworkCommittee, PeerStatus
from tests.protocol.committee import committee_config, member_keys


def published(number: int, f: int = 1) -> ContractConfig:
    digest = ConfigDigest(bytes([0, 1, number]) + bytes(29))
    return ContractConfig(digest, number, (), (), f, b"", 2, b"", 10 * number)


@dataclass
class World:
    """In-memory ports that tell which committees are joined, and what is stored."""

    stored: ContractConfig | None = None
    joined: list[bytes] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    broken_store: bool = False
    relays_broadcasts: bool = False

    def __post_init__(self) -> None:
        self.publish, self._published = trio.open_memory_channel[ContractConfig](10)

    async def run(self, configs: trio.MemorySendChannel[ContractConfig]) -> None:
        async for config in self._published:
            await configs.send(config)

    @asynccontextmanager
    async def join(self, committee: NetworkCommittee) -> AsyncIterator[World]:
        assert self.joined == [], "an instance is still there"
        self.joined.append(committee.config_digest)
        self.history.append(f"join {committee.config_digest[2]}")
        try:
            yield self
        finally:
            # Leaving takes a moment; the next instance has to wait for it.
            with trio.CancelScope(shield=True):
                await trio.sleep(0.5)
            self.joined.remove(committee.config_digest)
            self.history.append(f"leave {committee.config_digest[2]}")

    async def send(self, to: OracleId, payload: bytes) -> None: ...

    async def broadcast(self, payload: bytes) -> None: ...

    async def receive(self) -> tuple[OracleId, bytes]:
        await trio.sleep_forever()
        raise AssertionError

    def peers(self) -> Sequence[PeerStatus]:
        return ()

    async def write(self, config_digest: ConfigDigest, records: Sequence[Record]) -> None:
        if self.broken_store:
            raise OperatingError("disk full")

    async def load_state(self, config_digest: ConfigDigest) -> StoredState:
        return StoredState()

    async def save_config(self, contract: str, config: ContractConfig) -> None:
        self.history.append(f"save {config.config_digest[2]}")
        self.stored = config

    async def load_config(self, contract: str) -> ContractConfig | None:
        return self.stored

    async def view(self) -> ChainView:
        return ChainView(ConfigDigest(bytes(32)), 0, 0, 0, 0, None, 0, 0, Instant(0))

    async def transmit(self, transmit: Transmit) -> None: ...

    async def observe(self) -> bytes:
        raise OperatingError("no source")

    def read(self, config: ContractConfig) -> Membership:
        committee = committee_config(4, config.f, config_digest=config.config_digest)
        committee.check()
        return Membership(committee, PrivateConfig(bytes(16), bytes(16)), OracleId(0))

    def feed(self) -> Feed:
        keys = member_keys(0)
        return Feed(
            name="feed",
            contract="1/0x",
            keys=OwnKeys(crypto.OffchainSigner(keys.offchain), crypto.OnchainSigner(keys.onchain)),
            read_membership=self.read,
            configs=self,
            chain=self,
            source=self,
            network=self,
            store=self,
            on_milestone=lambda _: lambda _: None,
        )


async def test_the_old_instance_is_gone_before_the_new_one_joins(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World()
    nursery.start_soon(run_feed, world.feed())
    for number in (1, 2, 2, 1):
        await world.publish.send(published(number))
    await trio.sleep(5)
    assert world.history == [
        "save 1", "join 1", "leave 1", "save 2", "join 2", "leave 2", "save 1", "join 1",
    ]  # fmt: skip


async def test_the_stored_configuration_runs_while_the_chain_is_silent(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World(stored=published(7))
    nursery.start_soon(run_feed, world.feed())
    await trio.sleep(60)
    assert world.history == ["join 7"]


async def test_a_later_configuration_that_is_invalid_leaves_the_node_idle_and_watching(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World()
    nursery.start_soon(run_feed, world.feed())
    with structlog.testing.capture_logs() as logs:
        await world.publish.send(published(1))
        await world.publish.send(published(2, f=2))
        await trio.sleep(60)
        assert world.joined == []
        await world.publish.send(published(3))
        await trio.sleep(60)
    assert world.history == ["save 1", "join 1", "leave 1", "save 2", "save 3", "join 3"]
    (alarm,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert "n = 4 oracles tolerate at most f = 1" in alarm["reason"]


async def test_the_first_configuration_that_is_invalid_is_the_operators_to_mend(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World()
    await world.publish.send(published(1, f=2))
    with pytest.RaisesGroup(pytest.RaisesExc(InputError, match="tolerate at most f = 1")):
        await run_feed(world.feed())
    assert world.history == [], "nothing is stored of it"


async def test_an_oracle_that_cannot_write_is_mute_and_its_feed_goes_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World(broken_store=True)
    nursery.start_soon(run_feed, world.feed())
    with structlog.testing.capture_logs() as logs:
        await world.publish.send(published(1))
        await trio.sleep(5)
        world.broken_store = False
        await world.publish.send(published(2))
        await trio.sleep(5)
    assert world.history == ["save 1", "join 1", "leave 1", "save 2", "join 2"]
    assert [entry["reason"] for entry in logs if entry["log_level"] == "critical"] == ["disk full"]
