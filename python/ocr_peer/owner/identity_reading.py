"""Reads identity files of others: nothing of one is used before all of it is checked.

Every value has one spelling, so that what is shown is what was signed.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address, parse_address
from ocr_peer.keystore import PublicIdentity, peer_id_public_key, peer_id_text
from ocr_peer.nesting import json_depth
from ocr_peer.owner.identity_file import (
    FORMAT,
    MAX_NAME_CHARACTERS,
    TIME_FORMAT,
    VERSION,
    IdentityFile,
    IdentitySignatures,
    check_name,
    ethereum_message_hash,
    signed_text,
)

__all__ = ["MAX_FILE_BYTES", "parse_identity_file", "read_distinct_identities", "read_identity_file"]

MAX_FILE_BYTES: Final = 16 * 1024
_MAX_DEPTH: Final = 2 + MAX_NAME_CHARACTERS
"""Brackets in a name count as well (`json_depth`)."""
_KEYS: Final = (
    "format",
    "version",
    "name",
    "created_at",
    "peer_id",
    "offchain_public_key",
    "config_encryption_public_key",
    "onchain_signing_address",
    "transmitter_address",
    "signatures",
)
_SIGNATURE_KEYS: Final = ("peer", "offchain", "onchain", "transmitter")
_OPTIONAL: Final = frozenset({"name", "transmitter"})
_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*")
_ANEW: Final = "ask the oracle for the file that `ocr-peer keys identity` writes"
_HALF_ORDER: Final = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
"""Half the order of secp256k1; a signature with s above it has a twin below."""


def read_identity_file(path: Path) -> IdentityFile:
    """Read and verify one file.

    Raises:
        InputError: names the file, the field, its value and what to do.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise InputError("identity file", str(path), problem, "name a readable file") from None
    return parse_identity_file(content, str(path))


def read_distinct_identities(paths: Sequence[Path]) -> list[IdentityFile]:
    """Read the files of a committee, by oracle id; no key may stand in two of them.

    Raises:
        InputError: one is wrong, or two share a key: both files are named.
    """
    files = [read_identity_file(path) for path in paths]
    seen: dict[bytes, tuple[int, str]] = {}
    for index, (path, file) in enumerate(zip(paths, files, strict=True)):
        identity = file.identity
        keys = {
            "peer_id": peer_id_public_key(identity.peer_id) or b"",
            "offchain_public_key": identity.offchain_public_key,
            "config_encryption_public_key": identity.config_encryption_public_key,
            "onchain_signing_address": identity.onchain_signing_address,
            "transmitter_address": identity.transmitter_address,
        }
        for key, value in keys.items():
            first, first_key = seen.setdefault(value, (index, key))
            if first != index:  # whatever its role: one party holds both
                raise InputError(
                    f"{path}: {key}",
                    identity.peer_id if key == "peer_id" else "0x" + value.hex(),
                    f"{paths[first]} has the same" + ("" if first_key == key else f" as its {first_key}"),
                    "name every oracle's file once, and have every oracle make its own keys",
                )
    return files


def parse_identity_file(content: bytes, place: str) -> IdentityFile:
    """The same for the bytes of a file; `place` names it in errors."""
    table = _table(content, place)
    if table.get("format") != FORMAT:
        raise InputError(f"{place}: format", table.get("format"), "no identity file", _ANEW)
    version = table.get("version")
    if type(version) is not int or version != VERSION:
        raise InputError(
            f"{place}: version",
            version,
            f"this program reads version {VERSION}",
            f"ask the oracle for a file of version {VERSION}, or use the program that knows this version",
        )
    fields = _Fields(table, place, _KEYS)
    signature_table = table["signatures"]
    if not isinstance(signature_table, dict):
        raise InputError(f"{place}: signatures", signature_table, "no object", _ANEW)
    signature_fields = _Fields(signature_table, f"{place}: signatures", _SIGNATURE_KEYS)
    name = fields.text("name") if "name" in table else None
    if name is not None:
        check_name(name, f"{place}: name")
    file = IdentityFile(
        identity=PublicIdentity(
            peer_id=fields.peer_id("peer_id"),
            offchain_public_key=fields.octets("offchain_public_key", 32),
            config_encryption_public_key=fields.octets("config_encryption_public_key", 32),
            onchain_signing_address=fields.address("onchain_signing_address"),
            transmitter_address=fields.address("transmitter_address"),
        ),
        name=name,
        created_at=fields.time("created_at"),
        signatures=IdentitySignatures(
            peer=signature_fields.octets("peer", 64),
            offchain=signature_fields.octets("offchain", 64),
            onchain=signature_fields.octets("onchain", 65),
            transmitter=signature_fields.octets("transmitter", 65)
            if "transmitter" in signature_table
            else None,
        ),
    )
    _check_keys(file.identity, place)
    _check_signatures(file, place)
    return file


