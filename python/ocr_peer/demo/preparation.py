"""A local committee from nothing: keys, contract, configuration, and one folder per node."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from ocr_peer import crypto
from ocr_peer.demo.options import DemoTiming
from ocr_peer.demo.price_service import observation_source
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import encode_set_config
from ocr_peer.evm.committee import CommitteeMember, build_offchain_config, committee_config
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.job import Job, job_toml
from ocr_peer.keystore import (
    KDF_COST,
    Keyring,
    PublicIdentity,
    create_password_file,
    public_identity,
    read_password,
    save_keyring,
)
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig
from ocr_peer.pipeline import parse_pipeline
from ocr_peer.protocol.config import SECOND, Duration, OracleIdentity, PrivateConfig, ReportFormat
from ocr_peer.protocol.schedule import Schedule
from ocr_peer.settings import (
    ChainSettings,
    KeystoreSettings,
    LogSettings,
    P2PSettings,
    P2PV2Settings,
    RpcNodeSettings,
    Settings,
    render_node_toml,
)
from ocr_peer.wire.offchain_config import OffchainParameters, encode_offchain_config

__all__ = [
    "CHAIN_ID",
    "ETHER",
    "FEED_NAME",
    "DeployedFeed",
    "Member",
    "deploy_feed",
    "feed_job",
    "member",
    "node_settings",
    "owner_key",
    "write_folder",
]

CHAIN_ID = 1337
FEED_NAME = "EUR / USD"
ETHER = 10**18
_DECIMALS = 8
_HEARTBEAT_S = 60
"""Longest time between two answers: the oracles keep it, the contract tells consumers."""
_LIMITS = MedianLimits(1, 10**6 * 10**_DECIMALS)


@dataclass(frozen=True, slots=True)
class Member:
    """One node of the demo: its keys and its folder."""

    keyring: Keyring
    identity: PublicIdentity
    directory: Path


@dataclass(frozen=True, slots=True)
class DeployedFeed:
    """The aggregator after `setConfig`."""

    contract: str
    """Checksummed address."""
    schedule: Schedule
    """The committee's own; the demo knows it because it dealt the committee's secret."""


def member(seed: int, name: str, directory: Path) -> Member:
    """A node whose keys the seed decides, so that the same seed makes the same committee."""
    roles = ("peer", "offchain", "config", "onchain", "transmitter")
    keyring = Keyring(*(_secret(seed, name, role) for role in roles))
    return Member(keyring, public_identity(keyring), directory)


def owner_key(seed: int) -> bytes:
    """secp256k1 secret of the account that deploys and configures the aggregator."""
    return _secret(seed, "owner", "account")


async def deploy_feed(
    owner: OwnerAccount,
    members: Sequence[Member],
    timing: DemoTiming,
    seed: int,
    report_format: ReportFormat = ReportFormat.OCR2,
) -> DeployedFeed:
    """Deploy the aggregator that takes this format, and configure the members as its committee.

    Raises:
        OperatingError: the chain refused something.
    """
    n = len(members)
    f = (n - 1) // 3
    contract = await owner.deploy(
        AggregatorArguments(
            _LIMITS.minimum,
            _LIMITS.maximum,
            _DECIMALS,
            FEED_NAME,
            max_age_s=_max_age_s(n, timing),
            heartbeat_s=_HEARTBEAT_S,
            report_format=report_format,
        )
    )
    shared_secret = _secret(seed, "committee", "shared secret")[:16]
    offchain = build_offchain_config(
        _parameters(n, timing),
        [
            CommitteeMember(
                OracleIdentity(
                    one.identity.offchain_public_key,
                    one.identity.onchain_signing_address,
                    one.identity.peer_id,
                    checksum_address(one.identity.transmitter_address),
                ),
                one.identity.config_encryption_public_key,
            )
            for one in members
        ],
        shared_secret=shared_secret,
        ephemeral_secret=_secret(seed, "committee", "ephemeral key"),
    )
    published = await owner.set_config(
        contract,
        encode_set_config(
            signers=tuple(one.identity.onchain_signing_address for one in members),
            transmitters=tuple(one.identity.transmitter_address for one in members),
            f=f,
            onchain_config=_LIMITS.encode(),
            offchain_config_version=2,
            offchain_config=encode_offchain_config(offchain),
        ),
    )
    leader_key, transmission_key = crypto.derive_shared_secret_keys(shared_secret)
    schedule = Schedule(committee_config(published, offchain), PrivateConfig(leader_key, transmission_key))
    return DeployedFeed(checksum_address(contract), schedule)


async def write_folder(one: Member, settings: Settings, job: Job | None) -> None:
    """Write everything that `ocr-peer init` and an operator would: keys, password file, node.toml, feed.toml."""

    def write() -> None:
        one.directory.mkdir(parents=True, mode=0o700)
        password_file = one.directory / "password"
        create_password_file(password_file)
        password = read_password(password_file, {})
        save_keyring(one.keyring, one.directory / "keys", password, kdf_n=KDF_COST["light"])
        if job is not None:
            (one.directory / "feed.toml").write_text(job_toml(job))
        (one.directory / "node.toml").write_text(render_node_toml(settings, one.directory))

    await trio.to_thread.run_sync(write)


def node_settings(one: Member, rpc_url: str | None, port: int = 0) -> Settings:
    """A `node.toml` for a node of this machine; without an endpoint it is a bootstrap node's."""
    folder = one.directory
    chains = () if rpc_url is None else (ChainSettings(CHAIN_ID, (RpcNodeSettings("devnet", rpc_url),)),)
    return Settings(
        data_dir=folder / "data",
        jobs=() if rpc_url is None else (folder / "feed.toml",),
        log=LogSettings("debug", json_console=True),
        keystore=KeystoreSettings(folder / "keys", folder / "password", "light"),
        p2p=P2PSettings(
            P2PV2Settings(
                listen_addresses=(f"/ip4/127.0.0.1/tcp/{port}",),
                delta_reconcile=Duration(2 * SECOND),
            )
        ),
        evm=chains,
    )


