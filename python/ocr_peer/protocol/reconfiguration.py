"""Configuration changes: at most one instance at a time, the old one gone before the new one starts.

What the contract publishes is checked here once, whether it comes from the store, from the chain, or back
again after a reorg. An invalid configuration, or one without this node, ends the instance all the same: the
contract no longer takes the old one's reports. The node then stays idle and goes on watching.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import CommitteeConfig, ConfigDigest, OracleId, PrivateConfig

__all__ = [
    "ConfigRefused",
    "ContractConfig",
    "InstanceChange",
    "Membership",
    "Reconfiguration",
    "SaveConfig",
    "StartInstance",
    "StopInstance",
]


@dataclass(frozen=True, slots=True)
class ContractConfig:
    """One `ConfigSet` event: the configuration as the contract publishes it."""

    config_digest: ConfigDigest
    config_count: int
    signers: tuple[bytes, ...]
    """20 bytes each."""
    transmitters: tuple[bytes, ...]
    """20 bytes each."""
    f: int
    onchain_config: bytes
    offchain_config_version: int
    offchain_config: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Membership:
    """A checked configuration and this node's place in it."""

    config: CommitteeConfig
    private: PrivateConfig
    own_id: OracleId


Published = TypeVar("Published")


@dataclass(frozen=True, slots=True)
class StopInstance:
    """End the running instance completely, before any later effect is carried out."""


@dataclass(frozen=True, slots=True)
class SaveConfig(Generic[Published]):
    """Make this the stored configuration, before any later effect is carried out."""

    published: Published


@dataclass(frozen=True, slots=True)
class StartInstance:
    """Run an oracle under this configuration, from what its store holds."""

    membership: Membership


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """This node cannot serve the configuration."""

    config_digest: ConfigDigest
    error: InputError
    first: bool
    """Whether it is the only one that this node has ever seen: then the operator made a mistake."""


InstanceChange = StopInstance | SaveConfig[Published] | StartInstance | ConfigRefused
"""Carried out in order, each to its end before the next."""


class Reconfiguration(Generic[Published]):
    """Follows one contract's configurations; says what to stop, store and start."""

    def __init__(
        self,
        read: Callable[[Published], Membership],
        digest_of: Callable[[Published], ConfigDigest],
    ) -> None:
        """Take the check of a configuration, which raises `InputError`, and the way to its digest."""
        self._read = read
        self._digest_of = digest_of
        self._current: ConfigDigest | None = None
        """The configuration in force, whether it can be served or not."""
        self._running = False

    @property
    def running(self) -> bool:
        """Whether an instance has been started and not stopped."""
        return self._running

    def on_stored(self, published: Published) -> list[InstanceChange[Published]]:
        """Begin with what an earlier run stored, before the chain answers."""
        self._current = self._digest_of(published)
        return self._start(published, first=False)

    def on_published(self, published: Published) -> list[InstanceChange[Published]]:
        """The contract's configuration in force, as often as it is seen."""
        digest = self._digest_of(published)
        if digest == self._current:
            return []
        first = self._current is None
        changes: list[InstanceChange[Published]] = []
        if self._running:
            changes.append(StopInstance())
            self._running = False
        started = self._start(published, first=first)
        if first and not self._running:
            # Not stored: after the operator's mistake is mended, this is again the first.
            return started
        self._current = digest
        return [*changes, SaveConfig(published), *started]

    def _start(self, published: Published, *, first: bool) -> list[InstanceChange[Published]]:
        try:
            membership = self._read(published)
        except InputError as error:
            return [ConfigRefused(self._digest_of(published), error, first)]
        self._running = True
        return [StartInstance(membership)]
