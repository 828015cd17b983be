"""What the native module says to wrong arguments, and what it tells about itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ocr_crypto  # noqa: TID251  the module itself is under test, not the facade
import pytest

DIGEST = bytes(range(32))
VALUE = bytes(24)
SIGNERS = [ocr_crypto.OffchainSigner(bytes([index + 1]) * 32) for index in range(4)]
ONCHAIN_SIGNERS = [ocr_crypto.OnchainSigner(bytes([index + 1]) * 32) for index in range(4)]
KEYS = [signer.public_key for signer in SIGNERS]
ADDRESSES = [signer.address for signer in ONCHAIN_SIGNERS]
NO_POINT = b"\2" + bytes(31)
IDENTITY = b"\1" + bytes(31)


@pytest.fixture
def committee() -> ocr_crypto.Committee:
    return ocr_crypto.Committee(DIGEST, 1, KEYS, ADDRESSES)


def signed(observer: int, body: bytes | None = None) -> tuple[bytes, bytes, int]:
    if body is None:
        value = observer.to_bytes(24, "big")
        body = ocr_crypto.encode_observation(1_700_000_000 + observer, value, value)
    return body, SIGNERS[observer].sign_observation(DIGEST, 5, 6, b"", body), observer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ocr_crypto.ed25519_public_key(b""), "seed is 0 bytes long, must be 32"),
        (lambda: ocr_crypto.ed25519_sign(bytes(31), b""), "seed is 31 bytes long, must be 32"),
        (lambda: ocr_crypto.ed25519_verify(b"", b"", b""), "public_key is 0 bytes long, must be 32"),
        (lambda: ocr_crypto.ed25519_key_weakness(bytes(33)), "public_key is 33 bytes long, must be 32"),
        (lambda: ocr_crypto.x25519(bytes(32), b""), "point is 0 bytes long, must be 32"),
        (
            lambda: ocr_crypto.x25519(b"\1" * 32, IDENTITY),
            f"point 0x{IDENTITY.hex()} is a point of low order",
        ),
        (lambda: ocr_crypto.secp256k1_address(bytes(32)), "secp256k1 secret is not a secret key"),
        (lambda: ocr_crypto.OnchainSigner(b"\xff" * 32), "secp256k1 secret is not a secret key"),
        (lambda: ocr_crypto.recover_address(b"", b""), "digest is 0 bytes long, must be 32"),
        (lambda: ocr_crypto.permutation(1, b""), "key is 0 bytes long, must be 16"),
        (lambda: ocr_crypto.permutation(65536, bytes(16)), "n is 65536, must be 0 to 65535"),
        (lambda: ocr_crypto.permutation(-1, bytes(16)), "n is -1, must be an integer from 0 to"),
        (lambda: ocr_crypto.leader(bytes(16), 2**32, 4), "epoch is 4294967296, must be an integer from 0 to"),
        (lambda: ocr_crypto.leader(bytes(16), -1, 4), "epoch is -1, must be an integer from 0 to 4294967295"),
        (lambda: ocr_crypto.leader(bytes(16), 1, 0), "n is 0, must be 1 to 255"),
        (
            lambda: ocr_crypto.transmission_delay_stages(bytes(16), DIGEST, 1, 256, 4, [4]),
            "round is 256, must be an integer from 0 to 255",
        ),
        (
            lambda: ocr_crypto.transmission_delay_stages(bytes(16), DIGEST, 1, 1, 4, [-4]),
            "stage size is -4, must be an integer",
        ),
        (lambda: ocr_crypto.encode_observation(0, b"", VALUE), "value is 0 bytes long, must be 24"),
        (lambda: ocr_crypto.encode_observation(-1, VALUE, VALUE), "timestamp is -1, must be"),
        (
            lambda: ocr_crypto.encode_observation(0, VALUE, VALUE, b""),
            "gas_price_subunits is 0 bytes long, must be 24",
        ),
        (lambda: ocr_crypto.encode_report([]), "number of observations is 0, must be 1 to 32"),
        (
            lambda: ocr_crypto.encode_report([(0, VALUE, VALUE, 256)]),
            "observer is 256, must be an integer from 0 to 255",
        ),
        (lambda: ocr_crypto.decode_report(bytes(127)), "report is malformed: length is 127, must be"),
        (lambda: ocr_crypto.encode_packed_report([]), "number of observations is 0, must be 1 to 31"),
        (
            lambda: ocr_crypto.encode_packed_report([(0, b"", VALUE, 1)]),
            "value is 0 bytes long, must be 24",
        ),
        (lambda: ocr_crypto.decode_packed_report(b""), "report is malformed: length is 0, must be"),
        (
            lambda: ocr_crypto.packed_signing_hash(b"", 1, 1, b""),
            "config_digest is 0 bytes long, must be 32",
        ),
        (
            lambda: ONCHAIN_SIGNERS[0].sign_packed_report(DIGEST, 1, 256, b""),
            "round is 256, must be an integer from 0 to 255",
        ),
        (
            lambda: ocr_crypto.Committee(DIGEST, 1, KEYS, ADDRESSES, report_format="ocr\n3"),
            'report_format is "ocr\\n3", must be "ocr2" or "packed"',
        ),
        (lambda: ocr_crypto.median_packed([]), "number of values is 0, must be at least 1"),
        (lambda: ocr_crypto.median_packed([VALUE, b""]), "value is 0 bytes long, must be 24"),
        (
            lambda: ocr_crypto.encrypt_shared_secret(bytes(16), b"\1" * 32, [b"\3" * 32, bytes(32)]),
            "config encryption key of oracle 1, 0x00",
        ),
        (
            lambda: ocr_crypto.encrypt_shared_secret(bytes(16), b"\1" * 32, [b""]),
            "config encryption key of oracle 0 is 0 bytes long, must be 32",
        ),
        (
            lambda: ocr_crypto.decrypt_shared_secret(b"\1" * 32, bytes(32), DIGEST, bytes(16)),
            "Diffie-Hellman point 0x00",
        ),
        (
            lambda: ocr_crypto.decrypt_shared_secret(b"\1" * 32, b"\3" * 32, DIGEST, bytes(16)),
            "must be the configuration's sharedSecretHash 0x0001",
        ),
    ],
)
def test_a_wrong_argument_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match="^.*" + re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chain_id": -1}, "chain_id is -1, must be an integer from 0 to 2^256-1"),
        ({"chain_id": 2**256}, "must be an integer from 0 to 2^256-1"),
        ({"contract": b""}, "contract is 0 bytes long, must be 20"),
        ({"config_count": 2**64}, "config_count is 18446744073709551616, must be"),
        ({"signers": [bytes(20), b""]}, "signer of oracle 1 is 0 bytes long, must be 20"),
        ({"transmitters": [b""]}, "transmitter of oracle 0 is 0 bytes long, must be 20"),
        ({"f": 256}, "f is 256, must be an integer from 0 to 255"),
        ({"offchain_config_version": -1}, "offchain_config_version is -1, must be"),
    ],
)
def test_a_configuration_beyond_its_types_is_refused(change: dict[str, Any], message: str) -> None:
    config: dict[str, Any] = {
        "chain_id": 2**256 - 1,
        "contract": bytes(20),
        "config_count": 1,
        "signers": [],
        "transmitters": [],
        "f": 1,
        "onchain_config": b"",
        "offchain_config_version": 2,
        "offchain_config": b"",
    }
    assert ocr_crypto.evm_config_digest(**config)[:2] == b"\0\1"
    with pytest.raises(ValueError, match=re.escape(message)):
        ocr_crypto.evm_config_digest(**config | change)


def test_another_type_is_named_too() -> None:
    with pytest.raises(TypeError, match=r"epoch is 1\.5, must be an integer"):
        ocr_crypto.leader(bytes(16), 1.5, 4)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="chain_id is one, must be an integer"):
        ocr_crypto.evm_config_digest("one", bytes(20), 1, [], [], 1, b"", 2, b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'str' object is not an instance of 'bytes'"):
        ocr_crypto.keccak256("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((b"", 1, KEYS, ADDRESSES), "config_digest is 0 bytes long, must be 32"),
        ((DIGEST, -1, KEYS, ADDRESSES), "f is -1, must be"),
        ((DIGEST, 2, KEYS, ADDRESSES), "f is 2, must be below a third of the number of oracles"),
        ((DIGEST, 0, [], []), "number of oracles is 0, must be 1 to 31"),
        ((DIGEST, 1, KEYS, ADDRESSES[:3]), "on-chain addresses has 3 entries, must have 4"),
        (
            (DIGEST, 1, [*KEYS[:3], KEYS[1]], ADDRESSES),
            "off-chain public key of oracle 3 is that of oracle 1",
        ),
        (
            (DIGEST, 1, KEYS, [ADDRESSES[2], *ADDRESSES[1:]]),
            "on-chain address of oracle 2 is that of oracle 0",
        ),
        ((DIGEST, 1, [*KEYS[:3], b""], ADDRESSES), "off-chain public key of oracle 3 is 0 bytes long"),
        ((DIGEST, 1, KEYS, [b"", *ADDRESSES[1:]]), "on-chain address of oracle 0 is 0 bytes long"),
    ],
)
def test_a_committee_of_wrong_shape_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ocr_crypto.Committee(*arguments)


def test_a_committee_tells_what_it_was_made_of(committee: ocr_crypto.Committee) -> None:
    assert (committee.config_digest, committee.n, committee.f) == (DIGEST, 4, 1)
    assert committee.weak_keys == []
    weak = ocr_crypto.Committee(DIGEST, 1, [*KEYS[:2], IDENTITY, NO_POINT], ADDRESSES)
    assert weak.weak_keys == [(2, "small order"), (3, "undecodable")]


def test_weak_keys() -> None:
    assert ocr_crypto.ed25519_key_weakness(KEYS[0]) is None
    assert ocr_crypto.ed25519_key_weakness(NO_POINT) == "undecodable"
    assert ocr_crypto.ed25519_key_weakness(IDENTITY) == "small order"
    # y = p + 3: not canonical, a point outside the prime-order subgroup.
    assert ocr_crypto.ed25519_key_weakness((2**255 - 16).to_bytes(32, "little")) == "torsion"


def test_a_request_is_answered(committee: ocr_crypto.Committee) -> None:
    built = committee.verify_and_build_report(5, 6, b"", [signed(3), signed(1, b"\0"), signed(2)])
    assert built.left_out == [1]
    assert built.median24 == built.juels24 == (3).to_bytes(24, "big")
    assert built.observations_timestamp == 1_700_000_003
    signer = ONCHAIN_SIGNERS[2]
    signature = signer.sign_report(DIGEST, 5, 6, built.extra_hash, built.report)
    assert committee.verify_report_signature(built.signing_hash, 2, signature)
    assert not committee.verify_report_signature(built.signing_hash, 1, signature)
    assert not committee.verify_report_signature(built.signing_hash, 200, signature)
    assert repr(built).startswith("BuiltReport(report=0x0000")


def test_the_committees_format_decides_what_a_report_is(committee: ocr_crypto.Committee) -> None:
    packing = ocr_crypto.Committee(DIGEST, 1, KEYS, ADDRESSES, report_format="packed")
    assert (committee.report_format, packing.report_format) == ("ocr2", "packed")
    request = [signed(3), signed(1, b"\0"), signed(2)]
    built, plain = (one.verify_and_build_report(5, 6, b"", request) for one in (packing, committee))
    assert (built.left_out, built.median24, built.juels24) == (plain.left_out, plain.median24, plain.juels24)
    assert built.observations_timestamp == plain.observations_timestamp
    assert built.extra_hash == bytes(32) != plain.extra_hash
    assert built.signing_hash == ocr_crypto.packed_signing_hash(DIGEST, 5, 6, built.report)
    timestamp, observers, values = ocr_crypto.decode_packed_report(built.report)
    assert (timestamp, values[1]) == (built.observations_timestamp, built.median24)
    assert sorted(observers) == [2, 3]
    signature = ONCHAIN_SIGNERS[2].sign_packed_report(DIGEST, 5, 6, built.report)
    assert packing.verify_report_signature(built.signing_hash, 2, signature)
    with pytest.raises(ocr_crypto.RefusedReportRequest):
        packing.verify_and_build_report(5, 6, b"", request[:2])
    with pytest.raises(TypeError, match="report_format is 5, must be"):
        ocr_crypto.Committee(DIGEST, 1, KEYS, ADDRESSES, report_format=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "rule", "oracle"),
    [
        ([signed(0), signed(1)], "too_few_observations", None),
        ([signed(0)] * 5, "too_many_observations", None),
        ([signed(0), signed(1), (*signed(2)[:2], 4)], "observer_out_of_range", 4),
        ([signed(0), signed(1), signed(0)], "duplicate_observer", 0),
        ([signed(0), signed(1), (*signed(2)[:2], 3)], "invalid_signature", 3),
        ([signed(0), (b"", b"", 1), signed(2)], "invalid_signature", 1),
        ([signed(0), signed(1, b""), signed(2, b"\0")], "too_few_decodable", None),
    ],
)
def test_a_refusal_names_rule_and_oracle(
    committee: ocr_crypto.Committee, request_: Any, rule: str, oracle: int | None
) -> None:
    with pytest.raises(ocr_crypto.RefusedReportRequest) as refused:
        committee.verify_and_build_report(5, 6, b"", request_)
    assert (refused.value.rule, refused.value.oracle) == (rule, oracle)
    assert isinstance(refused.value, ValueError)
    if oracle is not None:
        assert str(oracle) in str(refused.value)


def test_a_query_is_refused_although_it_is_signed(committee: ocr_crypto.Committee) -> None:
    request = []
    for observer, signer in enumerate(SIGNERS):
        body = signed(observer)[0]
        request.append((body, signer.sign_observation(DIGEST, 5, 6, b"query", body), observer))
    assert committee.verify_observations(5, 6, b"query", request) == [True] * 4
    with pytest.raises(ocr_crypto.RefusedReportRequest, match="query is 5 bytes long") as refused:
        committee.verify_and_build_report(5, 6, b"query", request)
    assert refused.value.rule == "query_not_empty"


def test_verdicts_on_observations(committee: ocr_crypto.Committee) -> None:
    body, signature, _ = signed(1)
    assert committee.verify_observation(5, 6, b"", body, 1, signature)
    for epoch, round_, query, observer in [(4, 6, b"", 1), (5, 7, b"", 1), (5, 6, b"q", 1), (5, 6, b"", 2)]:
        assert not committee.verify_observation(epoch, round_, query, body, observer, signature)
    assert not committee.verify_observation(5, 6, b"", body, 255, signature)
    verdicts = committee.verify_observations(5, 6, b"", [signed(0), (body, signature, 2), (body, b"", 1)])
    assert verdicts == [True, False, False]


def test_report_signatures_are_counted_until_there_are_enough(committee: ocr_crypto.Committee) -> None:
    good = [ocr_crypto.secp256k1_sign(bytes([index + 1]) * 32, DIGEST) for index in range(4)]
    listed = [(good[1], 0), (good[2], 2), (good[2], 2), (good[3], 9), (good[3], 3), (b"", 1)]
    refused = [(0, "invalid_signature"), (2, "duplicate_signer"), (3, "signer_out_of_range")]
    assert committee.verify_report_signatures(DIGEST, listed, 2) == ([2, 3], refused)
    assert committee.verify_report_signatures(DIGEST, listed, 3) == (
        [2, 3],
        [*refused, (5, "invalid_signature")],
    )
    assert committee.verify_report_signatures(DIGEST, listed, 0) == ([], [])


def test_signers_show_no_secret() -> None:
    for signer, secret in [(SIGNERS[0], b"\1" * 32), (ONCHAIN_SIGNERS[0], b"\1" * 32)]:
        assert secret.hex() not in repr(signer)
        assert repr(signer).startswith(type(signer).__name__)
        with pytest.raises(TypeError):
            vars(signer)
    with pytest.raises(ValueError, match="not a secret key") as refused:
        ocr_crypto.OnchainSigner(b"\xff" * 32)
    assert "ff" * 8 not in str(refused.value)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (b"", []),
        (b"\x08\x05\x12\x01a\x08\x06", [(1, 0, 5), (2, 2, b"a"), (1, 0, 6)]),
        (b"\x0d\1\0\0\0\x11\2\0\0\0\0\0\0\0", [(1, 5, 1), (2, 1, 2)]),
        (b"\x08" + b"\xff" * 9 + b"\1", [(1, 0, 2**64 - 1)]),
        (b"\x88\x80\x00\x85\x00", [(1, 0, 5)]),
        (b"\x0b\x12\x01a\x13\x14\x0c\x10\7", [(2, 0, 7)]),
        (b"\xf8\xff\xff\xff\x0f\0", [(2**29 - 1, 0, 0)]),
        (b"\x80\x80\x80\x80\x10\0", None),
        (b"\x08" + b"\xff" * 9 + b"\2", None),
        (b"\x00\0", None),
        (b"\x0c", None),
        (b"\x0b", None),
        (b"\x0b\x14", None),
        (b"\x0e\0", None),
        (b"\x0a\2a", None),
        (b"\x80", None),
        (b"\x0b" * 10_001 + b"\x0c" * 10_001, []),
        (b"\x0b" * 10_002 + b"\x0c" * 10_002, None),
    ],
    ids=range(18),
)
def test_protobuf_fields(message: bytes, fields: list[Any] | None) -> None:
    assert ocr_crypto.proto_fields(message) == fields


def test_packed_varints() -> None:
    assert ocr_crypto.proto_varints(b"") == []
    assert ocr_crypto.proto_varints(b"\1\x85\0\xff\1") == [1, 5, 255]
    assert ocr_crypto.proto_varints(b"\1\x85") is None


def test_the_build_saw_the_backend_switch() -> None:
    info = ocr_crypto.build_info()
    assert info["version"] == "0.1.0"
    # Without it one verification takes 1.7 times as long: see .cargo/config.toml.
    assert info["curve25519_backend"] == "avx512"
    has_ifma = {"avx512ifma", "avx512vl"} <= set(info["cpu_features"].split(","))
    assert (info["curve25519_backend_in_use"] == "avx512") == has_ifma
    assert info["rustc"].startswith("rustc ")
