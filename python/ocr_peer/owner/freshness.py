"""Changing what an aggregator tells and enforces of freshness: the calls, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.committee import committee_config
from ocr_peer.evm.freshness import SET_HEARTBEAT, SET_MAX_AGE, Freshness, conflicts
from ocr_peer.owner.contract_state import AggregatorState
from ocr_peer.wire.offchain_config import decode_offchain_config

__all__ = ["FreshnessChange", "plan_freshness"]


@dataclass(frozen=True, slots=True)
class FreshnessChange:
    """Calls that lead to new values."""

    calls: tuple[bytes, ...]
    """Calldata, in order."""
    after: Freshness
    lines: tuple[str, ...]
    """One for each call, for people."""
    warnings: tuple[str, ...]


def plan_freshness(
    state: AggregatorState, *, max_age_s: int | None, heartbeat_s: int | None
) -> FreshnessChange:
    """What has to be called.

    Args:
        state: of the contract.
        max_age_s: `None` leaves it.
        heartbeat_s: `None` leaves it.

    Raises:
        InputError: nothing to change, or the contract has no such functions.
    """
    if max_age_s is None and heartbeat_s is None:
        raise InputError("--heartbeat", None, "nothing to change", "write --heartbeat, --max-age or both")
    before = state.freshness
    if before.max_age_s is None or before.heartbeat_s is None:
        raise InputError(
            "--contract-address",
            checksum_address(state.address),
            "this contract has no maxAge and heartbeat",
            "name an aggregator of this project",
        )
    after = Freshness(
        before.heartbeat_s if heartbeat_s is None else heartbeat_s,
        before.max_age_s if max_age_s is None else max_age_s,
    )
    if after == before:
        fix = "nothing has to be done"
        shown = f"{before.heartbeat_s} s, --max-age {before.max_age_s} s"
        raise InputError("--heartbeat", shown, "the contract has these values already", fix)
    calls, lines = [], []
    if after.max_age_s != before.max_age_s:
        calls.append(SET_MAX_AGE.encode_call(after.max_age_s))
        lines.append(f"max age      {before.max_age_s} s → {after.max_age_s} s")
    if after.heartbeat_s != before.heartbeat_s:
        calls.append(SET_HEARTBEAT.encode_call(after.heartbeat_s))
        lines.append(f"heartbeat    {before.heartbeat_s} s → {after.heartbeat_s} s")
    return FreshnessChange(tuple(calls), after, tuple(lines), _warnings(replace(state, freshness=after)))


def _warnings(state: AggregatorState) -> tuple[str, ...]:
    if state.published is None:
        return ()
    try:
        config = committee_config(state.published, decode_offchain_config(state.published.offchain_config))
        found = conflicts(state.freshness, config)
    except InputError:
        return ()  # no oracle runs it: `contract show` tells
    return tuple(f"{conflict.function}: {conflict.problem}" for conflict in found)
