"""Writes `node.toml` with a comment for each table, so that a new operator need not look options up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ocr_peer.durations import format_duration
from ocr_peer.evm.address import checksum_address
from ocr_peer.settings.schema import ChainSettings, RpcNodeSettings, Settings
from ocr_peer.settings.values import show_wei

__all__ = ["render_node_toml"]


def render_node_toml(settings: Settings, folder: Path | None = None) -> str:
    """The text of a `node.toml` that loads back to the same settings.

    Args:
        settings: what to write; every option is written, defaults included.
        folder: where the file will lie. Paths below it are written relative to it, so that the folder can
            be moved; `None` writes every path as it is.
    """
    blocks = [
        _block(
            "# Every option is described in docs/node.md. Relative paths are taken from this file's folder.",
            f"data_dir = {_path(settings.data_dir, folder)}",
            f"jobs = {_array(_path(job, folder) for job in settings.jobs)}",
        ),
        _block(
            "[Log]",
            f"Level = {_string(settings.log.level)}",
            f"JSONConsole = {str(settings.log.json_console).lower()}",
        ),
        _keystore(settings, folder),
        _network(settings),
        *(_chain(chain) for chain in settings.evm),
    ]
    return "\n".join(blocks)


def _keystore(settings: Settings, folder: Path | None) -> str:
    keystore = settings.keystore
    password = (
        [] if keystore.password_file is None else [f"password_file = {_path(keystore.password_file, folder)}"]
    )
    return _block(
        "# The password may also come from the variable OCR_PEER_KEYSTORE_PASSWORD, which takes precedence.",
        "[keystore]",
        f"directory = {_path(keystore.directory, folder)}",
        *password,
        f"kdf = {_string(keystore.kdf)}",
    )


def _network(settings: Settings) -> str:
    network = settings.p2p.v2
    return _block(
        "# AnnounceAddresses: where others reach this node; needed behind NAT and in containers.",
        "# DefaultBootstrappers: who introduces this node to its committee, as 12D3KooW…@host:port.",
        "[P2P.V2]",
        f"ListenAddresses = {_array(map(_string, network.listen_addresses))}",
        f"AnnounceAddresses = {_array(map(_string, network.announce_addresses))}",
        f"DefaultBootstrappers = {_array(map(_string, network.default_bootstrappers))}",
        f"DeltaReconcile = {_string(format_duration(network.delta_reconcile))}",
    )


def _chain(chain: ChainSettings) -> str:
    lines = [
        "[[EVM]]",
        f"ChainID = {_string(str(chain.chain_id))}",
        f"FinalityDepth = {chain.finality_depth}",
        f"NoNewHeadsThreshold = {_string(format_duration(chain.no_new_heads_threshold))}",
    ]
    for node in chain.nodes:
        lines += ["", *_endpoint(node)]
    return _block(*lines, *_pool(chain), *_gas(chain), *_transactions(chain))


def _pool(chain: ChainSettings) -> list[str]:
    pool = chain.node_pool
    return [
        "",
        "[EVM.NodePool]",
        f"PollInterval = {_string(format_duration(pool.poll_interval))}",
        f"PollFailureThreshold = {pool.poll_failure_threshold}",
        f"SyncThreshold = {pool.sync_threshold}",
        f"quorum = {pool.quorum}",
    ]


def _gas(chain: ChainSettings) -> list[str]:
    gas = chain.gas_estimator
    dynamic = [] if gas.dynamic_fees is None else [f"EIP1559DynamicFees = {str(gas.dynamic_fees).lower()}"]
    return [
        "",
        "[EVM.GasEstimator]",
        *dynamic,
        f"PriceMax = {_string(show_wei(gas.price_max))}",
        f"FeeCapDefault = {_string(show_wei(gas.fee_cap_default))}",
        f"TipCapDefault = {_string(show_wei(gas.tip_cap_default))}",
        f"TipCapMin = {_string(show_wei(gas.tip_cap_min))}",
        f"LimitMax = {gas.limit_max}",
        f"BumpThreshold = {gas.bump_threshold}",
        f"BumpPercent = {gas.bump_percent}",
    ]


def _transactions(chain: ChainSettings) -> list[str]:
    sending, monitor, signer = chain.transactions, chain.balance_monitor, chain.remote_signer
    lines = ["", "[EVM.Transactions]", f"MaxInFlight = {sending.max_in_flight}"]
    if sending.daily_budget is None:
        lines.append('# daily_budget = "0.1 ether": most that the account spends in any 24 hours.')
    else:
        lines.append(f"daily_budget = {_string(show_wei(sending.daily_budget))}")
    if sending.private_relay_url is not None:
        lines.append(f"private_relay_url = {_string(sending.private_relay_url)}")
    lines += [
        f"private_relay_blocks = {sending.private_relay_blocks}",
        "",
        "[EVM.BalanceMonitor]",
        f"Enabled = {str(monitor.enabled).lower()}",
        f"min_transmissions = {monitor.min_transmissions}",
    ]
    if signer is not None:
        lines += [
            "",
            "[EVM.remote_signer]",
            f"url = {_string(signer.url)}",
            f"address = {_string(checksum_address(signer.address))}",
            f"timeout = {_string(format_duration(signer.timeout))}",
        ]
    return lines


def _endpoint(node: RpcNodeSettings) -> list[str]:
    announcing = [] if node.ws_url is None else [f"WSURL = {_string(node.ws_url)}"]
    return [
        "[[EVM.Nodes]]",
        f"Name = {_string(node.name)}",
        f"HTTPURL = {_string(node.http_url)}",
        *announcing,
        f"SendOnly = {str(node.send_only).lower()}",
        f"Order = {node.order}",
    ]


def _block(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _array(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _path(path: Path, folder: Path | None) -> str:
    shown = path
    if folder is not None and path.is_relative_to(folder):
        shown = path.relative_to(folder)
    return _string(str(shown))


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but TOML wants DEL escaped, too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
