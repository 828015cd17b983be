"""`ocr2_set_config`: whole arguments of `setConfig`, with every private key that went into them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ocr_peer import crypto
from ocr_peer.conformance.config_digest import expect_config_digest
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import INT64_MAX, UINT8_MAX, UINT32_MAX, UINT64_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.committee import CommitteeMember, build_offchain_config, committee_config, private_config
from ocr_peer.keystore.identity import peer_id_text
from ocr_peer.protocol.config import MAX_ORACLES, ConfigDigest, Duration, OracleId, OracleIdentity
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.wire.offchain_config import (
    OffchainConfig,
    OffchainParameters,
    decode_offchain_config,
    encode_offchain_config,
)

__all__ = ["run_set_config"]

_KEY_BYTES, _SECRET_BYTES, _HASH_BYTES = 32, 16, 32

_DURATIONS = {
    "delta_progress": "delta_progress_ns",
    "delta_resend": "delta_resend_ns",
    "delta_round": "delta_round_ns",
    "delta_grace": "delta_grace_ns",
    "delta_stage": "delta_stage_ns",
    "max_duration_query": "max_duration_query_ns",
    "max_duration_observation": "max_duration_observation_ns",
    "max_duration_report": "max_duration_report_ns",
    "max_duration_should_accept": "max_duration_should_accept_finalized_report_ns",
    "max_duration_should_transmit": "max_duration_should_transmit_accepted_report_ns",
}
"""Our name of a duration, and the vector's."""
_INITIALIZATION = "max_duration_initialization_ns"


@dataclass(frozen=True, slots=True)
class _Oracle:
    """An oracle as the vector states it."""

    record: Record
    identity: OracleIdentity
    transmitter: bytes
    config_encryption_secret: bytes
    config_encryption_key: bytes


def run_set_config(case: Record, keys: KnownKeys) -> None:
    """One case: keys, the secret's encryptions, the blob both ways, the digest, what every oracle reads."""
    oracles = [_oracle(record) for record in case.records("oracles", most=MAX_ORACLES)]
    if not oracles:
        raise case.malformed("oracles", "no oracle", "list at least one")
    case.expect_small("n", len(oracles), low=1, high=MAX_ORACLES)
    expect_config_digest(
        case,
        [oracle.identity.onchain_signing_address for oracle in oracles],
        [oracle.transmitter for oracle in oracles],
    )
    _expect_encryptions(case, oracles)
    blob = case.octets("offchain_config")
    _expect_written(case, oracles, blob)
    try:
        offchain = decode_offchain_config(blob)
    except InputError as error:
        case.equal("offchain_config", "readable", str(error))
        return
    _expect_parameters(case, offchain.parameters)
    _expect_lists(case, oracles, offchain)
    case.equal("offchain_config (written anew)", blob, encode_offchain_config(offchain))
    _expect_membership(case, oracles, offchain)


def _oracle(record: Record) -> _Oracle:
    encryption_secret = record.octets("config_encryption_sk", length=_KEY_BYTES)
    offchain_key = crypto.ed25519_public_key(record.octets("offchain_sk_seed", length=_KEY_BYTES))
    record.expect_octets("offchain_public_key", offchain_key, length=_KEY_BYTES)
    record.expect_octets(
        "config_encryption_public_key", crypto.x25519_public_key(encryption_secret), length=_KEY_BYTES
    )
    record.expect_address("onchain_address", _address_of(record, "onchain_sk"))
    record.expect_address("transmitter_address", _address_of(record, "transmitter_sk"))
    seed = record.octets("p2p_sk_seed", length=_KEY_BYTES)
    record.expect_text("peer_id", peer_id_text(crypto.ed25519_public_key(seed)))
    transmitter = record.address("transmitter_address")
    return _Oracle(
        record,
        # What is stated, so that one wrong key does not spoil every other comparison.
        OracleIdentity(
            offchain_public_key=record.octets("offchain_public_key"),
            onchain_signing_address=record.address("onchain_address"),
            peer_id=record.text("peer_id"),
            transmit_account=checksum_address(transmitter),
        ),
        transmitter,
        encryption_secret,
        record.octets("config_encryption_public_key"),
    )


def _address_of(record: Record, name: str) -> bytes:
    try:
        return crypto.secp256k1_address(record.octets(name, length=_KEY_BYTES))
    except ValueError:
        raise record.malformed(
            name, "no secp256k1 secret key", "write 1 … n-1, n the group's order"
        ) from None


