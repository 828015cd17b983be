"""From what a contract publishes to the committee that the protocol runs with, and back.

Rules: libocr `offchainreporting2plus/internal/config/ocr2config/{public_config,shared_config}.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.protocol.config import CommitteeConfig, OracleId, OracleIdentity, PrivateConfig
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.wire.offchain_config import (
    OFFCHAIN_CONFIG_VERSION,
    OffchainConfig,
    OffchainParameters,
    SharedSecretEncryptions,
)

__all__ = ["CommitteeMember", "build_offchain_config", "committee_config", "private_config"]


@dataclass(frozen=True, slots=True)
class CommitteeMember:
    """An oracle as the configurator needs to know it."""

    identity: OracleIdentity
    config_encryption_public_key: bytes
    """x25519, 32 bytes: the shared secret is encrypted to it."""


def committee_config(published: ContractConfig, offchain: OffchainConfig) -> CommitteeConfig:
    """Join the contract's half and the off-chain half of a configuration, checked.

    Raises:
        InputError: unknown version, lists of different lengths, or a rule of `CommitteeConfig.check`.
    """
    if published.offchain_config_version != OFFCHAIN_CONFIG_VERSION:
        raise InputError(
            "offchainConfigVersion",
            published.offchain_config_version,
            f"this node speaks OCR2, version {OFFCHAIN_CONFIG_VERSION}",
            "configure the contract for OCR2",
        )
    _check_lengths(published, offchain)
    parameters = offchain.parameters
    _check_budgets(parameters)
    config = CommitteeConfig(
        config_digest=published.config_digest,
        f=published.f,
        oracles=tuple(
            OracleIdentity(offchain_public_key, signer, peer_id, checksum_address(transmitter))
            for offchain_public_key, signer, peer_id, transmitter in zip(
                offchain.offchain_public_keys,
                published.signers,
                offchain.peer_ids,
                published.transmitters,
                strict=True,
            )
        ),
        delta_progress=parameters.delta_progress,
        delta_resend=parameters.delta_resend,
        delta_round=parameters.delta_round,
        delta_grace=parameters.delta_grace,
        delta_stage=parameters.delta_stage,
        r_max=parameters.r_max,
        stage_sizes=parameters.stage_sizes,
        reporting_plugin_config=parameters.reporting_plugin_config,
        max_duration_query=parameters.max_duration_query,
        max_duration_observation=parameters.max_duration_observation,
        max_duration_report=parameters.max_duration_report,
        max_duration_should_accept=parameters.max_duration_should_accept,
        max_duration_should_transmit=parameters.max_duration_should_transmit,
        onchain_config=published.onchain_config,
    )
    config.check()
    return config


def private_config(
    offchain: OffchainConfig, oracle: OracleId, decrypt: Callable[[bytes, bytes, bytes], bytes]
) -> PrivateConfig:
    """Recover the committee's keys as one of its members.

    Args:
        offchain: the configuration.
        oracle: the own index in it.
        decrypt: `crypto.decrypt_shared_secret` with the own x25519 secret filled in: takes the Diffie-Hellman
            point, the hash of the secret and the own encryption, raises `ValueError` where they do not fit.

    Raises:
        InputError: not encrypted to this oracle's key.
    """
    secrets = offchain.shared_secret
    if not 0 <= oracle < len(secrets.encryptions):
        raise InputError(
            "sharedSecretEncryptions",
            f"{len(secrets.encryptions)} entries",
            f"none for oracle {oracle}",
            "add it",
        )
    encryption = secrets.encryptions[oracle]
    try:
        secret = decrypt(secrets.diffie_hellman_point, secrets.shared_secret_hash, encryption)
    except ValueError as error:
        raise InputError(
            f"sharedSecretEncryptions[{oracle}]",
            "0x" + encryption.hex(),
            f"not encrypted to this oracle's config encryption key ({error})",
            "give the configurator the key that this node holds, and set the configuration anew",
        ) from None
    leader_key, transmission_key = crypto.derive_shared_secret_keys(secret)
    return PrivateConfig(leader_key, transmission_key)


def build_offchain_config(
    parameters: OffchainParameters,
    members: Sequence[CommitteeMember],
    *,
    shared_secret: bytes,
    ephemeral_secret: bytes,
) -> OffchainConfig:
    """What a configurator publishes for `members`.

    Args:
        parameters: timing and plugin parameters.
        members: by oracle id, the order of `signers` in `setConfig`.
        shared_secret: 16 fresh random bytes.
        ephemeral_secret: x25519 secret key, 32 fresh random bytes, to be forgotten afterwards.

    Raises:
        InputError: a config encryption key is no key.
    """
    public_keys = [member.config_encryption_public_key for member in members]
    try:
        point, secret_hash, encryptions = crypto.encrypt_shared_secret(
            shared_secret, ephemeral_secret, public_keys
        )
    except ValueError as error:
        raise InputError(
            "configEncryptionPublicKeys",
            f"{len(public_keys)} keys",
            str(error),
            "ask that oracle for its key again",
        ) from None
    return OffchainConfig(
        parameters=parameters,
        offchain_public_keys=tuple(member.identity.offchain_public_key for member in members),
        peer_ids=tuple(member.identity.peer_id for member in members),
        shared_secret=SharedSecretEncryptions(point, secret_hash, tuple(encryptions)),
    )


def _check_lengths(published: ContractConfig, offchain: OffchainConfig) -> None:
    n = len(published.signers)
    columns: dict[str, Sequence[object]] = {
        "transmitters": published.transmitters,
        "offchainConfig.offchainPublicKeys": offchain.offchain_public_keys,
        "offchainConfig.peerIds": offchain.peer_ids,
        "offchainConfig.sharedSecretEncryptions": offchain.shared_secret.encryptions,
    }
    for name, column in columns.items():
        if len(column) != n:
            raise InputError(
                name, f"{len(column)} entries", f"there are {n} signers", "configure one per oracle"
            )


def _check_budgets(parameters: OffchainParameters) -> None:
    """Budgets must not be negative, or they would hide each other in the sums that `check` forms."""
    budgets = {
        "max_duration_query": parameters.max_duration_query,
        "max_duration_observation": parameters.max_duration_observation,
        "max_duration_report": parameters.max_duration_report,
        "max_duration_should_accept": parameters.max_duration_should_accept,
        "max_duration_should_transmit": parameters.max_duration_should_transmit,
    }
    for name, budget in budgets.items():
        if budget < 0:
            raise InputError(name, f"{budget} ns", "a negative duration", "set less than 2^63 ns")
