"""The native module against what libocr, go-ethereum and Go's standard library did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ocr_crypto  # noqa: TID251  the module itself is under test, not the facade
import pytest

from tests.conformance.vectors import cases, unhex

GO_VERDICTS = Path(__file__).parents[2] / "rust" / "ocr_crypto" / "tests" / "data"


def go_verdicts(name: str) -> list[Any]:
    """The cases that were recorded from Go for this module, kept beside its Rust tests."""
    recorded: list[Any] = json.loads((GO_VERDICTS / f"{name}.json").read_text())["cases"]
    return recorded


def int192(number: str) -> bytes:
    return int(number).to_bytes(24, "big", signed=True)


def seed(oracle: int) -> bytes:
    return bytes([oracle + 1]) * 32


@pytest.mark.parametrize("case", cases("ocr2_evm_config_digest"))
def test_config_digest(case: dict[str, Any]) -> None:
    assert config_digest(case, case["signers"], case["transmitters"]) == unhex(case["config_digest"])


@pytest.mark.parametrize("case", cases("ocr2_onchain_e2e"))
def test_config_digest_of_the_deployed_contract(case: dict[str, Any]) -> None:
    assert config_digest(case, case["signers"], case["transmitters"]) == unhex(case["config_digest"])


def config_digest(case: dict[str, Any], signers: list[str], transmitters: list[str]) -> bytes:
    return ocr_crypto.evm_config_digest(
        int(case["chain_id"]),
        unhex(case["contract_address"]),
        int(case["config_count"]),
        [unhex(signer) for signer in signers],
        [unhex(transmitter) for transmitter in transmitters],
        case["f"],
        unhex(case["onchain_config"]),
        int(case["offchain_config_version"]),
        unhex(case["offchain_config"]),
    )


@pytest.mark.parametrize("case", cases("ocr2_set_config"), ids=lambda case: f"n={case['n']}")
def test_set_config(case: dict[str, Any]) -> None:
    oracles = case["oracles"]
    for oracle in oracles:
        assert ocr_crypto.ed25519_public_key(unhex(oracle["offchain_sk_seed"])) == unhex(
            oracle["offchain_public_key"]
        )
        assert ocr_crypto.x25519_public_key(unhex(oracle["config_encryption_sk"])) == unhex(
            oracle["config_encryption_public_key"]
        )
        assert ocr_crypto.secp256k1_address(unhex(oracle["onchain_sk"])) == unhex(oracle["onchain_address"])
        assert ocr_crypto.secp256k1_address(unhex(oracle["transmitter_sk"])) == unhex(
            oracle["transmitter_address"]
        )
    secret = unhex(case["shared_secret"])
    assert ocr_crypto.derive_shared_secret_keys(secret) == (
        unhex(case["leader_selection_key"]),
        unhex(case["transmission_order_key"]),
    )
    point, secret_hash = unhex(case["diffie_hellman_point"]), unhex(case["shared_secret_hash"])
    encryptions = [unhex(encryption) for encryption in case["encryptions"]]
    keys = [unhex(oracle["config_encryption_public_key"]) for oracle in oracles]
    encrypted = ocr_crypto.encrypt_shared_secret(secret, unhex(case["ephemeral_sk"]), keys)
    assert encrypted == (point, secret_hash, encryptions)
    for oracle, encryption in zip(oracles, encryptions, strict=True):
        own = unhex(oracle["config_encryption_sk"])
        assert ocr_crypto.decrypt_shared_secret(own, point, secret_hash, encryption) == secret
    digest = config_digest(
        case,
        [oracle["onchain_address"] for oracle in oracles],
        [oracle["transmitter_address"] for oracle in oracles],
    )
    assert digest == unhex(case["config_digest"])


@pytest.mark.parametrize("case", cases("ocr2_leader_and_schedule"), ids=lambda case: f"n={case['n']}")
def test_leader_and_schedule(case: dict[str, Any]) -> None:
    leader_key, transmission_key = ocr_crypto.derive_shared_secret_keys(unhex(case["shared_secret"]))
    assert leader_key == unhex(case["leader_selection_key"])
    for expected in case["leaders"]:
        assert ocr_crypto.leader(leader_key, expected["epoch"], case["n"]) == expected["leader"]
    for expected in case["transmission"]:
        stages = ocr_crypto.transmission_delay_stages(
            transmission_key,
            unhex(case["config_digest"]),
            expected["epoch"],
            expected["round"],
            case["n"],
            case["s"],
        )
        delays = [None if stage is None else stage * case["delta_stage_ns"] for stage in stages]
        assert delays == expected["delay_ns_by_oracle"]


def test_permutation() -> None:
    for case in cases("permutation"):
        assert ocr_crypto.permutation(case["n"], unhex(case["key"])) == case["permutation"]


@pytest.mark.parametrize(
    "case", cases("ocr2_median_report"), ids=lambda case: f"{case['mode']}-n={case['n']}"
)
def test_report(case: dict[str, Any]) -> None:
    digest, epoch, round_, query = (
        unhex(case["config_digest"]),
        case["epoch"],
        case["round"],
        unhex(case["query"]),
    )
    observations = case["observations_in_order"]
    bodies = [unhex(observation["observation_proto"]) for observation in observations]
    observers = [observation["observer"] for observation in observations]
    attributed = []
    for observation, body in zip(observations, bodies, strict=True):
        value, juels = int192(observation["value"]), int192(observation["juels_per_fee_coin"])
        timestamp = observation["timestamp"]
        assert ocr_crypto.encode_observation(timestamp, value, juels) == body
        assert ocr_crypto.decode_observation(body) == (timestamp, value, juels, None)
        attributed.append((timestamp, value, juels, observation["observer"]))

    report = ocr_crypto.encode_report(attributed, codec_only=True)
    assert report == unhex(case["report"])
    assert len(report) <= case["max_report_length"]
    timestamp, raw_observers, values, juels = ocr_crypto.decode_report(report)
    assert timestamp == case["observations_timestamp"]
    assert raw_observers.ljust(32, b"\0") == unhex(case["raw_observers"])
    assert values[len(values) // 2] == int192(case["median"])
    assert ocr_crypto.median_packed([value for _, value, _, _ in attributed]) == int192(case["median"])
    assert juels == int192(case["juels_per_fee_coin"])

    extra_hash = ocr_crypto.inputs_hash(query, list(zip(bodies, observers, strict=True)))
    assert extra_hash == unhex(case["extra_hash"])
    assert ocr_crypto.report_context(digest, epoch, round_, extra_hash) == b"".join(
        unhex(word) for word in case["raw_report_context"]
    )
    assert ocr_crypto.keccak256(report) == unhex(case["report_hash"])
    signing_hash = unhex(case["signing_hash"])
    assert ocr_crypto.report_signing_hash(digest, epoch, round_, extra_hash, report) == signing_hash
    for signed in case.get("signatures", []):
        signer, signature = (
            ocr_crypto.OnchainSigner(unhex(signed["onchain_sk"])),
            unhex(signed["signature"]),
        )
        assert signer.address == unhex(signed["address"])
        assert signer.sign_report(digest, epoch, round_, extra_hash, report) == signature
        assert ocr_crypto.secp256k1_sign(unhex(signed["onchain_sk"]), signing_hash) == signature
        assert ocr_crypto.recover_address(signing_hash, signature) == signer.address


@pytest.mark.parametrize(
    "case",
    [case for case in cases("ocr2_median_report") if "signed_observations" in case],
    ids=lambda case: f"n={case['n']}",
)
def test_signed_observations(case: dict[str, Any]) -> None:
    digest, epoch, round_, query = (
        unhex(case["config_digest"]),
        case["epoch"],
        case["round"],
        unhex(case["query"]),
    )
    # The vectors' oracles have the same keys in every file.
    known = {
        oracle["onchain_sk"]: oracle for config in cases("ocr2_set_config") for oracle in config["oracles"]
    }
    oracles = [known[signed["onchain_sk"]] for signed in case["signatures"]]
    committee = ocr_crypto.Committee(
        digest,
        case["f"],
        [unhex(oracle["offchain_public_key"]) for oracle in oracles],
        [unhex(oracle["onchain_address"]) for oracle in oracles],
    )
    assert committee.weak_keys == []
    bodies = {
        observation["observer"]: unhex(observation["observation_proto"])
        for observation in case["observations_in_order"]
    }
    request = []
    for signed in case["signed_observations"]:
        oracle, signature = signed["oracle"], unhex(signed["ed25519_signature"])
        body = bodies[oracle]
        signer = ocr_crypto.OffchainSigner(unhex(oracles[oracle]["offchain_sk_seed"]))
        assert signer.sign_observation(digest, epoch, round_, query, body) == signature
        assert ocr_crypto.ed25519_verify(signer.public_key, unhex(signed["message"]), signature)
        assert committee.verify_observation(epoch, round_, query, body, oracle, signature)
        request.append((body, signature, oracle))
    assert committee.verify_observations(epoch, round_, query, request) == [True] * len(request)
    signing_hash = unhex(case["signing_hash"])
    signatures = [(unhex(signed["signature"]), signed["oracle"]) for signed in case["signatures"]]
    need = case["f"] + 1
    assert committee.verify_report_signatures(signing_hash, signatures, need) == (
        [oracle for _, oracle in signatures[:need]],
        [],
    )
    for signature, oracle in signatures:
        assert committee.verify_report_signature(signing_hash, oracle, signature)


def test_report_of_the_whole_way() -> None:
    for case in cases("ocr2_median_report_full_path"):
        attributed = []
        for item in case["attributed_observations"]:
            body = ocr_crypto.decode_observation(unhex(item["observation"]))
            if body is not None:
                attributed.append((*body[:3], item["observer"]))
        assert ocr_crypto.encode_report(attributed) == unhex(case["report"])
        assert ocr_crypto.encode_report(attributed, codec_only=True) == unhex(case["buildreport_alone"])


@pytest.mark.parametrize("case", cases("ocr2_median_observation_malleable"), ids=lambda case: case["what"])
def test_observation_malleable(case: dict[str, Any]) -> None:
    body = ocr_crypto.decode_observation(unhex(case["observation"]))
    if case.get("dropped"):
        assert body is None
    else:
        assert body is not None
        assert ocr_crypto.encode_report([(*body[:3], 9)]) == unhex(case["report"])


def plugin_committee(case: dict[str, Any]) -> ocr_crypto.Committee:
    return ocr_crypto.Committee(
        unhex(case["config_digest"]),
        case["f"],
        [ocr_crypto.ed25519_public_key(seed(oracle)) for oracle in range(case["n"])],
        [ocr_crypto.secp256k1_address(seed(oracle)) for oracle in range(case["n"])],
    )


@pytest.mark.parametrize(
    "case", cases("ocr2_median_plugin"), ids=lambda case: f"{case['mode']}-n={case['n']}"
)
def test_the_report_step_of_a_follower(case: dict[str, Any]) -> None:
    committee, epoch, round_ = plugin_committee(case), case["epoch"], case["round"]
    request = []
    for item in case["attributed_observations"]:
        body, observer = unhex(item["observation"]), item["observer"]
        signer = ocr_crypto.OffchainSigner(seed(observer))
        signature = signer.sign_observation(committee.config_digest, epoch, round_, b"", body)
        request.append((body, signature, observer))
    extra_hash = unhex(case["extra_hash"])
    assert ocr_crypto.inputs_hash(b"", [(body, observer) for body, _, observer in request]) == extra_hash
    if "error" in case:
        with pytest.raises(ocr_crypto.RefusedReportRequest) as refused:
            committee.verify_and_build_report(epoch, round_, b"", request)
        assert (refused.value.rule, refused.value.oracle) == ("too_few_decodable", None)
        return
    built = committee.verify_and_build_report(epoch, round_, b"", request)
    assert built.extra_hash == extra_hash
    timestamp, _, values, juels = ocr_crypto.decode_report(built.report)
    assert (built.observations_timestamp, built.juels24) == (timestamp, juels)
    assert built.median24 == values[len(values) // 2]
    left_out = [observer for body, _, observer in request if ocr_crypto.decode_observation(body) is None]
    assert built.left_out == left_out
    assert built.signing_hash == ocr_crypto.report_signing_hash(
        committee.config_digest, epoch, round_, extra_hash, built.report
    )
    if "report" in case:
        assert built.report == unhex(case["report"])


@pytest.mark.parametrize("case", go_verdicts("go_ed25519"), ids=lambda case: case["what"])
def test_ed25519_has_gos_verdict(case: dict[str, Any]) -> None:
    key, message, signature = unhex(case["public_key"]), unhex(case["message"]), unhex(case["signature"])
    assert ocr_crypto.ed25519_verify(key, message, signature) == case["verdict"]


def test_observations_are_read_as_by_libocr() -> None:
    for case in go_verdicts("go_observations"):
        body = ocr_crypto.decode_observation(unhex(case["observation"]))
        if "left_out" in case:
            assert body is None, case
            continue
        assert body is not None, case
        timestamp, value, juels, gas = body
        assert (timestamp, value, juels) == (case["timestamp"], unhex(case["value"]), unhex(case["juels"]))
        assert (gas or bytes(24)) == unhex(case["gas"])