@dataclass(frozen=True, slots=True)
class _Fields:
    """The values of an object whose keys are known, each in its one spelling."""

    table: Mapping[str, object]
    place: str
    known: Sequence[str]

    def __post_init__(self) -> None:
        for key in self.table:
            if key not in self.known:
                close = difflib.get_close_matches(key, self.known, n=1)
                fix = f"did you mean {close[0]}?" if close else f"known are {', '.join(self.known)}"
                raise InputError(f"{self.place}: {key[:64]!r}", self.table[key], "unknown key", fix)
        for key in self.known:
            if key not in self.table and key not in _OPTIONAL:
                raise InputError(f"{self.place}: {key}", None, "the file lacks it", _ANEW)

    def text(self, key: str) -> str:
        value = self.table[key]
        if not isinstance(value, str):
            raise self._wrong(key, "no text")
        return value

    def octets(self, key: str, length: int) -> bytes:
        value = self.text(key)
        if _HEX.fullmatch(value) is None or len(value) != 2 + 2 * length:
            raise self._wrong(key, f"not {length} bytes as 0x and {2 * length} lower-case hex digits")
        return bytes.fromhex(value[2:])

    def address(self, key: str) -> bytes:
        value = self.text(key)
        address = parse_address(value, f"{self.place}: {key}")
        if value != checksum_address(address):
            raise self._wrong(key, "an address without its checksum, in which a typing error would not show")
        return address

    def peer_id(self, key: str) -> str:
        value = self.text(key)
        public_key = peer_id_public_key(value)
        if public_key is None or peer_id_text(public_key) != value:
            raise self._wrong(key, "not the peer id of an ed25519 key (12D3KooW…)")
        return value

    def time(self, key: str) -> datetime:
        value = self.text(key)
        try:
            time = datetime.strptime(value, TIME_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            time = None
        if time is None or time.strftime(TIME_FORMAT) != value:
            raise self._wrong(key, "not a time as in 2026-01-31T23:59:59Z")
        return time

    def _wrong(self, key: str, problem: str) -> InputError:
        return InputError(f"{self.place}: {key}", self.table[key], problem, _ANEW)


def _table(content: bytes, place: str) -> dict[str, object]:
    if len(content) > MAX_FILE_BYTES:
        raise InputError("identity file", place, f"larger than {MAX_FILE_BYTES} bytes", _ANEW)
    if json_depth(content) > _MAX_DEPTH:
        raise InputError("identity file", place, "nests deeper than an identity file does", _ANEW)

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        table: dict[str, object] = {}
        for key, value in pairs:
            if key in table:
                raise InputError(f"{place}: {key[:64]!r}", value, "the key stands there twice", _ANEW)
            table[key] = value
        return table

    try:
        table = json.loads(content.decode(), object_pairs_hook=once)
    except ValueError as error:
        raise InputError("identity file", place, f"not JSON: {error}", _ANEW) from None
    if not isinstance(table, dict):
        raise InputError("identity file", place, "no JSON object", _ANEW)
    return table


def _check_keys(identity: PublicIdentity, place: str) -> None:
    """Refuse keys with which others could sign or read: such of low order, and the zero address."""
    peer_key = peer_id_public_key(identity.peer_id) or b""
    for key, public_key in (("peer_id", peer_key), ("offchain_public_key", identity.offchain_public_key)):
        weakness = crypto.ed25519_key_weakness(public_key)
        if weakness is not None:
            shown = identity.peer_id if key == "peer_id" else "0x" + public_key.hex()
            raise InputError(f"{place}: {key}", shown, f"no honest ed25519 key: {weakness}", _ANEW)
    encryption_key = identity.config_encryption_public_key
    try:
        crypto.x25519(b"\x01" * 32, encryption_key)
    except ValueError:
        raise InputError(
            f"{place}: config_encryption_public_key",
            "0x" + encryption_key.hex(),
            "a point of low order: what is encrypted to it, everybody can read",
            _ANEW,
        ) from None


def _check_signatures(file: IdentityFile, place: str) -> None:
    identity, signatures = file.identity, file.signatures
    text = signed_text(identity, file.name, file.created_at)
    digest = ethereum_message_hash(text)
    peer_key = peer_id_public_key(identity.peer_id) or b""
    checks: dict[str, tuple[str, Callable[[], bool]]] = {
        "peer": ("peer_id", lambda: crypto.ed25519_verify(peer_key, text, signatures.peer)),
        "offchain": (
            "offchain_public_key",
            lambda: crypto.ed25519_verify(identity.offchain_public_key, text, signatures.offchain),
        ),
        "onchain": (
            "onchain_signing_address",
            lambda: _is_of(identity.onchain_signing_address, digest, signatures.onchain),
        ),
        "transmitter": (
            "transmitter_address",
            lambda: (
                signatures.transmitter is None
                or _is_of(identity.transmitter_address, digest, signatures.transmitter)
            ),
        ),
    }
    for key, (signer, holds) in checks.items():
        if not holds():
            value = getattr(signatures, key)
            raise InputError(
                f"{place}: signatures.{key}",
                "0x" + value.hex(),
                f"not the signature of {signer} over this file: the file was altered, or put together of others",
                _ANEW,
            )


def _is_of(address: bytes, digest: bytes, signature: bytes) -> bool:
    low = int.from_bytes(signature[32:64]) <= _HALF_ORDER
    return low and crypto.recover_address(digest, signature) == address
