"""The median plugin's configurations and its report step, against the Go plugin."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_peer import crypto
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig, decode_int192, encode_int192
from ocr_peer.median.plugin import MedianPlugin
from ocr_peer.median.policy import deviates
from ocr_peer.protocol.config import SECOND, ConfigDigest, Duration, Instant, OracleId
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.report import AttributedObservation, RequestRefused, RoundTag
from tests.conformance.vectors import cases, unhex
from tests.protocol.committee import committee_config, member_keys

NOW = 1_800_000_000


@pytest.mark.parametrize("case", cases("ocr2_median_config")["deviation"])
def test_deviation(case: dict[str, Any]) -> None:
    assert deviates(case["threshold_ppb"], case["old"], case["new"]) == case["deviates"]


@pytest.mark.parametrize("case", cases("ocr2_median_config")["offchain"])
def test_offchain_config(case: dict[str, Any]) -> None:
    config = MedianOffchainConfig(
        case["alpha_report_infinite"],
        int(case["alpha_report_ppb"]),
        case["alpha_accept_infinite"],
        int(case["alpha_accept_ppb"]),
        Duration(int(case["delta_c_ns"])),
    )
    assert config.encode() == unhex(case["encoded"])
    assert MedianOffchainConfig.decode(unhex(case["encoded"])) == config


@pytest.mark.parametrize("case", cases("ocr2_median_config")["onchain"])
def test_onchain_config(case: dict[str, Any]) -> None:
    limits = MedianLimits(int(case["min"]), int(case["max"]))
    assert limits.encode() == unhex(case["encoded"])
    assert MedianLimits.decode(limits.encode()) == limits


@pytest.mark.parametrize("case", cases("ocr2_median_config")["values"])
def test_int192(case: dict[str, Any]) -> None:
    assert encode_int192(int(case["value"])) == unhex(case["encoded"])
    assert decode_int192(unhex(case["encoded"])) == int(case["value"])


@pytest.mark.parametrize("index", range(len(cases("ocr2_median_plugin"))))
def test_the_report_step_of_a_follower(index: int) -> None:
    case = cases("ocr2_median_plugin")[index]
    n, f, tag = case["n"], case["f"], RoundTag(case["epoch"], case["round"])
    digest = ConfigDigest(unhex(case["config_digest"]))
    config = committee_config(
        n,
        f,
        config_digest=digest,
        reporting_plugin_config=unhex(case["reporting_plugin_config"]),
        onchain_config=unhex(case["onchain_config"]),
    )
    committee = crypto.Committee(
        digest,
        f,
        [identity.offchain_public_key for identity in config.oracles],
        [identity.onchain_signing_address for identity in config.oracles],
    )
    plugin = MedianPlugin(config, committee)
    request = []
    for item in case["attributed_observations"]:
        body, observer = unhex(item["observation"]), item["observer"]
        signer = crypto.OffchainSigner(member_keys(observer).offchain)
        signature = signer.sign_observation(digest, tag.epoch, tag.round, b"", body)
        request.append(AttributedObservation(body, signature, OracleId(observer)))
    built = plugin.build_report(tag, b"", request)
    if "error" in case:
        assert isinstance(built, RequestRefused)
        return
    assert not isinstance(built, RequestRefused), built
    assert built.extra_hash == unhex(case["extra_hash"])
    chain = case["chain"]
    view = ChainView(
        config_digest=ConfigDigest(unhex(chain["config_digest"])),
        epoch=chain["epoch"],
        round=chain["round"],
        answer=int(chain["latest_answer"]),
        timestamp=NOW - chain["age_s"],
        requested_digest=ConfigDigest(unhex(chain["requested_config_digest"])),
        requested_epoch=chain["requested_epoch"],
        requested_round=chain["requested_round"],
        # Go's clock is past the full second by the time it compares.
        read_at=Instant(NOW * SECOND + 1000),
    )
    assert plugin.should_report(tag, built, view) == case["should_report"]
    if case["should_report"]:
        assert built.report == unhex(case["report"])
