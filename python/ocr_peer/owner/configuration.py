"""A configuration before it is sent: built, checked as every oracle will check it, compared with the present one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import encode_set_config
from ocr_peer.evm.committee import CommitteeMember, build_offchain_config, committee_config
from ocr_peer.evm.freshness import conflicts
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig
from ocr_peer.owner.changes import CurrentConfiguration, changes
from ocr_peer.owner.contract_state import AggregatorState
from ocr_peer.owner.identity_file import IdentityFile
from ocr_peer.owner.parameters import DURATIONS, ParameterValue, offchain_parameters
from ocr_peer.protocol.config import MAX_ORACLES, CommitteeConfig, ConfigDigest, OracleIdentity, ReportFormat
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.wire.offchain_config import (
    MAX_OFFCHAIN_CONFIG_BYTES,
    OFFCHAIN_CONFIG_VERSION,
    decode_offchain_config,
    encode_offchain_config,
)

__all__ = ["ConfigurationPlan", "check_contract", "plan_configuration"]


@dataclass(frozen=True, slots=True)
class ConfigurationPlan:
    """What `setConfig` will be called with, and what it means."""

    calldata: bytes
    config: CommitteeConfig
    """With the digest that the contract will compute, if nobody configures it meanwhile."""
    published: ContractConfig
    changes: tuple[str, ...]
    """Against the configuration in force, one a line; empty if only the shared secret is new."""
    warnings: tuple[str, ...]


def check_contract(
    state: AggregatorState,
    account: bytes,
    *,
    report_format: ReportFormat | None = None,
    limits: tuple[int | None, int | None] = (None, None),
) -> None:
    """Refuse a contract that is not the one the owner means.

    Args:
        state: of the contract.
        account: 20 bytes, who is to call it.
        report_format: expected format, `None` for any.
        limits: expected smallest and largest answer, scaled, `None` for any.

    Raises:
        InputError: another owner, format or range.
    """
    shown = checksum_address(state.address)
    if state.owner != account:
        raise InputError(
            "--contract-address",
            shown,
            f"{checksum_address(state.owner)} owns it, not {checksum_address(account)}",
            "use the owner's key, or name a contract of this account",
        )
    if report_format is not None and report_format != state.report_format:
        letters = {ReportFormat.OCR2: "A", ReportFormat.PACKED: "B"}
        raise InputError(
            "--contract",
            letters[report_format],
            f"{shown} is {state.type_and_version or 'of no known type'}, which takes reports of format "
            f"{state.report_format.value}",
            f"write --contract {letters[state.report_format]}, or name another contract",
        )
    for option, expected, actual in (
        ("--min-answer", limits[0], state.min_answer),
        ("--max-answer", limits[1], state.max_answer),
    ):
        if expected is not None and expected != actual:
            fix = f"write {actual} or leave it out: the contract's is taken, and never changes"
            raise InputError(option, expected, f"the contract's is {actual}", fix)


def plan_configuration(
    state: AggregatorState,
    files: Sequence[tuple[Path, IdentityFile]],
    values: Mapping[str, ParameterValue],
) -> ConfigurationPlan:
    """Everything about a configuration that can be known before it is sent.

    Args:
        state: of the contract.
        files: verified identity files that share no key, by oracle id.
        values: the owner's choices (`parameters.offchain_parameters`).

    Raises:
        InputError: no oracle would run it: names the option or key, and the rule.
    """
    n = len(files)
    if n > MAX_ORACLES:
        raise InputError("--oracle", f"{n} files", f"a committee has at most {MAX_ORACLES}", "name fewer")
    parameters = offchain_parameters(values, n, state.freshness)
    _check_f(parameters.f, n, values)
    offchain = build_offchain_config(
        parameters.offchain,
        [_member(file) for _, file in files],
        shared_secret=secrets.token_bytes(16),
        ephemeral_secret=secrets.token_bytes(32),
    )
    encoded = encode_offchain_config(offchain)
    if len(encoded) > MAX_OFFCHAIN_CONFIG_BYTES:
        raise InputError(
            "offchainConfig",
            f"{len(encoded)} bytes",
            f"oracles read at most {MAX_OFFCHAIN_CONFIG_BYTES}",
            "use fewer stages",
        )
    signers = tuple(file.identity.onchain_signing_address for _, file in files)
    transmitters = tuple(file.identity.transmitter_address for _, file in files)
    onchain = MedianLimits(state.min_answer, state.max_answer).encode()
    count = state.config_details.config_count + 1
    published = ContractConfig(
        config_digest=ConfigDigest(
            crypto.evm_config_digest(
                state.chain_id,
                state.address,
                count,
                list(signers),
                list(transmitters),
                parameters.f,
                onchain,
                OFFCHAIN_CONFIG_VERSION,
                encoded,
            )
        ),
        config_count=count,
        signers=signers,
        transmitters=transmitters,
        f=parameters.f,
        onchain_config=onchain,
        offchain_config_version=OFFCHAIN_CONFIG_VERSION,
        offchain_config=encoded,
        block_number=state.head.number + 1,
    )
    # Not `offchain`: what an oracle will decode is what has to be in order.
    config = _checked(published, values)
    current = None if state.published is None else CurrentConfiguration.decode(state.published)
    changed = changes(current, CurrentConfiguration.decode(published))
    return ConfigurationPlan(
        calldata=encode_set_config(
            signers=signers,
            transmitters=transmitters,
            f=parameters.f,
            onchain_config=onchain,
            offchain_config_version=OFFCHAIN_CONFIG_VERSION,
            offchain_config=encoded,
        ),
        config=config,
        published=published,
        changes=changed,
        warnings=tuple(_warnings(state, files, config, changed)),
    )


def _member(file: IdentityFile) -> CommitteeMember:
    identity = file.identity
    return CommitteeMember(
        OracleIdentity(
            identity.offchain_public_key,
            identity.onchain_signing_address,
            identity.peer_id,
            checksum_address(identity.transmitter_address),
        ),
        identity.config_encryption_public_key,
    )


def _check_f(f: int, n: int, values: Mapping[str, ParameterValue]) -> None:
    field = values["f"].field if "f" in values else "--oracle"
    shown = f if "f" in values else f"{n} file{'s' if n != 1 else ''}"
    most = max(0, (n - 1) // 3)
    if most == 0:
        problem = f"{n} oracles tolerate no faulty one, and the contract refuses f = 0"
        raise InputError(field, shown, problem, "name the files of at least 4 oracles")
    if f == 0:
        raise InputError(field, f, "a single oracle could sign reports", f"write 1 to {most}")
    if f > most:
        raise InputError(
            field, f, f"{n} oracles tolerate at most {most}", f"write 1 to {most}, or add oracles"
        )


def _checked(published: ContractConfig, values: Mapping[str, ParameterValue]) -> CommitteeConfig:
    """The configuration as oracles read it; what they would refuse is told by the names of the owner's choices."""
    try:
        return committee_config(published, decode_offchain_config(published.offchain_config))
    except InputError as error:
        names = {attribute: key for key, (attribute, _, _) in DURATIONS.items()}
        key = names.get(error.field, error.field)
        problem = error.problem
        for attribute, name in names.items():
            problem = problem.replace(attribute, name)
        field = values[key].field if key in values else key
        raise InputError(field, error.value, problem, error.fix) from None


def _warnings(
    state: AggregatorState,
    files: Sequence[tuple[Path, IdentityFile]],
    config: CommitteeConfig,
    changed: Sequence[str],
) -> list[str]:
    found = [
        f"{path}: the transmitter {checksum_address(file.identity.transmitter_address)} has not signed the file; "
        "nothing shows that this oracle holds it"
        for path, file in files
        if file.signatures.transmitter is None
    ]
    if state.published is not None and not changed:
        found.append("this is the configuration in force: only the shared secret would be new")
    found += [f"{conflict.function}: {conflict.problem}" for conflict in conflicts(state.freshness, config)]
    if sum(config.stage_sizes) <= config.f:
        found.append(
            f"the stages hold {sum(config.stage_sizes)} transmitters, which may all be faulty with f = {config.f}"
        )
    plugin = MedianOffchainConfig.decode(config.reporting_plugin_config)
    if not plugin.alpha_report_infinite and plugin.alpha_report_ppb == 0:
        found.append("alphaReport is 0: every round is transmitted, and paid for")
    return found
