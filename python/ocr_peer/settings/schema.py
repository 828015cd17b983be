"""The options of `node.toml`: names, types, defaults and the rules that a single value must keep.

pydantic reads TOML values into these frozen dataclasses. Scalars are strict (no `"3"` for `3`); an array
becomes a tuple. Relative paths are made absolute against the folder that the validation context names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo
from pydantic_core import PydanticCustomError

from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.settings.sending import (
    BalanceMonitor,
    BalanceMonitorSettings,
    Gas,
    GasEstimatorSettings,
    RemoteSignerSettings,
    Transactions,
    TransactionSettings,
)
from ocr_peer.settings.values import (
    ValueSyntaxError,
    read_bootstrapper,
    read_duration,
    read_listen_address,
    read_url,
)

__all__ = [
    "ChainSettings",
    "GasEstimatorSettings",
    "KeystoreSettings",
    "LogSettings",
    "NodePoolSettings",
    "P2PSettings",
    "P2PV2Settings",
    "RpcNodeSettings",
    "Settings",
]

_TABLE = ConfigDict(extra="forbid")
_RECONCILE = Duration(60 * SECOND)
_POLL = Duration(10 * SECOND)
_NO_NEW_HEADS = Duration(180 * SECOND)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not a string")
    return value


def _path(value: object, info: ValidationInfo) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value)
    if not text or "\0" in text:
        raise ValueSyntaxError("not a path", "name a file or a folder")
    context = info.context or {}
    return Path(os.path.normpath(Path(context.get("folder", ".")) / Path(text).expanduser()))


def _chain_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("chain_id_type", "not a chain id")
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**63:
        raise ValueSyntaxError("not a chain id", 'write a positive whole number, such as "1337"')
    return int(text)


def _distinct(values: tuple[Path, ...]) -> tuple[Path, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueSyntaxError(f"{value} occurs twice", "keep one of the two")
    return values


_Text = Annotated[str, Strict()]
_FilePath = Annotated[Path, BeforeValidator(_path)]
_Flag = Annotated[bool, Strict()]
_Interval = Annotated[Duration, BeforeValidator(lambda value: read_duration(_text(value)))]
_HttpUrl = Annotated[str, BeforeValidator(lambda value: read_url(_text(value), ("http", "https")))]
_WebSocketUrl = Annotated[str, BeforeValidator(lambda value: read_url(_text(value), ("ws", "wss")))]
_Listen = Annotated[str, BeforeValidator(lambda value: read_listen_address(_text(value), bindable=True))]
_Announce = Annotated[str, BeforeValidator(lambda value: read_listen_address(_text(value), bindable=False))]
_Bootstrapper = Annotated[str, BeforeValidator(lambda value: read_bootstrapper(_text(value)))]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`[Log]`: what is written to standard error."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    level: Annotated[Literal["debug", "info", "warn", "error"], Field(alias="Level")] = "info"
    json_console: Annotated[_Flag, Field(alias="JSONConsole")] = False
    """One JSON object per line instead of text for people."""


@dataclass(frozen=True, slots=True)
class KeystoreSettings:
    """`[keystore]`: where the encrypted keys lie. Paths are absolute once loaded."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    directory: Annotated[_FilePath, Field(validate_default=True)] = Path("keys")
    password_file: _FilePath | None = None
    """`None`: the password comes from the environment."""
    kdf: Literal["standard", "light"] = "standard"
    """How costly it is to guess the password of *newly created* keys; `light` is for tests and demos."""


@dataclass(frozen=True, slots=True)
class P2PV2Settings:
    """`[P2P.V2]`: addresses of this node and of those that introduce it. All are TCP multiaddresses."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    listen_addresses: Annotated[tuple[_Listen, ...], Field(alias="ListenAddresses")] = (
        "/ip4/0.0.0.0/tcp/6690",
    )
    announce_addresses: Annotated[tuple[_Announce, ...], Field(alias="AnnounceAddresses")] = ()
    """Where others reach this node; empty: the addresses it listens on."""
    default_bootstrappers: Annotated[tuple[_Bootstrapper, ...], Field(alias="DefaultBootstrappers")] = ()
    """Each ends in `/p2p/<peer id>`. For jobs that name none of their own."""
    delta_reconcile: Annotated[_Interval, Field(alias="DeltaReconcile")] = _RECONCILE
    """Time between two exchanges of addresses with one peer."""


@dataclass(frozen=True, slots=True)
class P2PSettings:
    """`[P2P]`; kept for its name only."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    v2: Annotated[P2PV2Settings, Field(alias="V2")] = field(default_factory=P2PV2Settings)


