"""`ocr-peer keys`: what of this node's keys others need to know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocr_peer.errors import InputError

if TYPE_CHECKING:
    from ocr_peer.keystore import PublicIdentity
    from ocr_peer.owner.identity_file import IdentityFile
    from ocr_peer.settings import KeystoreSettings

__all__ = ["command", "identity_lines", "identity_object"]

_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="The node's configuration.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("keys")
def command() -> None:
    """Show the public parts of this node's keys. Secrets are never shown."""


@command.command("show")
@_config_option
@_json_option
@click.option("--verify", is_flag=True, help="Decrypt the keys and check that the public parts are theirs.")
def show(config: Path, as_json: bool, verify: bool) -> None:
    """Show what a committee's configuration has to list.

    This reads the key files only and needs no password, unless --verify is given.
    """
    from ocr_peer.keystore import load_keyring, public_identity, read_password, read_public_identity

    keystore = _keystore(config)
    if verify:
        password = read_password(keystore.password_file)
        identity = public_identity(load_keyring(keystore.directory, password))
    else:
        identity = read_public_identity(keystore.directory)
    if as_json:
        click.echo(json.dumps(identity_object(identity), indent=2))
    else:
        for line in identity_lines(identity):
            click.echo(line)


@command.command("list")
@_config_option
@_json_option
def list_files(config: Path, as_json: bool) -> None:
    """List the key files with the public part that each states."""
    from ocr_peer.keystore import list_key_files

    rows = [
        {"file": str(file.path), "type": file.type, "public": f"0x{file.public_part.hex()}"}
        for file in list_key_files(_keystore(config).directory)
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            click.echo(f"{row['file']}  {row['type']}  {row['public']}")


@command.command("identity")
@_config_option
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: standard output]")
@click.option("--name", help="The operator's or the node's name, for people.")
@click.option(
    "--transmitter",
    metavar="0xADDRESS",
    help="An account that a remote signer holds, in place of the keystore's; it cannot sign the file.",
)
@click.option("--force", is_flag=True, help="Replace the file.")
def identity(config: Path, out: Path | None, name: str | None, transmitter: str | None, force: bool) -> None:
    """Write a signed file of this node's public keys, for whoever configures the committee.

    The file holds no secret. Every key signs it, so that nobody can list a key that is not theirs; this takes
    the keys' password. `ocr-peer contract set-config --oracle FILE` reads it.
    """
    from ocr_peer.evm.address import checksum_address, parse_address
    from ocr_peer.keystore import load_keyring, read_password
    from ocr_peer.owner.identity_file import sign_identity

    if out is not None and out.exists() and not force:
        raise InputError("--out", str(out), "exists already", "name another file, or add --force")
    account = None if transmitter is None else parse_address(transmitter, "--transmitter")
    keystore = _keystore(config)
    if out is not None and out.resolve().is_relative_to(keystore.directory.resolve()):
        raise InputError("--out", str(out), "the folder of the keys", "name a file elsewhere")
    keyring = load_keyring(keystore.directory, read_password(keystore.password_file))
    file = sign_identity(keyring, name=name, remote_transmitter=account)
    if out is None:
        click.echo(file.encode(), nl=False)
        return
    try:
        out.write_bytes(file.encode())
    except OSError as error:
        raise InputError("--out", str(out), error.strerror or "not writable", "name another file") from None
    click.echo(f"Wrote {out}: give it to whoever configures the contract; it holds no secret.", err=True)
    if file.signatures.transmitter is None:
        unsigned = checksum_address(file.identity.transmitter_address)
        click.echo(f"The transmitter {unsigned} has not signed it: its key is not in the keystore.", err=True)


@command.command("verify")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@_json_option
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Check identity files of oracles, and that no two of them share a key."""
    from ocr_peer.owner.identity_reading import read_distinct_identities

    identities = read_distinct_identities(files)
    if as_json:
        rows = [
            {"file": str(path), **_verified_object(identity)}
            for path, identity in zip(files, identities, strict=True)
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for path, identity in zip(files, identities, strict=True):
        name = "" if identity.name is None else f" of {identity.name}"
        click.echo(f"{path}: sound, the identity{name} as of {identity.created_at:%Y-%m-%d %H:%M:%S} UTC")
        for line in identity_lines(identity.identity):
            click.echo(f"  {line}")
        if identity.signatures.transmitter is None:
            click.echo("  the transmitter has not signed: nothing shows that this oracle holds its key")


def _verified_object(file: IdentityFile) -> dict[str, object]:
    return {
        "name": file.name,
        "created_at": file.created_at.isoformat(),
        **identity_object(file.identity),
        "transmitter_signed": file.signatures.transmitter is not None,
    }


def identity_object(identity: PublicIdentity) -> dict[str, str]:
    """The public identity as JSON: keys in hex, addresses checksummed."""
    from ocr_peer.evm.address import checksum_address

    return {
        "peer_id": identity.peer_id,
        "offchain_public_key": f"0x{identity.offchain_public_key.hex()}",
        "config_encryption_public_key": f"0x{identity.config_encryption_public_key.hex()}",
        "onchain_signing_address": checksum_address(identity.onchain_signing_address),
        "transmitter_address": checksum_address(identity.transmitter_address),
        "ocr_key_bundle_id": identity.ocr_key_bundle_id,
    }


def identity_lines(identity: PublicIdentity) -> list[str]:
    """The public identity for people, one part a line."""
    names = {
        "peer_id": "peer id",
        "offchain_public_key": "off-chain public key",
        "config_encryption_public_key": "config encryption public key",
        "onchain_signing_address": "on-chain signing address",
        "transmitter_address": "transmitter address",
        "ocr_key_bundle_id": "OCR key bundle id",
    }
    width = max(map(len, names.values()))
    return [f"{names[key]:{width}}  {value}" for key, value in identity_object(identity).items()]


def _keystore(config: Path) -> KeystoreSettings:
    from ocr_peer.settings import load_settings

    return load_settings(config).keystore
