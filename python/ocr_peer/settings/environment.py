"""Environment variables that take precedence over `node.toml`.

Only the variables below are read. Others that begin with `OCR_PEER_` are left alone, because container
platforms set such names by themselves (`OCR_PEER_PORT`, `OCR_PEER_SERVICE_HOST`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ocr_peer.errors import InputError
from ocr_peer.settings.position import OptionPath

__all__ = ["LIST_VARIABLES", "SCALAR_VARIABLES", "apply_environment"]

SCALAR_VARIABLES: Mapping[str, OptionPath] = {
    "OCR_PEER_DATA_DIR": ("data_dir",),
    "OCR_PEER_LOG_LEVEL": ("Log", "Level"),
    "OCR_PEER_LOG_JSON": ("Log", "JSONConsole"),
    "OCR_PEER_KEYSTORE_DIRECTORY": ("keystore", "directory"),
    "OCR_PEER_KEYSTORE_PASSWORD_FILE": ("keystore", "password_file"),
}

LIST_VARIABLES: Mapping[str, OptionPath] = {
    "OCR_PEER_JOBS": ("jobs",),
    "OCR_PEER_P2P_LISTEN_ADDRESSES": ("P2P", "V2", "ListenAddresses"),
    "OCR_PEER_P2P_ANNOUNCE_ADDRESSES": ("P2P", "V2", "AnnounceAddresses"),
    "OCR_PEER_P2P_BOOTSTRAPPERS": ("P2P", "V2", "DefaultBootstrappers"),
}
"""Entries are separated by commas."""

_CHAIN_VARIABLE = re.compile(r"OCR_PEER_EVM_([0-9]+)_(HTTPURL|WSURL)")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def apply_environment(options: dict[str, object], environment: Mapping[str, str]) -> dict[OptionPath, str]:
    """Put the values of variables into the parsed `node.toml`; an empty variable counts as not set.

    Args:
        options: the parsed file; changed in place.
        environment: all variables of the process.

    Returns:
        By option, the variable that set it.

    Raises:
        InputError: a flag is neither true nor false, or a chain is not in the file.
    """
    sources: dict[OptionPath, str] = {}
    for name, path in SCALAR_VARIABLES.items():
        text = environment.get(name)
        if text and _put(options, path, _flag(name, text) if path[-1] == "JSONConsole" else text):
            sources[path] = name
    for name, path in LIST_VARIABLES.items():
        text = environment.get(name)
        if text and _put(options, path, [part.strip() for part in text.split(",") if part.strip()]):
            sources[path] = name
    for name in sorted(environment):
        match = _CHAIN_VARIABLE.fullmatch(name)
        if match and environment[name]:
            sources[_put_url(options, name, match[1], match[2], environment[name])] = name
    return sources


def _flag(name: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise InputError(name, text, "neither true nor false", "set true or false")
    return _FLAGS[text.lower()]


def _put(options: dict[str, object], path: OptionPath, value: object) -> bool:
    table = options
    for key in path[:-1]:
        inner = table.setdefault(str(key), {})
        if not isinstance(inner, dict):
            return False  # The file has something else there; validation reports that.
        table = inner
    table[str(path[-1])] = value
    return True


def _put_url(options: dict[str, object], name: str, chain_id: str, option: str, url: str) -> OptionPath:
    chains = options.get("EVM")
    for index, chain in enumerate(chains if isinstance(chains, list) else []):
        if not isinstance(chain, dict) or str(chain.get("ChainID")) != chain_id:
            continue
        nodes = chain.setdefault("Nodes", [{"Name": "environment"}])
        if isinstance(nodes, list) and nodes and isinstance(nodes[0], dict):
            nodes[0][option] = url
            return ("EVM", index, "Nodes", 0, option)
    raise InputError(
        name,
        "…",
        f"node.toml has no [[EVM]] table for chain {chain_id}",
        f'add one with ChainID = "{chain_id}"',
    )
