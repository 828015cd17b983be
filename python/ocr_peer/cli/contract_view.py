"""An aggregator's state for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.committee import committee_config
from ocr_peer.evm.freshness import conflicts
from ocr_peer.owner.changes import CurrentConfiguration, parameter_texts
from ocr_peer.owner.contract_state import AggregatorState
from ocr_peer.owner.deployment import price_text

__all__ = ["state_lines", "state_object"]


def state_object(state: AggregatorState, transmitter: bytes | None) -> dict[str, Any]:
    """Everything, numbers beyond 53 bits as text."""
    configuration = None if state.published is None else CurrentConfiguration.decode(state.published)
    return {
        "address": checksum_address(state.address),
        "chain_id": state.chain_id,
        "type_and_version": state.type_and_version,
        "report_format": state.report_format.value,
        "owner": checksum_address(state.owner),
        "description": state.description,
        "decimals": state.decimals,
        "min_answer": str(state.min_answer),
        "max_answer": str(state.max_answer),
        "max_age_s": state.freshness.max_age_s,
        "heartbeat_s": state.freshness.heartbeat_s,
        "configuration": None if configuration is None else _configuration_object(configuration),
        "warnings": _warnings(state, configuration),
        "latest": _latest_object(state, transmitter) if state.round_id else None,
        "block": state.head.number,
    }


def state_lines(state: AggregatorState, transmitter: bytes | None) -> list[str]:
    """A table for people."""
    configuration = None if state.published is None else CurrentConfiguration.decode(state.published)
    low, high = (price_text(limit, state.decimals) for limit in (state.min_answer, state.max_answer))
    rows = [
        ("contract", f"{checksum_address(state.address)} on chain {state.chain_id}"),
        ("type", f"{state.type_and_version or '(untold)'}, takes {state.report_format.value} reports"),
        ("owner", checksum_address(state.owner)),
        ("description", state.description or "(untold)"),
        ("decimals", str(state.decimals)),
        ("answers", f"{low} to {high}"),
        ("max age", _seconds(state.freshness.max_age_s, "any")),
        ("heartbeat", _seconds(state.freshness.heartbeat_s, "none told")),
        *_latest_rows(state, transmitter),
    ]
    if configuration is None:
        rows.append(("configuration", "none yet"))
        return _aligned(rows)
    published = configuration.published
    rows += [
        ("configuration", f"{published.config_count}, since block {published.block_number}"),
        ("digest", "0x" + published.config_digest.hex()),
    ]
    lines = _aligned(rows)
    if configuration.refusal is not None:
        lines.append(f"  offchainConfig cannot be read: {configuration.refusal}")
    lines += _aligned([(f"  {key}", text) for key, text in parameter_texts(configuration).items()])
    for index, entry in enumerate(configuration.oracles):
        lines += [
            f"oracle {index}",
            f"  signer       {entry.signer}",
            f"  transmitter  {entry.transmitter}",
            f"  peer         {entry.peer_id}",
            f"  off-chain    {entry.offchain_public_key}",
        ]
    return lines + [f"Warning: {warning}" for warning in _warnings(state, configuration)]


def _latest_rows(state: AggregatorState, transmitter: bytes | None) -> list[tuple[str, str]]:
    if not state.round_id:
        return [("answer", "none yet")]
    latest = state.latest
    written = datetime.fromtimestamp(latest.timestamp, UTC)
    age = state.head.timestamp - latest.timestamp
    return [
        ("answer", f"{price_text(latest.answer, state.decimals)}  ({latest.answer})"),
        ("round", f"{state.round_id}, by epoch {latest.epoch} round {latest.round}"),
        ("written", f"{written:%Y-%m-%d %H:%M:%S} UTC, {age} s before block {state.head.number}"),
        ("transmitter", "(not found)" if transmitter is None else checksum_address(transmitter)),
    ]


def _latest_object(state: AggregatorState, transmitter: bytes | None) -> dict[str, Any]:
    latest = state.latest
    return {
        "answer": str(latest.answer),
        "price": price_text(latest.answer, state.decimals),
        "round_id": state.round_id,
        "epoch": latest.epoch,
        "round": latest.round,
        "observed_at": state.observed_at,
        "updated_at": latest.timestamp,
        "age_s": state.head.timestamp - latest.timestamp,
        "transmitter": None if transmitter is None else checksum_address(transmitter),
    }


def _configuration_object(configuration: CurrentConfiguration) -> dict[str, Any]:
    published = configuration.published
    return {
        "config_digest": "0x" + published.config_digest.hex(),
        "config_count": published.config_count,
        "block": published.block_number,
        "f": published.f,
        "onchain_config": "0x" + published.onchain_config.hex(),
        "offchain_config_version": published.offchain_config_version,
        "refusal": configuration.refusal,
        "parameters": parameter_texts(configuration),
        "oracles": [
            {
                "signer": entry.signer,
                "transmitter": entry.transmitter,
                "peer_id": entry.peer_id,
                "offchain_public_key": entry.offchain_public_key,
            }
            for entry in configuration.oracles
        ],
    }


def _warnings(state: AggregatorState, configuration: CurrentConfiguration | None) -> list[str]:
    if configuration is None or configuration.offchain is None:
        return []
    try:
        config = committee_config(configuration.published, configuration.offchain)
        found = conflicts(state.freshness, config)
    except InputError as error:
        return [f"no oracle can run this configuration: {error}"]
    return [f"{conflict.function}: {conflict.problem}" for conflict in found]


def _seconds(value: int | None, none: str) -> str:
    if value is None:
        return "(this contract has no such function)"
    return f"{value} s" if value else none


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {text}" for name, text in rows]
