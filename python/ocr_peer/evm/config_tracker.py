"""Follows the configuration of one aggregator.

Rules: libocr `offchainreporting2plus/internal/managed/track_config.go`.

The contract is polled: subscriptions lose events, a poll does not. It is asked at the newest block that has
the confirmations, so that a reorganisation above that block is none to us, and one below it just shows
another configuration. Where there are several endpoints, a majority must agree on that block's number, on the
digest that the contract calls the latest in it, and on the event; and the event is believed only if its digest,
recomputed here, is that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog
import trio

from ocr_peer import crypto
from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import (
    CONFIG_SET,
    LATEST_CONFIG_DETAILS,
    LatestConfigDetails,
    decode_config_set,
    decode_latest_config_details,
)
from ocr_peer.evm.chain_objects import logs_from_json, result_of
from ocr_peer.evm.quantity import data_from_hex, quantity, to_hex
from ocr_peer.protocol.config import ConfigDigest
from ocr_peer.protocol.reconfiguration import ContractConfig

__all__ = ["ConfigRefused", "ConfigTracker", "TrackerState", "TrackerStatus"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_NONE: Final = ConfigDigest(bytes(32))
"""Digest before the first configuration."""

_FIRST_PAUSE_S: Final = 0.5
"""While something is awaited the pauses begin here and double."""

_CONFIRMING_PAUSE_S: Final = 15.0
"""Longest pause while a configuration gathers confirmations, as in libocr."""


class TrackerState(StrEnum):
    """Where the tracker stands."""

    STARTING = "starting"
    UNREACHABLE = "unreachable"
    UNCONFIGURED = "unconfigured"
    CONFIRMING = "confirming"
    REFUSED = "refused"
    CURRENT = "current"


@dataclass(frozen=True, slots=True)
class TrackerStatus:
    """What to tell people."""

    state: TrackerState
    detail: str
    """One line: the reason, or which configuration."""


class ConfigRefused(OperatingError):  # noqa: N818 - named for what happened
    """What the endpoint says of the configuration contradicts itself."""


class ConfigTracker:
    """Polls one aggregator for a new configuration.

    Args:
        rpc: the chain.
        chain_id: goes into the digest.
        contract: 20 bytes, the aggregator.
        confirmations: how many blocks, its own included, a `ConfigSet` must have before it counts.
        poll_interval_s: pause between polls while nothing is awaited.
        known: digest of a configuration that the caller has already; it is not reported again.
        newest: a configuration that is known to have been in force; an earlier one is not believed at a block
            that is no later, as an endpoint has it that lags or still catches up with the chain.
    """

    def __init__(
        self,
        rpc: ChainAccess,
        *,
        chain_id: int,
        contract: bytes,
        confirmations: int = 3,
        poll_interval_s: float = 60.0,
        known: ConfigDigest | None = None,
        newest: ContractConfig | None = None,
    ) -> None:
        self.status = TrackerStatus(TrackerState.STARTING, "not polled yet")
        self._rpc = rpc
        self._chain_id = chain_id
        self._contract = contract
        self._question = {"to": to_hex(contract), "data": to_hex(LATEST_CONFIG_DETAILS.encode_call())}
        self._confirmations = confirmations
        self._poll_interval_s = poll_interval_s
        self._reported = known
        self._newest = (0, 0) if newest is None else (newest.config_count, newest.block_number)
        self._said: tuple[TrackerState, bytes | None] | None = None
        self._log = _log.bind(contract=checksum_address(contract))

    async def run(self, configs: trio.MemorySendChannel[ContractConfig]) -> None:
        """Send every new configuration to `configs`; returns when its receiver is closed.

        A configuration that a reorganisation brings back is new again. One that it takes away without
        another in its place stays in force here until the contract has one again. Failures of the endpoint are
        logged once and waited out.
        """
        pause = _FIRST_PAUSE_S
        while True:
            before = self.status.state
            config = await self.poll()
            if config is not None:
                try:
                    await configs.send(config)
                except trio.BrokenResourceError:
                    return
                self._reported = config.config_digest
            pause = _FIRST_PAUSE_S if self.status.state != before else 2 * pause
            pause = min(pause, self._longest_pause())
            if self.status.state == TrackerState.CONFIRMING:
                await self._rpc.wait_for_head(pause)
            else:
                await trio.sleep(pause)

    async def poll(self) -> ContractConfig | None:
        """Look once; updates `status`.

        Returns:
            A confirmed configuration other than the one reported last, if there is one.
        """
        try:
            details, block = await self._confirmed()
            pending = await self._unconfirmed(details)
            self._check_age(details, block)
            if details.config_digest in (_NONE, self._reported):
                self._tell(details, pending)
                return None
            config = await self._fetch(details, block)
        except ConfigRefused as refusal:
            self._become(TrackerState.REFUSED, str(refusal))
            return None
        except OperatingError as failure:
            self._become(TrackerState.UNREACHABLE, str(failure))
            return None
        self._become(TrackerState.CURRENT, f"configuration {config.config_count}", config.config_digest)
        return config

    async def _confirmed(self) -> tuple[LatestConfigDetails, int]:
        """What the contract says at the newest confirmed block, and that block's number."""
        block = max(0, await self._rpc.agreed_head() - (self._confirmations - 1))
        (answer,) = await self._rpc.agreed([("eth_call", (self._question, quantity(block)))])
        data = data_from_hex(result_of(answer), "latestConfigDetails")
        # Empty: the contract itself is younger than that.
        return decode_latest_config_details(data) if data else LatestConfigDetails(0, 0, _NONE), block

    async def _unconfirmed(self, confirmed: LatestConfigDetails) -> LatestConfigDetails | None:
        """A newer configuration that still gathers confirmations; only told, so that one endpoint's word will do."""
        if self._confirmations == 1:
            return None
        try:
            answer = await self._rpc.call("eth_call", (self._question, "latest"))
            latest = decode_latest_config_details(data_from_hex(answer, "latestConfigDetails"))
        except OperatingError:
            return None
        return latest if latest.config_digest not in (confirmed.config_digest, _NONE) else None

    def _check_age(self, details: LatestConfigDetails, block: int) -> None:
        """Refuse a state of the contract from before one that was seen. A reorganisation makes a new block of it."""
        count, seen_at = self._newest
        if details.config_count < count and block <= seen_at:
            raise ConfigRefused(
                f"at block {block} the contract has configuration {details.config_count}, but it had "
                f"configuration {count} at block {seen_at}: the endpoints are behind"
            )
        self._newest = (details.config_count, max(seen_at, block))

    def _tell(self, details: LatestConfigDetails, pending: LatestConfigDetails | None) -> None:
        if pending is not None:
            needed = pending.block_number + self._confirmations - 1
            awaited = f"configuration {pending.config_count} waits for block {needed}"
            self._become(TrackerState.CONFIRMING, awaited, pending.config_digest)
        elif details.config_digest == _NONE:
            self._become(TrackerState.UNCONFIGURED, "the contract has no configuration yet")
        else:
            self._become(TrackerState.CURRENT, f"configuration {details.config_count}", details.config_digest)

    async def _fetch(self, details: LatestConfigDetails, confirmed_block: int) -> ContractConfig:
        if details.block_number > confirmed_block:
            raise ConfigRefused(
                f"the contract says at block {confirmed_block} that it was configured in block "
                f"{details.block_number}"
            )
        block = quantity(details.block_number)
        query = {
            "address": to_hex(self._contract),
            "fromBlock": block,
            "toBlock": block,
            "topics": [to_hex(CONFIG_SET.topic)],
        }
        (answer,) = await self._rpc.agreed([("eth_getLogs", (query,))])
        logs = logs_from_json(result_of(answer))
        # Of several configurations set in one block only the last is in force.
        configs = [decode_config_set(log) for log in logs if log.address == self._contract]
        matching = [config for config in configs if config.config_digest == details.config_digest]
        if not matching:
            raise ConfigRefused(
                f"block {details.block_number} holds no ConfigSet event with the digest "
                f"0x{details.config_digest.hex()} that latestConfigDetails names"
            )
        config = matching[-1]
        digest = self._recomputed_digest(config)
        if digest != config.config_digest:
            raise ConfigRefused(
                f"the ConfigSet event in block {details.block_number} claims the digest "
                f"0x{config.config_digest.hex()}, but its contents have 0x{digest.hex()}"
            )
        return config

    def _recomputed_digest(self, config: ContractConfig) -> bytes:
        return crypto.evm_config_digest(
            self._chain_id,
            self._contract,
            config.config_count,
            list(config.signers),
            list(config.transmitters),
            config.f,
            config.onchain_config,
            config.offchain_config_version,
            config.offchain_config,
        )

    def _longest_pause(self) -> float:
        if self.status.state == TrackerState.CURRENT:
            return self._poll_interval_s
        return min(self._poll_interval_s, _CONFIRMING_PAUSE_S)

    def _become(self, state: TrackerState, detail: str, digest: bytes | None = None) -> None:
        said = (state, digest)
        self.status = TrackerStatus(state, detail)
        if said == self._said:
            return
        self._said = said
        trouble = state in {TrackerState.UNREACHABLE, TrackerState.REFUSED}
        log = self._log if digest is None else self._log.bind(config_digest="0x" + digest.hex())
        (log.warning if trouble else log.info)(f"config_tracker.{state.value}", detail=detail)
