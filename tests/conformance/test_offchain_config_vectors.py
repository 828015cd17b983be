"""`setConfig` arguments as libocr makes and reads them: `tests/vectors/ocr2_set_config.json`."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ocr_peer import crypto
from ocr_peer.evm.committee import (
    CommitteeMember,
    build_offchain_config,
    committee_config,
    private_config,
)
from ocr_peer.protocol.config import ConfigDigest, OracleId, OracleIdentity
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.wire.offchain_config import (
    OffchainParameters,
    decode_offchain_config,
    encode_offchain_config,
)
from tests.conformance.vectors import cases, unhex

CASES = cases("ocr2_set_config")
IDS = [f"{index}-n{case['n']}" for index, case in enumerate(CASES)]


def published(case: dict[str, Any]) -> ContractConfig:
    return ContractConfig(
        config_digest=ConfigDigest(unhex(case["config_digest"])),
        config_count=case["config_count"],
        signers=tuple(unhex(oracle["onchain_address"]) for oracle in case["oracles"]),
        transmitters=tuple(unhex(oracle["transmitter_address"]) for oracle in case["oracles"]),
        f=case["f"],
        onchain_config=unhex(case["onchain_config"]),
        offchain_config_version=case["offchain_config_version"],
        offchain_config=unhex(case["offchain_config"]),
        block_number=1,
    )


def parameters(case: dict[str, Any]) -> OffchainParameters:
    return OffchainParameters(
        delta_progress=case["delta_progress_ns"],
        delta_resend=case["delta_resend_ns"],
        delta_round=case["delta_round_ns"],
        delta_grace=case["delta_grace_ns"],
        delta_stage=case["delta_stage_ns"],
        r_max=case["r_max"],
        stage_sizes=tuple(case["s"]),
        reporting_plugin_config=unhex(case["reporting_plugin_config"]),
        max_duration_query=case["max_duration_query_ns"],
        max_duration_observation=case["max_duration_observation_ns"],
        max_duration_report=case["max_duration_report_ns"],
        max_duration_should_accept=case["max_duration_should_accept_finalized_report_ns"],
        max_duration_should_transmit=case["max_duration_should_transmit_accepted_report_ns"],
        max_duration_initialization=case["max_duration_initialization_ns"],
    )


def identity(oracle: dict[str, Any]) -> OracleIdentity:
    return OracleIdentity(
        offchain_public_key=unhex(oracle["offchain_public_key"]),
        onchain_signing_address=unhex(oracle["onchain_address"]),
        peer_id=oracle["peer_id"],
        transmit_account=oracle["transmitter_address"],
    )


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_blob_reads_as_in_go(case: dict[str, Any]) -> None:
    config = decode_offchain_config(unhex(case["offchain_config"]))
    assert config.parameters == parameters(case)
    assert config.offchain_public_keys == tuple(unhex(o["offchain_public_key"]) for o in case["oracles"])
    assert config.peer_ids == tuple(oracle["peer_id"] for oracle in case["oracles"])
    assert config.shared_secret.diffie_hellman_point == unhex(case["diffie_hellman_point"])
    assert config.shared_secret.shared_secret_hash == unhex(case["shared_secret_hash"])
    assert config.shared_secret.encryptions == tuple(unhex(text) for text in case["encryptions"])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_blob_is_written_as_by_go(case: dict[str, Any]) -> None:
    members = [
        CommitteeMember(identity(oracle), unhex(oracle["config_encryption_public_key"]))
        for oracle in case["oracles"]
    ]
    config = build_offchain_config(
        parameters(case),
        members,
        shared_secret=unhex(case["shared_secret"]),
        ephemeral_secret=unhex(case["ephemeral_sk"]),
    )
    assert encode_offchain_config(config).hex() == unhex(case["offchain_config"]).hex()


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_oracle_finds_itself_and_the_keys(case: dict[str, Any]) -> None:
    offchain = decode_offchain_config(unhex(case["offchain_config"]))
    committee = committee_config(published(case), offchain)
    assert committee.n == case["n"]
    assert committee.f == case["f"]
    assert committee.oracles == tuple(identity(oracle) for oracle in case["oracles"])
    for index, oracle in enumerate(case["oracles"]):
        decrypt = partial(crypto.decrypt_shared_secret, unhex(oracle["config_encryption_sk"]))
        private = private_config(offchain, OracleId(index), decrypt)
        assert private.leader_key == unhex(case["leader_selection_key"])
        assert private.transmission_key == unhex(case["transmission_order_key"])
