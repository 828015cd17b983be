"""Which blobs the decoder takes, field by field as Go does, and what no committee may run with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocr_peer.errors import InputError
from ocr_peer.evm.committee import build_offchain_config, committee_config, private_config
from ocr_peer.protobuf import varint
from ocr_peer.protocol.config import ConfigDigest, Duration, OracleId
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.wire.offchain_config import (
    MAX_OFFCHAIN_CONFIG_BYTES,
    OffchainConfig,
    OffchainParameters,
    decode_offchain_config,
    encode_offchain_config,
)
from tests.unit.test_evm_feed import PARAMETERS, members, seed, transmitters


def built(**changes: Any) -> OffchainConfig:
    return build_offchain_config(
        replace(PARAMETERS, **changes),
        members(),
        shared_secret=b"s" * 16,
        ephemeral_secret=seed("ephemeral", 0),
    )


def published(**changes: Any) -> ContractConfig:
    config = ContractConfig(
        config_digest=ConfigDigest(bytes(32)),
        config_count=1,
        signers=tuple(member.identity.onchain_signing_address for member in members()),
        transmitters=transmitters(),
        f=1,
        onchain_config=b"",
        offchain_config_version=2,
        offchain_config=b"",
        block_number=1,
    )
    return replace(config, **changes)


BLOB = encode_offchain_config(built())
SECRET = BLOB[BLOB.index(b"\x82\x01") :]
"""Field 16 and what follows."""


@pytest.mark.parametrize(
    ("extra", "name", "value"),
    [
        (b"\x30\x85\x02", "r_max", 5),  # 261: the lowest byte
        (b"\x30\x81\x80\x80\x80\x10", "r_max", 1),  # bits above 32 are cut off first
        (b"\x30\x87\x00", "r_max", 7),  # more bytes than needed
        (b"\x35\x07\x00\x00\x00", "r_max", 10),  # fixed32 is another type, so another field
        (b"\x38\x05", "stage_sizes", (1, 1, 2, 5)),  # not packed
        (b"\x3a\x02\x05\x06", "stage_sizes", (1, 1, 2, 5, 6)),  # packed, a second time
        (b"\x3a\x00", "stage_sizes", (1, 1, 2)),
        (b"\x3a\x06\x81\x80\x80\x80\x80\x20", "stage_sizes", (1, 1, 2, 1)),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "delta_progress", -1),
        (b"\x08" + b"\x80" * 9 + b"\x01", "delta_progress", -(2**63)),
        (b"\x08" + b"\xff" * 8 + b"\x7f", "delta_progress", 2**63 - 1),
        (b"\x0a\x01x", "delta_progress", PARAMETERS.delta_progress),
        (b"\x52\x00", "reporting_plugin_config", b""),
        (b"\x88\x01\x00", "max_duration_initialization", 0),
        (b"\xa3\x06\xa4\x06", "r_max", 10),  # a group of an unknown field
    ],
)
def test_leniency(extra: bytes, name: str, value: object) -> None:
    assert getattr(decode_offchain_config(BLOB + extra).parameters, name) == value


def test_every_number_has_its_field() -> None:
    durations = [
        name for name in OffchainParameters.__slots__ if name.startswith(("delta_", "max_duration_"))
    ]
    distinct = {name: Duration(1000 + place) for place, name in enumerate(durations)}
    parameters = replace(PARAMETERS, **distinct, r_max=7, stage_sizes=(3, 2**32 - 1))  # type: ignore[arg-type]
    decoded = decode_offchain_config(encode_offchain_config(replace(built(), parameters=parameters)))
    assert decoded.parameters == parameters


def test_what_is_zero_or_empty_is_left_out_and_read_back() -> None:
    nothing = {name: Duration(0) for name in OffchainParameters.__slots__ if name.startswith("delta_")}
    parameters = replace(PARAMETERS, **nothing, r_max=0, stage_sizes=(), reporting_plugin_config=b"")  # type: ignore[arg-type]
    blob = encode_offchain_config(replace(built(), parameters=parameters))
    # Fields 1 to 7 and 10 to 11 are missing: the public keys come first, max_duration_observation after the peers.
    assert blob.startswith(b"\x42\x20")
    peers = b"".join(b"\x4a%c%s" % (len(peer), peer.encode()) for peer in built().peer_ids)
    assert peers + b"\x60" in blob
    assert decode_offchain_config(blob).parameters == parameters


def test_the_longest_blob_that_is_read() -> None:
    rest = MAX_OFFCHAIN_CONFIG_BYTES - len(BLOB)
    padding = b"\xa2\x06" + varint(rest - 5) + bytes(rest - 5)  # an unknown field
    assert len(BLOB + padding) == MAX_OFFCHAIN_CONFIG_BYTES
    assert decode_offchain_config(BLOB + padding) == built()
    with pytest.raises(InputError, match="2000001 bytes"):
        decode_offchain_config(BLOB + b"\xa0\x06\x01" + padding[:-2])


@pytest.mark.parametrize(
    ("blob", "problem"),
    [
        (b"", "Diffie-Hellman point has 0 bytes"),
        (BLOB[:-1], "not protobuf"),
        (BLOB + b"\x00", "not protobuf"),
        (BLOB + b"\x42\x01x", "offchain public key 4 has 1 bytes instead of 32"),
        (BLOB + b"\x4a\x01\xff", "peer id 4 is not UTF-8"),
        (BLOB + b"\x3a\x01\x80", "the stage sizes are no list of numbers"),
        (BLOB + b"\x3a\x0b" + b"\x80" * 10 + b"\x01", "the stage sizes are no list of numbers"),
        (BLOB + b"\x3a\x0a" + b"\xff" * 9 + b"\x02", "the stage sizes are no list of numbers"),
        (BLOB + b"\x82\x01\x02\x0a\x00", "Diffie-Hellman point has 0 bytes"),
        (BLOB + b"\x82\x01\x02\x12\x00", "shared secret hash has 0 bytes"),
        (BLOB + b"\x82\x01\x03\x1a\x01x", "shared secret encryption 4 has 1 bytes"),
        (BLOB + b"\x82\x01\x01\x1a", "not protobuf"),
        (bytes(MAX_OFFCHAIN_CONFIG_BYTES + 1), "bytes, more than 2000000"),
    ],
)
def test_malformed_blobs_are_refused_by_name(blob: bytes, problem: str) -> None:
    with pytest.raises(InputError, match="offchainConfig") as caught:
        decode_offchain_config(blob)
    assert problem in str(caught.value)


def test_a_blob_of_many_small_parts_is_read_in_linear_time() -> None:
    parts = b"\x82\x01\x12\x1a\x10" + b"e" * 16
    config = decode_offchain_config(BLOB + parts * 90_000)
    assert len(config.shared_secret.encryptions) == 90_004


@pytest.mark.parametrize(
    ("contract", "offchain", "field"),
    [
        ({"offchain_config_version": 3}, {}, "offchainConfigVersion"),
        ({"transmitters": ()}, {}, "transmitters"),
        ({"f": 2}, {}, "f"),
        ({"transmitters": (transmitters()[0],) * 4}, {}, "transmitters[1]"),
        ({}, {"max_duration_query": Duration(-1)}, "max_duration_query"),
        ({}, {"delta_progress": Duration(1)}, "delta_progress"),
        ({}, {"r_max": 255}, "r_max"),
        ({}, {"stage_sizes": (32,)}, "s[0]"),
    ],
)
def test_no_committee_runs_with(contract: dict[str, Any], offchain: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        committee_config(published(**contract), built(**offchain))
    assert caught.value.field == field


def test_lists_of_different_lengths_are_refused() -> None:
    offchain = built()
    for name in ("offchain_public_keys", "peer_ids"):
        with pytest.raises(InputError, match="3 entries: there are 4 signers"):
            committee_config(published(), replace(offchain, **{name: getattr(offchain, name)[:3]}))


def test_a_secret_for_somebody_else_is_no_secret() -> None:
    def decrypt(point: bytes, digest: bytes, encryption: bytes) -> bytes:
        raise ValueError("the hash differs")

    with pytest.raises(InputError, match=r"sharedSecretEncryptions\[2\].*the hash differs"):
        private_config(built(), OracleId(2), decrypt)
    with pytest.raises(InputError, match="none for oracle 4"):
        private_config(built(), OracleId(4), decrypt)


def test_a_key_that_is_no_key_is_refused_when_configuring() -> None:
    broken = [replace(members()[0], config_encryption_public_key=bytes(32)), *members()[1:]]
    with pytest.raises(InputError, match="configEncryptionPublicKeys"):
        build_offchain_config(
            PARAMETERS, broken, shared_secret=bytes(16), ephemeral_secret=seed("ephemeral", 0)
        )
