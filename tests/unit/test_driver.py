"""The driver: order of effects, deadlines, bad bytes, and what happens when the world fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import structlog.testing
import trio
import trio.testing

from ocr_peer import crypto
from ocr_peer.errors import InvariantError, OperatingError
from ocr_peer.median.config import encode_int192
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.protocol.attestation import CommitteeAttestation, committee_keys
from ocr_peer.protocol.config import ConfigDigest, Instant, OracleId, PrivateConfig
from ocr_peer.protocol.effects import Milestone, MilestoneKind, Record, SettledTransmission, Transmit
from ocr_peer.protocol.events import ChainView, StoredState
from ocr_peer.protocol.evidence import Evidence, holds
from ocr_peer.protocol.messages import FinalEcho, NewEpoch, ObserveReq, ReportReq
from ocr_peer.protocol.oracle import Oracle
from ocr_peer.protocol.report import AttributedObservation
from ocr_peer.runtime.clock import Clock
from ocr_peer.runtime.driver import Driver, InstancePorts
from ocr_peer.runtime.ports import PeerStatus, ReportRefused
from ocr_peer.wire.codec import decode_message, encode_message
from tests.protocol.committee import committee_config, member_keys


@dataclass
class World:
    """In-memory ports of a committee of one: everything that it does is visible here."""

    log: list[str] = field(default_factory=list)
    inbox: trio.MemorySendChannel[tuple[OracleId, bytes]] = field(init=False)
    transmitted: list[Transmit] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    broken_store: bool = False
    slow_chain: bool = False
    broken_source: bool = False
    refusal: OperatingError | None = None
    written: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox, self._outbox = trio.open_memory_channel[tuple[OracleId, bytes]](100)

    async def send(self, to: OracleId, payload: bytes) -> None:
        self.log.append(f"send {type(decode_message(payload)).__name__}")

    async def broadcast(self, payload: bytes) -> None:
        self.log.append(f"broadcast {type(decode_message(payload)).__name__}")

    async def receive(self) -> tuple[OracleId, bytes]:
        return await self._outbox.receive()

    def peers(self) -> Sequence[PeerStatus]:
        return ()

    async def write(self, config_digest: ConfigDigest, records: Sequence[Record]) -> None:
        if self.broken_store:
            raise OperatingError("disk full")
        self.log.extend(f"write {type(record).__name__}" for record in records)
        self.written.extend(records)

    async def load_state(self, config_digest: ConfigDigest) -> StoredState:
        return StoredState()

    async def save_config(self, contract: str, config: object) -> None: ...

    async def load_config(self, contract: str) -> None:
        return None

    async def view(self) -> ChainView:
        if self.slow_chain:
            await trio.sleep_forever()
        return ChainView(committee_config(1, 0).config_digest, 0, 0, 0, 0, None, 0, 0, Instant(0))

    async def transmit(self, transmit: Transmit) -> None:
        self.log.append("transmit")
        self.transmitted.append(transmit)
        if self.refusal is not None:
            raise self.refusal

    async def observe(self) -> bytes:
        if self.broken_source:
            raise OperatingError("HTTP 503")
        return crypto.encode_observation(1_700_000_000, encode_int192(1234), bytes(24))

    def driver(self, n: int = 1, f: int = 0, *, echo_finals: bool = True) -> Driver:
        config = committee_config(n, f)
        committee = committee_keys(config)
        keys = member_keys(0)
        attestation = CommitteeAttestation(
            config,
            committee,
            offchain=crypto.OffchainSigner(keys.offchain),
            onchain=crypto.OnchainSigner(keys.onchain),
        )
        plugin = MedianPlugin(config, committee)
        private = PrivateConfig(bytes(16), bytes(16))
        oracle = Oracle(config, private, OracleId(0), attestation=attestation, plugin=plugin)
        ports = InstancePorts(
            endpoint=self,
            store=self,
            chain=self,
            source=self,
            on_milestone=self.milestones.append,
            echo_finals=echo_finals,
        )
        return Driver(oracle, plugin.limits, ports, Clock())

    def reached(self, kind: MilestoneKind) -> int:
        return sum(milestone.kind is kind for milestone in self.milestones)


async def test_a_committee_of_one_transmits(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World()
    nursery.start_soon(world.driver().run)
    with trio.fail_after(30):
        while not world.transmitted:
            await trio.sleep(0.1)
    assert world.reached(MilestoneKind.FINALIZED)


async def test_records_are_durable_before_anything_leaves(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World()
    nursery.start_soon(world.driver(4, 1).run)
    await trio.sleep(20)
    for position, line in enumerate(world.log):
        if line == "broadcast NewEpoch":
            assert "write PacemakerRecord" in world.log[:position]
    assert world.log[0] == "write PacemakerRecord"


async def test_a_failing_store_ends_the_oracle_before_it_speaks(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(broken_store=True)
    with pytest.RaisesGroup(OperatingError):
        await world.driver(4, 1).run()
    assert not [line for line in world.log if line.startswith(("send", "broadcast"))]


async def test_bad_bytes_are_counted_and_do_no_harm(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World()
    driver = world.driver(4, 1)
    nursery.start_soon(driver.run)
    oversized = encode_message(NewEpoch(1)) + bytes.fromhex("4a8004") + bytes(512)
    for payload in (b"\xff\xff", b"", oversized, encode_message(NewEpoch(1))):
        await world.inbox.send((OracleId(2), payload))
    await trio.sleep(1)
    assert driver.faults.counts[OracleId(2)] == 3
    assert world.log


async def test_a_chain_that_hangs_does_not_hold_the_oracle_up(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World(slow_chain=True)
    nursery.start_soon(world.driver().run)
    await trio.sleep(20)
    assert world.reached(MilestoneKind.REPORT_SIGNED)
    assert not world.transmitted


@pytest.mark.parametrize("final", [True, False])
async def test_a_report_that_is_refused_for_good_is_not_pending_any_more(
    final: bool, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    refusal = ReportRefused("too old") if final else OperatingError("no answer")
    world = World(refusal=refusal)
    nursery.start_soon(world.driver().run)
    with trio.fail_after(30):
        while not world.transmitted:
            await trio.sleep(0.1)
    first = world.transmitted[0].report.context.tag
    await trio.sleep(0.1)
    assert (SettledTransmission(first) in world.written) == final


async def test_a_failing_source_is_reported_and_survived(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World(broken_source=True)
    nursery.start_soon(world.driver().run)
    await trio.sleep(5)
    assert world.reached(MilestoneKind.OBSERVATION_FAILED)
    world.broken_source = False
    await trio.sleep(20)
    assert world.transmitted


@pytest.mark.parametrize("echo_finals", [True, False])
async def test_echoes_are_sent_only_where_peers_do_not_relay(
    echo_finals: bool, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World()
    nursery.start_soon(lambda: world.driver(echo_finals=echo_finals).run())
    await trio.sleep(10)
    assert (f"broadcast {FinalEcho.__name__}" in world.log) == echo_finals


async def test_a_timer_that_is_never_cleared_ends_the_oracle_and_not_the_node(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Oracle, "next_deadline", lambda self: Instant(0))
    others_ran = 0

    async def other_feed() -> None:
        nonlocal others_ran
        while True:
            others_ran += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other_feed)
        with pytest.RaisesGroup(pytest.RaisesExc(InvariantError, match="a timer of 0 stays due")):
            await World().driver(4, 1).run()
        nursery.cancel_scope.cancel()
    assert others_ran > 100


@pytest.mark.parametrize(("liar", "said"), [(0, "own key is used twice"), (2, "oracle lied")])
async def test_evidence_is_written_and_told(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, liar: int, said: str
) -> None:
    world = World()
    driver = world.driver(4, 1)
    leader = next(iter({driver._oracle._schedule.leader(1)} - {0, 2}), 1)
    nursery.start_soon(driver.run)
    digest = driver._digest

    def request(value: int) -> bytes:
        items = []
        for observer in range(4):
            body = crypto.encode_observation(
                1_700_000_000, encode_int192(value if observer == liar else 7), bytes(24)
            )
            signer = crypto.OffchainSigner(member_keys(observer).offchain)
            signature = signer.sign_observation(digest, 1, 1, b"", body)
            items.append(AttributedObservation(body, signature, OracleId(observer)))
        return encode_message(ReportReq(1, 1, b"", tuple(items)))

    assert driver._oracle._schedule.leader(1) == leader
    with structlog.testing.capture_logs() as logs:
        for payload in (encode_message(ObserveReq(1, 1, b"")), request(7), request(8)):
            await world.inbox.send((OracleId(leader), payload))
        await trio.sleep(0.1)
    (kept,) = [record for record in world.written if isinstance(record, Evidence)]
    assert kept.oracle == liar
    assert holds(kept)
    assert [entry for entry in logs if said in entry["event"]]
