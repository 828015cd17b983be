"""Reads and writes the values that TOML has no type for: durations, amounts of wei, network addresses.

Each reader raises `ValueSyntaxError`, whose two clauses become those of an `InputError`; it is given only the
value, so that it need not know where the value came from.
"""

from __future__ import annotations

import ipaddress
import re
from fractions import Fraction
from urllib.parse import urlsplit

from ocr_peer.durations import parse_duration
from ocr_peer.errors import InputError
from ocr_peer.protocol.config import Duration

__all__ = [
    "ValueSyntaxError",
    "read_bootstrapper",
    "read_duration",
    "read_listen_address",
    "read_url",
    "read_wei",
    "show_wei",
]

_WEI_UNITS = {"ether": 10**18, "gwei": 10**9, "mwei": 10**6, "kwei": 10**3, "wei": 1}
_WEI = re.compile(r"([0-9]{1,78}(?:\.[0-9]{1,18})?) ?([a-z]+)")
_MAX_WEI = 2**256 - 1

_PEER_ID = re.compile(r"12D3KooW[1-9A-HJ-NP-Za-km-z]{44}")
_HOST_NAME = re.compile(
    r"(?=.{1,128}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?"
)
_IP_PROTOCOLS = {"ip4", "ip6"}
_UNSPECIFIED = {"0.0.0.0", "::"}  # noqa: S104 - refused, not bound
_HOST_PROTOCOLS = {"ip4", "ip6", "dns", "dns4", "dns6"}


class ValueSyntaxError(ValueError):
    """A value does not read as what it should be.

    Args:
        problem: what is wrong with it, as a clause.
        fix: what to write instead, as an imperative clause.
    """

    def __init__(self, problem: str, fix: str) -> None:
        self.problem = problem
        self.fix = fix
        super().__init__(f"{problem}; {fix}")


def read_duration(text: str) -> Duration:
    """Nanoseconds of a duration in Go's notation, such as `15s`, `1m30s` or `250ms`; never negative."""
    try:
        return Duration(parse_duration(text, field="duration"))
    except InputError as error:
        raise ValueSyntaxError(error.problem, error.fix) from None


def read_wei(text: str) -> int:
    """Wei of an amount with its unit, such as `20 gwei` or `0.5 ether`."""
    match = _WEI.fullmatch(text)
    if match is None or match[2] not in _WEI_UNITS:
        raise ValueSyntaxError(
            "not an amount of ether", 'write a number with its unit, such as "20 gwei" or "1 wei"'
        )
    amount = Fraction(match[1]) * _WEI_UNITS[match[2]]
    if amount != int(amount):
        raise ValueSyntaxError("not a whole number of wei", "write fewer decimals")
    if amount > _MAX_WEI:
        raise ValueSyntaxError("more than 2^256 - 1 wei", "write a smaller amount")
    return int(amount)


def show_wei(amount: int) -> str:
    """The amount in the largest unit that divides it, as `read_wei` reads it."""
    for unit, size in _WEI_UNITS.items():
        if amount >= size and amount % size == 0:
            return f"{amount // size} {unit}"
    return f"{amount} wei"


def read_url(text: str, schemes: tuple[str, ...]) -> str:
    """The URL itself, once its scheme is among `schemes` and it names a host."""
    example = f'write a URL such as "{schemes[0]}://host:8545"'
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueSyntaxError("not a URL", example) from error
    if parts.scheme not in schemes:
        raise ValueSyntaxError(f"the scheme is not {' or '.join(schemes)}", example)
    if not host or any(character.isspace() for character in text):
        raise ValueSyntaxError("not a URL", example)
    return text


def read_listen_address(text: str, *, bindable: bool) -> str:
    """A TCP multiaddress, from one (`/ip4/0.0.0.0/tcp/6690`) or from `host:port`.

    Args:
        text: the address as configured.
        bindable: whether this node is to listen there; then the host must be an IP address. Otherwise
            others dial it; then it must not be the unspecified address or port 0.
    """
    if text.startswith("/"):
        parts = text.split("/")[1:]
        if len(parts) != 4 or parts[2] != "tcp" or parts[0] not in _HOST_PROTOCOLS:
            raise ValueSyntaxError("not a TCP multiaddress", 'write it as "/ip4/203.0.113.7/tcp/6690"')
        protocol, host = _read_host(parts[1])
        if protocol == "dns" and parts[0].startswith("dns"):
            protocol = parts[0]
        if protocol != parts[0]:
            fix = 'write it as "/ip4/203.0.113.7/tcp/6690"'
            raise ValueSyntaxError(f'"{host}" is not what /{parts[0]} takes', fix)
        port = parts[3]
    else:
        name, port = _split_host_port(text)
        protocol, host = _read_host(name)
    if bindable and protocol not in _IP_PROTOCOLS:
        fix = 'write an IP address such as "0.0.0.0:6690"'
        raise ValueSyntaxError("a host name cannot be listened on", fix)
    if not bindable and host in _UNSPECIFIED:
        raise ValueSyntaxError(f"{host} cannot be dialled", "write the address that others see")
    return f"/{protocol}/{host}/tcp/{_read_port(port, zero_allowed=bindable)}"


def read_bootstrapper(text: str) -> str:
    """A multiaddress that ends in `/p2p/<peer id>`, from one or from Chainlink's `<peer id>@host:port`."""
    example = 'write it as "12D3KooW…@boot.example.org:6690"'
    if text.startswith("/"):
        address, separator, peer_id = text.rpartition("/p2p/")
        if not separator:
            raise ValueSyntaxError("no peer id", f"{example} or append /p2p/12D3KooW…")
    else:
        peer_id, separator, address = text.partition("@")
        if not separator:
            raise ValueSyntaxError("no peer id", example)
    if not _PEER_ID.fullmatch(peer_id):
        raise ValueSyntaxError(f'"{peer_id}" is not an ed25519 peer id', example)
    if "/" in address and not address.startswith("/"):
        raise ValueSyntaxError("several addresses in one entry", "write one entry for each address")
    return f"{read_listen_address(address, bindable=False)}/p2p/{peer_id}"


def _split_host_port(text: str) -> tuple[str, str]:
    host, separator, port = text.rpartition(":")
    if not separator or not host:
        raise ValueSyntaxError("no port", 'write it as "host:6690"')
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    if ":" in host:
        raise ValueSyntaxError("an IPv6 address without brackets", 'write it as "[::1]:6690"')
    return host, port


def _read_host(text: str) -> tuple[str, str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        if "%" in text:
            raise ValueSyntaxError("an IPv6 zone is not supported", "leave out the part from % on")
        return f"ip{address.version}", str(address)
    if not _HOST_NAME.fullmatch(text) or text.replace(".", "").isdigit():
        raise ValueSyntaxError(f'"{text}" is neither an IP address nor a host name', "mend the host")
    return "dns", text


def _read_port(text: str, *, zero_allowed: bool) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535 or (text == "0" and not zero_allowed):
        raise ValueSyntaxError(f'"{text}" is not a TCP port', "write a port from 1 to 65535")
    return int(text)
