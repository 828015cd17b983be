"""Finds this node in a published configuration, and refuses one that it cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.committee import committee_config, private_config
from ocr_peer.keystore import Keyring, PublicIdentity
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig
from ocr_peer.protocol.config import CommitteeConfig, OracleId, ReportFormat
from ocr_peer.protocol.reconfiguration import ContractConfig, Membership
from ocr_peer.wire.offchain_config import decode_offchain_config

__all__ = ["membership_reader"]


def membership_reader(
    keyring: Keyring, identity: PublicIdentity, *, unique_reports: bool, report_format: ReportFormat
) -> Callable[[ContractConfig], Membership]:
    """A function that decodes and checks a configuration from this node's point of view.

    `unique_reports` and `report_format` are the job's settings of these names. The function raises `InputError`
    when the configuration is invalid, or does not list exactly this node's keys.
    """

    def read(published: ContractConfig) -> Membership:
        offchain = decode_offchain_config(published.offchain_config)
        config = replace(
            committee_config(published, offchain), unique_reports=unique_reports, report_format=report_format
        )
        MedianOffchainConfig.decode(config.reporting_plugin_config)
        MedianLimits.decode(config.onchain_config)
        own_id = _own_id(config, identity)
        decrypt = partial(_decrypt, keyring)
        return Membership(config, private_config(offchain, own_id, decrypt), own_id)

    return read


def _decrypt(keyring: Keyring, point: bytes, secret_hash: bytes, encryption: bytes) -> bytes:
    return crypto.decrypt_shared_secret(keyring.config_encryption_secret, point, secret_hash, encryption)


def _own_id(config: CommitteeConfig, identity: PublicIdentity) -> OracleId:
    signers = [member.onchain_signing_address for member in config.oracles]
    own_signer = bytes(identity.onchain_signing_address)
    if own_signer not in signers:
        raise InputError(
            "signers",
            "0x" + own_signer.hex(),
            f"this node's on-chain signing key is not in configuration 0x{config.config_digest.hex()}",
            "have setConfig list it, or use the keystore that is listed",
        )
    index = signers.index(own_signer)
    member = config.oracles[index]
    pairs = {
        "offchainPublicKeys": (
            "0x" + member.offchain_public_key.hex(),
            "0x" + identity.offchain_public_key.hex(),
        ),
        "peerIds": (member.peer_id, identity.peer_id),
        "transmitters": (member.transmit_account, checksum_address(identity.transmitter_address)),
    }
    for name, (configured, own) in pairs.items():
        if configured != own:
            raise InputError(
                f"{name}[{index}]",
                configured,
                f"the configuration lists this for oracle {index}, but this node has {own}",
                "have setConfig list this node's key, or use the keystore that is listed",
            )
    return OracleId(index)
