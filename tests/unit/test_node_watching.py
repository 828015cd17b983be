"""What a node logs of the transmissions of its feed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

import pytest

from ocr_peer import crypto
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.committee import committee_config, private_config
from ocr_peer.evm.transmission_watch import OnchainTransmission, TransmissionWatch
from ocr_peer.node.stages import StageBook
from ocr_peer.node.watching import tell_transmissions
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.reconfiguration import Membership
from ocr_peer.protocol.report import RoundTag
from ocr_peer.protocol.schedule import Schedule
from ocr_peer.wire.offchain_config import decode_offchain_config
from tests.unit.test_evm_chain import transmitted
from tests.unit.test_evm_feed import Feed, N, deployed_feed, seed, transmitters
from tests.unit.test_evm_reorganisations import reorganise, watching


def membership_of(feed: Feed) -> Membership:
    offchain = decode_offchain_config(feed.config.offchain_config)
    decrypt = partial(crypto.decrypt_shared_secret, seed("encryption", 0))
    config = committee_config(feed.config, offchain)
    return Membership(config, private_config(offchain, OracleId(0), decrypt), OracleId(0))


async def seen_of(feed: Feed, watch: TransmissionWatch) -> list[OnchainTransmission]:
    await watch.poll()
    found = list(watch._ready)
    watch._ready.clear()
    return found


async def test_the_stage_is_the_one_of_the_committees_schedule() -> None:
    async with deployed_feed() as feed:
        membership, stages, watch = membership_of(feed), StageBook(), watching(feed)
        stages.learn(membership)
        schedule = Schedule(membership.config, membership.private)
        for oracle in range(N):
            await transmitted(feed, oracle, 1, oracle + 1)
        found = await seen_of(feed, watch)
        assert len(found) == N
        for oracle, seen in enumerate(found):
            scheduled = stages.transmitter(seen.transmission)
            assert scheduled is not None
            assert scheduled.oracle == oracle
            assert scheduled.stage == schedule.stages(RoundTag(1, oracle + 1))[oracle]
            assert scheduled.stage in (0, 1, 2)


async def test_no_stage_without_the_configuration_or_for_a_stranger() -> None:
    async with deployed_feed() as feed:
        stages, watch = StageBook(), watching(feed)
        await transmitted(feed, 1, 1, 1)
        (seen,) = await seen_of(feed, watch)
        assert stages.transmitter(seen.transmission) is None
        membership = membership_of(feed)
        stages.learn(membership)
        stranger = replace(seen.transmission, transmitter=b"\x01" * 20)
        assert stages.transmitter(stranger) is None
        for index in range(4):
            digest = ConfigDigest(bytes([index]) * 32)
            stages.learn(replace(membership, config=replace(membership.config, config_digest=digest)))
        assert stages.transmitter(seen.transmission) is None, "the oldest of five is forgotten"


async def test_the_log_tells_what_landed_and_what_was_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    async with deployed_feed() as feed, deployed_feed() as fork:
        stages, watch = StageBook(), watching(feed)
        stages.learn(membership_of(feed))
        await transmitted(feed, 1, 1, 1)
        seen = await seen_of(feed, watch)
        fork.endpoint.now += 5
        fork.endpoint.mine(3)
        reorganise(feed, fork)
        seen += await seen_of(feed, watch)

        async def both() -> object:
            for item in seen:
                yield item

        await tell_transmissions(cast("TransmissionWatch", both()), "ETH / USD", stages)
    landed, removed = [
        line
        for line in capsys.readouterr().out.splitlines()
        if "reorganisation" in line or "on chain" in line
    ][-2:]
    for part in ("oracle=1", "stage=", "gas_price_wei=", "epoch=1", checksum_address(transmitters()[1])):
        assert part in landed
    assert "transmission removed by a reorganisation" in removed
    assert "gas_used" not in removed
