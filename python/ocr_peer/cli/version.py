"""`ocr-peer version`."""

from __future__ import annotations

import platform
from importlib import metadata

import click

__all__ = ["command", "version_text"]

_PARTS = ("ocr-crypto", "libp2p", "trio", "eth-account")
"""What decides how a node behaves on the network and the chain."""


def version_text() -> str:
    """Version of this program, and in brackets of what it runs on."""
    parts = [f"{name} {_version(name)}" for name in _PARTS]
    return f"ocr-peer {_version('ocr-peer')} ({', '.join(parts)}, Python {platform.python_version()})"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


@click.command("version")
def command() -> None:
    """Show the versions of this program and of what it runs on."""
    click.echo(version_text())
