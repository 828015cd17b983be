"""Where to find the first peers: `12D3KooW…@host:port` or multiaddresses, normalised to multiaddresses.

Source of the rules: libocr `commontypes.BootstrapperLocator` (`PeerID@Addr/Addr…`, each address `host:port`).
"""

from __future__ import annotations

from ocr_peer.errors import InputError
from ocr_peer.settings.values import ValueSyntaxError, read_bootstrapper

__all__ = ["bootstrapper_multiaddrs"]

_MAX_LENGTH = 1_000


def bootstrapper_multiaddrs(text: str, *, field: str) -> tuple[str, ...]:
    """One multiaddress `/ip4|ip6|dns…/…/tcp/<port>/p2p/<peer id>` per address in `text`.

    Raises:
        InputError: naming `field`, if the peer id, a host or a port is wrong.
    """
    if len(text) > _MAX_LENGTH:
        raise InputError(field, text, "is too long", 'write "12D3KooW…@host:port"')
    entries = [text]
    if not text.startswith("/"):
        peer_id, _, addresses = text.partition("@")
        entries = [f"{peer_id}@{address}" for address in addresses.split("/")]
    try:
        return tuple(read_bootstrapper(entry) for entry in entries)
    except ValueSyntaxError as error:
        raise InputError(field, text, error.problem, error.fix) from None