@dataclass(frozen=True, slots=True)
class RpcNodeSettings:
    """`[[EVM.Nodes]]`: one JSON-RPC endpoint. URLs may hold access keys: they stay out of `repr`."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    name: Annotated[_Text, Field(alias="Name")]
    http_url: Annotated[_HttpUrl, Field(alias="HTTPURL")] = field(repr=False)
    ws_url: Annotated[_WebSocketUrl | None, Field(alias="WSURL")] = field(default=None, repr=False)
    """Where it announces its heads; `None`: they are polled for."""
    send_only: Annotated[_Flag, Field(alias="SendOnly")] = False
    """Gets transactions, and is asked nothing."""
    order: Annotated[int, Strict(), Field(alias="Order", ge=1, le=100)] = 100
    """The lowest is asked first; of the same order, the one that stands first."""


def _positive(value: Duration) -> Duration:
    if value <= 0:
        raise ValueSyntaxError("not positive", 'write a duration such as "10s"')
    return value


@dataclass(frozen=True, slots=True)
class NodePoolSettings:
    """`[EVM.NodePool]`: when an endpoint counts as healthy, and how many must agree."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    poll_interval: Annotated[_Interval, AfterValidator(_positive), Field(alias="PollInterval")] = _POLL
    """Between two probes of each endpoint."""
    poll_failure_threshold: Annotated[int, Strict(), Field(alias="PollFailureThreshold", ge=1, le=1000)] = 5
    """Failures in a row that make an endpoint unreachable."""
    sync_threshold: Annotated[int, Strict(), Field(alias="SyncThreshold", ge=0, le=100_000)] = 5
    """Most blocks that an endpoint may lag; 0 lets it lag without limit."""
    quorum: Annotated[int, Strict(), Field(ge=0, le=100)] = 0
    """Fewest endpoints that must agree on a configuration; 0 leaves it at the majority of those reachable."""


def _named(nodes: tuple[RpcNodeSettings, ...]) -> tuple[RpcNodeSettings, ...]:
    if not nodes:
        raise ValueSyntaxError("no endpoint", "add an [[EVM.Nodes]] table")
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise ValueSyntaxError(f'two endpoints are named "{name}"', "give each its own Name")
    if all(node.send_only for node in nodes):
        raise ValueSyntaxError("every endpoint is SendOnly", "add one that can be asked")
    return nodes


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """`[[EVM]]`: one chain."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    chain_id: Annotated[int, BeforeValidator(_chain_id), Field(alias="ChainID")]
    nodes: Annotated[tuple[RpcNodeSettings, ...], AfterValidator(_named), Field(alias="Nodes")]
    """At least one that is not `send_only`."""
    gas_estimator: Gas = field(default_factory=GasEstimatorSettings)
    transactions: Transactions = field(default_factory=TransactionSettings)
    balance_monitor: BalanceMonitor = field(default_factory=BalanceMonitorSettings)
    remote_signer: RemoteSignerSettings | None = None
    """`None`: the keystore holds the account's key."""
    finality_depth: Annotated[int, Strict(), Field(alias="FinalityDepth", ge=0, le=10_000)] = 50
    """Blocks on top of a transaction's own that no reorganisation is expected to undo."""
    no_new_heads_threshold: Annotated[
        _Interval, AfterValidator(_positive), Field(alias="NoNewHeadsThreshold")
    ] = _NO_NEW_HEADS
    """A head that stands still for so long is stale."""
    node_pool: Annotated[NodePoolSettings, Field(alias="NodePool")] = field(default_factory=NodePoolSettings)


def _separate(chains: tuple[ChainSettings, ...]) -> tuple[ChainSettings, ...]:
    ids = [chain.chain_id for chain in chains]
    for chain_id in ids:
        if ids.count(chain_id) > 1:
            raise ValueSyntaxError(f"two tables for chain {chain_id}", "merge them into one [[EVM]] table")
    return chains


@dataclass(frozen=True, slots=True)
class Settings:
    """All of `node.toml`. Paths are absolute once loaded."""

    __pydantic_config__: ClassVar[ConfigDict] = _TABLE

    data_dir: Annotated[_FilePath, Field(validate_default=True)] = Path("data")
    """Folder of the store; one process at a time."""
    jobs: Annotated[tuple[_FilePath, ...], AfterValidator(_distinct)] = ()
    """Job files that the node runs."""
    log: Annotated[LogSettings, Field(alias="Log")] = field(default_factory=LogSettings)
    keystore: KeystoreSettings = field(default_factory=KeystoreSettings)
    p2p: Annotated[P2PSettings, Field(alias="P2P")] = field(default_factory=P2PSettings)
    evm: Annotated[tuple[ChainSettings, ...], AfterValidator(_separate), Field(alias="EVM")] = ()

    def chain(self, chain_id: int) -> ChainSettings | None:
        """The chain of that id, if it is configured."""
        return next((chain for chain in self.evm if chain.chain_id == chain_id), None)