def _expect_encryptions(case: Record, oracles: list[_Oracle]) -> None:
    secret = case.octets("shared_secret", length=_SECRET_BYTES)
    point, secret_hash, encryptions = crypto.encrypt_shared_secret(
        secret,
        case.octets("ephemeral_sk", length=_KEY_BYTES),
        [oracle.config_encryption_key for oracle in oracles],
    )
    case.expect_octets("diffie_hellman_point", point, length=_KEY_BYTES)
    case.expect_octets("shared_secret_hash", secret_hash, length=_HASH_BYTES)
    case.expect_octets_list("encryptions", encryptions, length=_SECRET_BYTES)
    leader_key, transmission_key = crypto.derive_shared_secret_keys(secret)
    case.expect_octets("leader_selection_key", leader_key, length=_SECRET_BYTES)
    case.expect_octets("transmission_order_key", transmission_key, length=_SECRET_BYTES)


def _stated_parameters(case: Record) -> OffchainParameters:
    return OffchainParameters(
        **{name: Duration(case.wide(stated, high=INT64_MAX)) for name, stated in _DURATIONS.items()},
        r_max=case.small("r_max", high=UINT8_MAX),
        stage_sizes=tuple(case.smalls("s", high=UINT32_MAX)),
        reporting_plugin_config=case.octets("reporting_plugin_config"),
        max_duration_initialization=(
            None
            if case.raw(_INITIALIZATION) is None
            else Duration(case.wide(_INITIALIZATION, high=INT64_MAX))
        ),
    )


def _expect_written(case: Record, oracles: list[_Oracle], blob: bytes) -> None:
    """The configurator's side: parameters, identities and secrets make the same bytes."""
    config = build_offchain_config(
        _stated_parameters(case),
        [CommitteeMember(oracle.identity, oracle.config_encryption_key) for oracle in oracles],
        shared_secret=case.octets("shared_secret"),
        ephemeral_secret=case.octets("ephemeral_sk"),
    )
    case.equal("offchain_config", blob, encode_offchain_config(config))


def _expect_parameters(case: Record, parameters: OffchainParameters) -> None:
    for name, stated in _DURATIONS.items():
        case.expect_wide(stated, getattr(parameters, name), high=INT64_MAX)
    case.expect_wide_or_null(_INITIALIZATION, parameters.max_duration_initialization, high=INT64_MAX)
    case.expect_small("r_max", parameters.r_max, high=UINT8_MAX)
    case.expect_smalls("s", list(parameters.stage_sizes), high=UINT32_MAX)
    case.expect_octets("reporting_plugin_config", parameters.reporting_plugin_config)


def _expect_lists(case: Record, oracles: list[_Oracle], offchain: OffchainConfig) -> None:
    """What the blob says of every oracle, and of the secret."""
    n = len(oracles)
    case.equal("offchain_config (public keys)", n, len(offchain.offchain_public_keys))
    case.equal("offchain_config (peer ids)", n, len(offchain.peer_ids))
    for oracle, key, peer_id in zip(oracles, offchain.offchain_public_keys, offchain.peer_ids, strict=False):
        oracle.record.expect_octets("offchain_public_key", key)
        oracle.record.expect_text("peer_id", peer_id)
    secret = offchain.shared_secret
    case.expect_octets("diffie_hellman_point", secret.diffie_hellman_point)
    case.expect_octets("shared_secret_hash", secret.shared_secret_hash)
    case.expect_octets_list("encryptions", list(secret.encryptions))


def _expect_membership(case: Record, oracles: list[_Oracle], offchain: OffchainConfig) -> None:
    """The node's side: the whole is a configuration to run with, and every oracle finds itself and the keys."""
    published = ContractConfig(
        config_digest=ConfigDigest(case.octets("config_digest")),
        config_count=case.wide("config_count", high=UINT64_MAX),
        signers=tuple(oracle.identity.onchain_signing_address for oracle in oracles),
        transmitters=tuple(oracle.transmitter for oracle in oracles),
        f=case.small("f", high=UINT8_MAX),
        onchain_config=case.octets("onchain_config"),
        offchain_config_version=case.wide("offchain_config_version", high=UINT64_MAX),
        offchain_config=case.octets("offchain_config"),
        block_number=1,
    )
    try:
        committee = committee_config(published, offchain)
    except InputError as error:
        case.equal("offchain_config (as a committee)", "accepted", str(error))
        return
    for oracle, identity in zip(oracles, committee.oracles, strict=True):
        oracle.record.equal("(identity)", oracle.identity, identity)
    secret = offchain.shared_secret
    read = []
    for index, oracle in enumerate(oracles):
        decrypt = partial(crypto.decrypt_shared_secret, oracle.config_encryption_secret)
        try:
            private = private_config(offchain, OracleId(index), decrypt)
            own = decrypt(secret.diffie_hellman_point, secret.shared_secret_hash, secret.encryptions[index])
        except (InputError, ValueError) as error:
            read.append(f"oid={index} {error}")
            continue
        read.append(f"oid={index} secret=0x{own.hex()}")
        oracle.record.equal("(leader key)", case.octets("leader_selection_key"), private.leader_key)
        oracle.record.equal(
            "(transmission key)", case.octets("transmission_order_key"), private.transmission_key
        )
    case.expect_texts("decrypted_by_each_oracle", read)
