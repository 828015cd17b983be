"""`ocr-peer evidence`: proofs of equivocation, to be shown to others and checked by anyone."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocr_peer.errors import InputError

if TYPE_CHECKING:
    from ocr_peer.protocol.evidence import Evidence, SignedPayload

__all__ = ["command", "evidence_object", "read_evidence_line"]

EXIT_UNPROVEN = 1
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)")
_MOST_LINE_BYTES = 64 * 1024


@click.group("evidence")
def command() -> None:
    """Proofs that an oracle signed two different payloads for one round."""


@command.command("show")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="The node's configuration.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as `verify` reads it.")
def show(config: Path, as_json: bool) -> None:
    """Show what this node has kept; it may be running."""
    from ocr_peer.settings import load_settings
    from ocr_peer.store import kept_evidence

    for evidence in kept_evidence(load_settings(config).data_dir):
        click.echo(json.dumps(evidence_object(evidence)) if as_json else _sentence(evidence))


@command.command("verify")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
def verify(files: tuple[Path, ...]) -> None:
    """Check proofs with nothing but what they contain: neither a node, a chain nor the committee is asked.

    FILES hold one JSON object a line, as `show --json` prints them; `-` is standard input. What a proof does
    not say is whose key it is: compare it with the configuration of that digest.

    Exit status 0: every proof holds; 1: one does not.
    """
    from ocr_peer.protocol.evidence import holds

    unproven = 0
    for path in files:
        for number, line in enumerate(_lines(path), start=1):
            evidence = read_evidence_line(line, f"{path}, line {number}")
            proven = holds(evidence)
            unproven += not proven
            click.echo(f"{'holds' if proven else 'DOES NOT HOLD'}: {_sentence(evidence)}")
    sys.exit(EXIT_UNPROVEN if unproven else 0)


def evidence_object(evidence: Evidence) -> dict[str, Any]:
    """The proof as JSON: bytes in hex, nothing left to look up."""
    return {
        "kind": evidence.kind.value,
        "config_digest": _hex(evidence.config_digest),
        "oracle": evidence.oracle,
        "key": _hex(evidence.key),
        "epoch": evidence.tag.epoch,
        "round": evidence.tag.round,
        "first": _payload_object(evidence.first),
        "second": _payload_object(evidence.second),
    }


def read_evidence_line(line: bytes, place: str) -> Evidence:
    """The proof of one line.

    Raises:
        InputError: names the place, the key and the value.
    """
    from ocr_peer.nesting import json_depth
    from ocr_peer.protocol.config import ConfigDigest, OracleId
    from ocr_peer.protocol.evidence import Evidence, EvidenceKind
    from ocr_peer.protocol.report import RoundTag

    if len(line) > _MOST_LINE_BYTES or json_depth(line) > 2:
        raise InputError(place, None, "is no proof: too long or too deep", "write one proof a line")
    try:
        table = json.loads(line)
    except ValueError as error:
        raise InputError(place, None, f"is not JSON: {error}", "write one proof a line") from None
    if not isinstance(table, dict):
        raise InputError(place, None, "is no JSON object", "write one proof a line")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in set(EvidenceKind):
        raise InputError(f"{place}: kind", kind, "unknown", f"one of {', '.join(EvidenceKind)}")
    return Evidence(
        ConfigDigest(_octets(table, "config_digest", place)),
        OracleId(_number(table, "oracle", place)),
        _octets(table, "key", place),
        EvidenceKind(kind),
        RoundTag(_number(table, "epoch", place), _number(table, "round", place)),
        _payload(table, "first", place),
        _payload(table, "second", place),
    )


def _sentence(evidence: Evidence) -> str:
    return (
        f"oracle {evidence.oracle} of configuration {_hex(evidence.config_digest)}, key {_hex(evidence.key)}, "
        f"{evidence.accusation}: {evidence.tag.epoch}/{evidence.tag.round}"
    )


def _lines(path: Path) -> list[bytes]:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InputError(
            "file", str(path), error.strerror or "cannot be read", "name a readable file"
        ) from None
    return [line for line in content.splitlines() if line.strip()]


def _payload_object(item: SignedPayload) -> dict[str, str]:
    return {"payload": _hex(item.payload), "signature": _hex(item.signature)}


def _payload(table: dict[str, Any], key: str, place: str) -> SignedPayload:
    from ocr_peer.protocol.evidence import SignedPayload

    inner = table.get(key)
    if not isinstance(inner, dict):
        raise InputError(f"{place}: {key}", inner, "no object", "write payload and signature in it")
    return SignedPayload(
        _octets(inner, "payload", f"{place}: {key}"), _octets(inner, "signature", f"{place}: {key}")
    )


def _octets(table: dict[str, Any], key: str, place: str) -> bytes:
    value = table.get(key)
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InputError(f"{place}: {key}", value, "no hex bytes", "write 0x and pairs of hex digits")
    return bytes.fromhex(match[1])


def _number(table: dict[str, Any], key: str, place: str) -> int:
    value = table.get(key)
    if type(value) is not int or not 0 <= value < 2**32:
        raise InputError(f"{place}: {key}", value, "no whole number", "write one from 0 to 4294967295")
    return value


def _hex(octets: bytes) -> str:
    return f"0x{octets.hex()}"
