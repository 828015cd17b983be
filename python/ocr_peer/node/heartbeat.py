"""Tells the operator when a feed's contract promises its consumers what its configuration does not keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.freshness import conflicts, read_freshness
from ocr_peer.protocol.config import CommitteeConfig
from ocr_peer.protocol.reconfiguration import ContractConfig, Membership

__all__ = ["FreshnessWatch"]

_log = structlog.get_logger(__name__)

_PAUSE_S: Final = 600.0
"""The owner may change both values without a new configuration."""


class FreshnessWatch:
    """Compares `heartbeat()` and `maxAge()` of one contract with the configuration in force.

    Args:
        rpc: the chain.
        contract: 20 bytes, the aggregator.
        feed: its name, for the log.
    """

    def __init__(self, rpc: ChainAccess, contract: bytes, *, feed: str) -> None:
        self._rpc = rpc
        self._contract = contract
        self._config: CommitteeConfig | None = None
        self._changed = trio.Event()
        self._said: dict[str, tuple[bytes, int]] = {}
        """By function, of which there are two: configuration and value of the last warning."""
        self._log = _log.bind(feed=feed, contract=checksum_address(contract))

    def noting(self, read: Callable[[ContractConfig], Membership]) -> Callable[[ContractConfig], Membership]:
        """The same reader, whose result this watch takes for the configuration in force."""

        def read_and_note(published: ContractConfig) -> Membership:
            membership = read(published)
            self._config = membership.config
            self._changed.set()
            return membership

        return read_and_note

    async def run(self) -> None:
        """Look at every new configuration and every ten minutes, until cancelled."""
        while True:
            await self.look()
            with trio.move_on_after(_PAUSE_S):
                await self._changed.wait()
                self._changed = trio.Event()

    async def look(self) -> None:
        """Look once, and warn of what has not been told of this configuration and value yet."""
        config = self._config
        if config is None:
            return
        try:
            freshness = await read_freshness(self._rpc, self._contract)
            found = conflicts(freshness, config)
        except OperatingError as failure:
            self._log.debug("freshness not read", reason=str(failure))
            return
        for conflict in found:
            said = (config.config_digest, conflict.value_s)
            if self._said.get(conflict.function) != said:
                self._said[conflict.function] = said
                self._log.warning(
                    f"{conflict.function} does not fit the configuration",
                    config_digest="0x" + config.config_digest.hex(),
                    reason=conflict.problem,
                )
