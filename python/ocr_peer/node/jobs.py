"""Loads the jobs that a node runs, and checks that its keys are the ones they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address, parse_address
from ocr_peer.job import Job, JobType, load_job
from ocr_peer.keystore import PublicIdentity
from ocr_peer.settings import ChainSettings, Settings

__all__ = ["chain_of", "check_keys", "contract_address", "contract_key", "load_jobs"]

_log = structlog.get_logger(__name__)

_COMMAND = {"offchainreporting2": "ocr-peer run", "bootstrap": "ocr-peer bootstrap"}


def load_jobs(paths: Sequence[Path], wanted: JobType) -> list[Job]:
    """Load job files of one type; what they say beyond the known keys is logged.

    Raises:
        InputError: a file is wrong, or of the other type.
    """
    jobs = []
    for path in paths:
        job, warnings = load_job(path)
        for warning in warnings:
            _log.warning("job file", file=str(path), warning=str(warning))
        if job.type != wanted:
            raise InputError(
                f"{path}: type",
                job.type,
                f"`{_COMMAND[wanted]}` runs jobs of type {wanted}",
                f"use `{_COMMAND[job.type]}`",
            )
        jobs.append(job)
    return jobs


def check_keys(job: Job, path: Path, identity: PublicIdentity) -> None:
    """Refuse a job that names keys of another node.

    Raises:
        InputError: `transmitterID` or `ocrKeyBundleID` is not this node's.
    """
    transmitter = checksum_address(identity.transmitter_address)
    if job.transmitter_id not in (None, transmitter):
        raise InputError(
            f"{path}: transmitterID",
            job.transmitter_id,
            f"this node's transmitter account is {transmitter}",
            "write that account, or use the keystore that holds the other",
        )
    if job.ocr_key_bundle_id not in (None, identity.ocr_key_bundle_id):
        raise InputError(
            f"{path}: ocrKeyBundleID",
            job.ocr_key_bundle_id,
            f"this node's key bundle is {identity.ocr_key_bundle_id}",
            "write that id, or use the keystore that holds the other",
        )


def chain_of(job: Job, settings: Settings) -> ChainSettings:
    """The job's chain as the settings describe it.

    Raises:
        InputError: they do not.
    """
    chain = settings.chain(job.chain_id)
    if chain is None:
        raise InputError(
            "relayConfig.chainID",
            job.chain_id,
            f'job "{job.name}" needs a chain that node.toml does not configure',
            f"add an [[EVM]] table with ChainID = {job.chain_id}",
        )
    return chain


def contract_address(job: Job) -> bytes:
    """20 bytes of `contractID`."""
    return parse_address(job.contract_id, "contractID")


def contract_key(job: Job) -> str:
    """Names the contract in the store."""
    return f"{job.chain_id}/{job.contract_id}"