def feed_job(
    oracle: int,
    contract: str,
    prices_url: str,
    budget: Duration,
    *,
    unique_reports: bool = False,
    report_format: ReportFormat = ReportFormat.OCR2,
) -> Job:
    """The feed as one oracle's job file says it; a source must answer in four fifths of the budget."""
    return Job(
        name=FEED_NAME,
        contract_id=contract,
        chain_id=CHAIN_ID,
        observation_source=parse_pipeline(observation_source(prices_url, oracle, timeout_ns=budget * 4 // 5)),
        # Nobody bills anybody here: the coin's price is the constant 0.
        juels_per_fee_coin_source=parse_pipeline('juels [type="memo" value="0"];'),
        contract_config_confirmations=1,
        contract_config_tracker_poll_interval_ns=5 * SECOND,
        unique_reports=unique_reports,
        report_format=report_format,
    )


def _max_age_s(n: int, timing: DemoTiming) -> int:
    """Two heartbeats, and long enough for the last oracle's turn to transmit."""
    return max(2 * _HEARTBEAT_S, _HEARTBEAT_S + n * timing.delta_stage // SECOND)


def _parameters(n: int, timing: DemoTiming) -> OffchainParameters:
    # Every round is worth a report; while one is under way to the chain, no other is transmitted.
    plugin = MedianOffchainConfig(
        alpha_report_infinite=False,
        alpha_report_ppb=0,
        alpha_accept_infinite=True,
        alpha_accept_ppb=0,
        delta_c=Duration(_HEARTBEAT_S * SECOND),
    )
    chain_read = Duration(2 * SECOND)
    return OffchainParameters(
        delta_progress=timing.delta_progress,
        delta_resend=timing.delta_resend,
        delta_round=timing.delta_round,
        delta_grace=timing.delta_grace,
        delta_stage=timing.delta_stage,
        r_max=timing.r_max,
        stage_sizes=(1,) * n,
        reporting_plugin_config=plugin.encode(),
        max_duration_query=Duration(0),
        max_duration_observation=timing.max_duration_observation,
        max_duration_report=chain_read,
        max_duration_should_accept=chain_read,
        max_duration_should_transmit=chain_read,
    )


def _secret(seed: int, name: str, role: str) -> bytes:
    return hashlib.sha256(f"ocr-peer demo/{seed}/{name}/{role}".encode()).digest()
