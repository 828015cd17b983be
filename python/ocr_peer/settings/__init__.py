"""What an operator configures: `node.toml` and environment variables, as frozen dataclasses.

A name in CamelCase means what it means in a Chainlink node's `config.toml`; a name in snake_case is this
program's own. Nothing is guessed: an unknown option is an error that names the nearest known one. Every
option is described in `docs/node.md`.
"""

from __future__ import annotations

from ocr_peer.settings.load import load_settings
from ocr_peer.settings.render import render_node_toml
from ocr_peer.settings.schema import (
    ChainSettings,
    KeystoreSettings,
    LogSettings,
    NodePoolSettings,
    P2PSettings,
    P2PV2Settings,
    RpcNodeSettings,
    Settings,
)
from ocr_peer.settings.sending import (
    BalanceMonitorSettings,
    GasEstimatorSettings,
    RemoteSignerSettings,
    TransactionSettings,
)

__all__ = [
    "BalanceMonitorSettings",
    "ChainSettings",
    "GasEstimatorSettings",
    "KeystoreSettings",
    "LogSettings",
    "NodePoolSettings",
    "P2PSettings",
    "P2PV2Settings",
    "RemoteSignerSettings",
    "RpcNodeSettings",
    "Settings",
    "TransactionSettings",
    "load_settings",
    "render_node_toml",
]
