"""TCP multiaddresses as text: the only kind of address this transport listens on, dials or passes on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ocr_peer.errors import InputError
from ocr_peer.libp2p_network.identity import public_key_of

__all__ = [
    "MAX_ADDRESS_BYTES",
    "PeerAddress",
    "TcpAddress",
    "parse_address",
    "parse_announced",
    "parse_peer_address",
]

MAX_ADDRESS_BYTES = 160
"""Longest address that is passed on; a DNS name of 128 characters fits."""

_SHAPE = re.compile(
    r"/(ip4|ip6|dns|dns4|dns6)/([^/]{1,128})/tcp/([0-9]{1,5})(?:/p2p/([1-9A-HJ-NP-Za-km-z]{1,64}))?"
)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_EXAMPLE = "write it like /ip4/192.0.2.7/tcp/6690"
_PEER_EXAMPLE = "write it like /ip4/192.0.2.7/tcp/6690/p2p/12D3KooW…"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where a peer listens."""

    kind: str
    """ip4, ip6, dns, dns4 or dns6."""
    host: str
    port: int

    @property
    def is_ip(self) -> bool:
        """Whether the host is a number, not a name."""
        return self.kind in {"ip4", "ip6"}

    @property
    def is_unspecified(self) -> bool:
        """Whether it means every interface; such an address can be listened on, not dialled."""
        return self.is_ip and ip_address(self.host).is_unspecified

    @property
    def is_dialable(self) -> bool:
        """Whether one can connect to it."""
        return self.port != 0 and not self.is_unspecified

    def __str__(self) -> str:
        return f"/{self.kind}/{self.host}/tcp/{self.port}"


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer listens, and who it must prove to be."""

    address: TcpAddress
    peer_id: str

    def __str__(self) -> str:
        return f"{self.address}/p2p/{self.peer_id}"


def parse_address(text: str, *, field: str = "address") -> TcpAddress:
    """Read `/ip4/…/tcp/…` and its ip6 and dns variants.

    Raises:
        InputError: names `field`, what is wrong and an example.
    """
    address, peer_id = _parse(text, field, _EXAMPLE)
    if peer_id is not None:
        raise InputError(field, text, "names a peer id", "leave the /p2p/… part out")
    return address


def parse_peer_address(text: str, *, field: str = "bootstrap") -> PeerAddress:
    """Read `/ip4/…/tcp/…/p2p/…` and its ip6 and dns variants.

    Raises:
        InputError: names `field`, what is wrong and an example.
    """
    address, peer_id = _parse(text, field, _PEER_EXAMPLE)
    if peer_id is None:
        raise InputError(field, text, "does not say which peer listens there", _PEER_EXAMPLE)
    if not address.is_dialable:
        raise InputError(field, text, "is not an address that can be dialled", _PEER_EXAMPLE)
    public_key_of(peer_id, field=field)
    return PeerAddress(address, peer_id)


def parse_announced(texts: Iterable[str]) -> list[TcpAddress]:
    """Read the addresses that a node tells its peers.

    Raises:
        InputError: one is malformed, or nobody could dial it.
    """
    addresses = []
    for index, text in enumerate(texts):
        field = f"announce[{index}]"
        address = parse_address(text, field=field)
        if not address.is_dialable:
            raise InputError(field, text, "is not an address that can be dialled", _EXAMPLE)
        addresses.append(address)
    return addresses


def _parse(text: str, field: str, example: str) -> tuple[TcpAddress, str | None]:
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise InputError(field, text, "is not a TCP multiaddress", example)
    kind, host, port_text, peer_id = match.groups()
    port = int(port_text)
    if port > 0xFFFF:
        raise InputError(field, text, "has a port above 65535", example)
    if kind in {"ip4", "ip6"}:
        host = _canonical_ip(kind, host, text, field, example)
    elif _HOST_NAME.fullmatch(host) is None:
        raise InputError(field, text, "has a malformed host name", example)
    return TcpAddress(kind, host, port), peer_id


def _canonical_ip(kind: str, host: str, text: str, field: str, example: str) -> str:
    try:
        parsed = IPv4Address(host) if kind == "ip4" else IPv6Address(host)
    except ValueError:
        parsed = None
    if parsed is None or "%" in host:
        raise InputError(field, text, f"has a malformed {kind} address", example)
    return str(parsed)
