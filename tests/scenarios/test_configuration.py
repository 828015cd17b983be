"""Scenarios 46 to 49: configurations that change, arrive late or are invalid, and keys that serve two feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import structlog.testing
import trio
import trio.testing

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.committee import CommitteeMember, build_offchain_config, committee_config, private_config
from ocr_peer.protocol.config import SECOND, ConfigDigest, Instant, OracleId
from ocr_peer.protocol.effects import Broadcast, Effect, MilestoneKind, Transmit
from ocr_peer.protocol.events import Event
from ocr_peer.protocol.messages import Final, FinalEcho, Message, Observe, ObserveReq, Report
from ocr_peer.protocol.reconfiguration import ContractConfig, Membership
from ocr_peer.protocol.report import AttestedReport, ReportContext, RoundTag
from ocr_peer.runtime.instance import run_feed
from ocr_peer.simulation.chain import Chain
from ocr_peer.simulation.chronicle import Chronicle, Landing
from ocr_peer.simulation.cluster import Cluster
from ocr_peer.simulation.committee import SIMULATION_START
from ocr_peer.simulation.faults import Behaviour, FaultKind
from ocr_peer.simulation.node import Node
from ocr_peer.wire.codec import encode_message
from ocr_peer.wire.offchain_config import OffchainConfig, decode_offchain_config, encode_offchain_config
from tests.scenarios.stage import byzantine, fault, play, plays, seconds
from tests.unit.test_evm_feed import LIMITS, PARAMETERS, N, members, seed, transmitters
from tests.unit.test_instance import World


class _Reconfigurer:
    """Calls `setConfig` once, at the first step that makes the effect it waits for."""

    def __init__(self, cluster: Cluster, moment: str) -> None:
        self._cluster = cluster
        self._moment = moment
        self.at: int | None = None

    def on_step(self, elapsed: int, node: Node, event: Event, effects: Sequence[Effect]) -> None:
        if self.at is None and any(self._fits(effect) for effect in effects):
            self.at = elapsed
            # In the same instant, behind the messages that are leaving.
            self._cluster.at(elapsed, self._cluster.reconfigure, 0)

    def on_landing(self, landing: Landing) -> None: ...

    def _fits(self, effect: Effect) -> bool:
        match self._moment:
            case "mid-round":
                return isinstance(effect, Broadcast) and effect.message == ObserveReq(1, 3, b"")
            case "mid-final":
                return isinstance(effect, Broadcast) and isinstance(effect.message, Final)
            case _:
                return isinstance(effect, Transmit)


@pytest.mark.parametrize("moment", ["mid-round", "mid-final", "pending"])
def test_scenario_46_the_configuration_changes(moment: str) -> None:
    for number in range(4):
        changes: list[_Reconfigurer] = []

        def watch(cluster: Cluster, _: Chronicle, changes: list[_Reconfigurer] = changes) -> None:
            changes.append(_Reconfigurer(cluster, moment))
            cluster.witnesses.append(changes[0])

        run = play(seed=number, rounds=12, inspect=watch)
        (change,) = changes
        old, new = (c.config.config_digest for c in run.cluster.committees)
        assert change.at is not None
        after = [item for item in run.chronicle.landings if item.elapsed > change.at]
        taken = {item.report.context.config_digest for item in after if item.refusal is None}
        assert taken == {new}, "new digest only"
        late = [item.refusal for item in after if item.report.context.config_digest == old]
        assert set(late) <= {"other configuration", "stale"}
        if moment == "pending":
            assert late, "the transaction that was under way reverts"
        sent_later = [
            effect.report.context.config_digest
            for step, effect in run.chronicle.effects(Transmit)
            if step.elapsed > change.at
        ]
        assert set(sent_later) == {new}, "and no oracle transmits for the old one any more"


def test_scenario_47_oracles_learn_it_minutes_apart() -> None:
    for run in plays(fault(FaultKind.RECONFIGURE, (), 4, 4, amount=300 * SECOND), rounds=20, seeds=3):
        learned = sorted(
            entry.elapsed
            for entry in run.outcome.entries
            if entry.verb == "starts" and entry.text == "generation 1"
        )
        assert learned[-1] - learned[0] > 45 * SECOND
        new = run.cluster.committees[1].config.config_digest
        accepted = [i.elapsed for i in run.chronicle.accepted() if i.report.context.config_digest == new]
        # Nothing while fewer than 2f+1 know it, and soon something when they do.
        assert accepted[0] > learned[2]
        assert accepted[0] - learned[2] < 120 * SECOND
        assert not [i for i in run.chronicle.accepted() if 6 * SECOND < i.elapsed < learned[2]]


class _World(World):
    """A node of the committee that these configurations list."""

    def read(self, config: ContractConfig) -> Membership:
        return _membership(config)


def _membership(published: ContractConfig) -> Membership:
    offchain = decode_offchain_config(published.offchain_config)
    config = committee_config(published, offchain)
    decrypt = partial(crypto.decrypt_shared_secret, seed("encryption", 0))
    return Membership(config, private_config(offchain, OracleId(0), decrypt), OracleId(0))


def _published(
    number: int, listed: list[CommitteeMember], f: int, *, bad_hash: bool = False
) -> ContractConfig:
    offchain: OffchainConfig = build_offchain_config(
        PARAMETERS, listed, shared_secret=b"s" * 16, ephemeral_secret=seed("ephemeral", 0)
    )
    if bad_hash:
        secret = replace(offchain.shared_secret, shared_secret_hash=bytes(32))
        offchain = replace(offchain, shared_secret=secret)
    low, high = (limit.to_bytes(24, "big", signed=True) for limit in LIMITS)
    return ContractConfig(
        ConfigDigest(bytes([0, 1, number]) + bytes(29)),
        number,
        tuple(member.identity.onchain_signing_address for member in listed),
        transmitters(),
        f,
        b"\x01" + low + high,
        2,
        encode_offchain_config(offchain),
        10 * number,
    )


def _twins() -> list[CommitteeMember]:
    first, second, *rest = members()
    key = first.identity.offchain_public_key
    return [first, replace(second, identity=replace(second.identity, offchain_public_key=key)), *rest]


@pytest.mark.parametrize(
    ("invalid", "reason"),
    [
        (_published(2, members(), 2), "n = 4 oracles tolerate at most f = 1"),
        (_published(2, _twins(), 1), "oracle 0 has the same"),
        (_published(2, members(), 1, bad_hash=True), "not encrypted to this oracle's config encryption key"),
    ],
)
async def test_scenario_48_an_invalid_configuration(
    invalid: ContractConfig, reason: str, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    assert len(members()) == N
    with pytest.raises(InputError, match=reason):
        _membership(invalid)
    world = _World()
    with structlog.testing.capture_logs() as logs:
        nursery.start_soon(run_feed, world.feed())
        await world.publish.send(_published(1, members(), 1))
        await trio.sleep(30)
        assert world.history == ["save 1", "join 1"]
        await world.publish.send(invalid)
        await trio.sleep(300)
        # Refused, idle, told once; and still watching.
        assert world.history == ["save 1", "join 1", "leave 1", "save 2"]
        alarms = [entry for entry in logs if entry["log_level"] in ("error", "critical")]
        assert [entry["event"] for entry in alarms] == ["configuration refused, idle until the next"]
        assert reason in alarms[0]["reason"]
        await world.publish.send(_published(3, members(), 1))
        await trio.sleep(30)
    assert world.history[4:] == ["save 3", "join 3"]


def test_a_configuration_that_none_can_serve_leaves_all_idle_until_a_good_one_follows() -> None:
    for run in plays(fault(FaultKind.INVALID_CONFIG, (), 6, 40, amount=SECOND), seeds=4, rounds=30):
        refusals = [entry for entry in run.outcome.entries if entry.verb == "refuses" and entry.oracle >= 0]
        assert sorted(entry.oracle for entry in refusals) == [0, 1, 2, 3]
        learnt = max(entry.elapsed for entry in refusals)
        steps = [step for step in run.chronicle.steps if learnt < step.elapsed < 40 * SECOND]
        assert steps == [], "no oracle does anything"
        assert not run.accepted_between(8, 40)
        assert run.accepted_between(40, 70)


def _everything_signed(chronicle: Chronicle) -> list[Message]:
    """Observations, reports and final reports of a feed, once each."""
    found: dict[Message, None] = {}
    for kind in (Observe, Report, Final):
        for _, _, message in chronicle.heard(kind):
            found[message] = None
    return list(found)


@pytest.mark.parametrize("fast", [True, False])
def test_scenario_49_the_same_keys_in_two_feeds(fast: bool) -> None:
    rounds = 6
    other = play(seed=3, rounds=rounds, fast=fast, feed=1)
    loot = _everything_signed(other.chronicle)
    one, two = play(seed=3, rounds=1, fast=fast).cluster.committees[0], other.cluster.committees[0]
    if not fast:
        assert one.config.oracles == two.config.oracles
    assert one.config.config_digest != two.config.config_digest

    def replay(cluster: Cluster, _: Chronicle) -> None:
        # Oracle 3 says all of it to everybody, in the name of the other feed, all the time.
        for tenth in range(1, 80):
            for position, message in enumerate(loot):
                if position % 8 == tenth % 8:
                    for to in range(3):
                        cluster.at(tenth * SECOND // 10, cluster.inject, 3, to, encode_message(message))

    run = play(byzantine(Behaviour.SILENT, 3), seed=3, rounds=rounds, fast=fast, inspect=replay)
    # No report and no final report of the one counts in the other; all that can be counted is.
    reasons = {why for _, why in run.chronicle.accusations(3)}
    assert [why for why in reasons if why.startswith("final report refused: invalid signature")]
    assert reasons & {"observation with an invalid signature", "report with an invalid signature",
                      "signed a different report than its leader's"}  # fmt: skip
    foreign = {(m.report, m.extra_hash) for m in loot if isinstance(m, Final)}
    for _, effect in run.chronicle.effects(Broadcast):
        if isinstance(effect.message, FinalEcho):
            assert (effect.message.final.report, effect.message.final.extra_hash) not in foreign
    assert len(run.chronicle.milestones(MilestoneKind.FINALIZED)) > 0
    assert run.accepted_between(0, 60)
    # The contract refuses the other's reports by their digest, and by their signatures under its own.
    chain = Chain(one, seconds(10**6), other.cluster.chain.accepted[0].at)
    for item in other.chronicle.accepted():
        assert chain.transmit(0, item.report, Instant(SIMULATION_START + item.elapsed)) is None
        assert chain.refusal == "other configuration"
        context = item.report.context
        relabelled = AttestedReport(
            ReportContext(one.config.config_digest, context.epoch, context.round, context.extra_hash),
            item.report.report,
            item.report.signatures,
        )
        assert chain.transmit(0, relabelled, Instant(SIMULATION_START + item.elapsed)) is None
        assert chain.refusal == "invalid signature"
        assert context.tag > RoundTag(0, 0)
