"""`ocr-peer init`: everything that a new node needs, in one folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ocr_peer.cli.keys import identity_lines
from ocr_peer.errors import InputError

if TYPE_CHECKING:
    from ocr_peer.keystore import PublicIdentity
    from ocr_peer.settings import Settings

__all__ = ["command"]

_NO_CONTRACT = "0x0000000000000000000000000000000000000000"

_OBSERVATION_SOURCE = """\
  coinbase       [type="http" method=GET url="https://api.exchange.coinbase.com/products/ETH-USD/ticker" timeout="4s"];
  coinbase_price [type="jsonparse" path="price"];
  coinbase_value [type="multiply" times=100000000];
  kraken         [type="http" method=GET url="https://api.kraken.com/0/public/Ticker?pair=ETHUSD" timeout="4s"];
  kraken_price   [type="jsonparse" path="result,XETHZUSD,c,0"];
  kraken_value   [type="multiply" times=100000000];
  bitstamp       [type="http" method=GET url="https://www.bitstamp.net/api/v2/ticker/ethusd" timeout="4s"];
  bitstamp_price [type="jsonparse" path="last"];
  bitstamp_value [type="multiply" times=100000000];
  coinbase -> coinbase_price -> coinbase_value -> answer;
  kraken -> kraken_price -> kraken_value -> answer;
  bitstamp -> bitstamp_price -> bitstamp_value -> answer;
  answer [type="median" allowedFaults=1 index=0];
"""

_FEED_HEADER = """\
# A sample feed: ETH / USD with 8 decimals from three exchanges. Set contractID, and sources of your own choice.
# Every key is described in docs/jobs.md.
"""


@dataclass(frozen=True, slots=True)
class _NodeOptions:
    """The command's options, named as click names them."""

    directory: Path
    chain_id: int
    rpc_url: str
    contract: str
    bootstrap: Sequence[str]
    listen: Sequence[str]
    announce: Sequence[str]
    kdf: Literal["standard", "light"]
    force: bool


@click.command("init")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Folder of the node, created if need be.  [default: the current one]",
)
@click.option("--chain-id", type=click.IntRange(1, 2**63 - 1), default=1337, show_default=True)
@click.option(
    "--rpc-url", default="http://127.0.0.1:8545", show_default=True, help="JSON-RPC endpoint of the chain."
)
@click.option(
    "--contract", default=_NO_CONTRACT, help="Address of the aggregator contract.  [default: none yet]"
)
@click.option("--bootstrap", multiple=True, help="12D3KooW…@host:port or a multiaddress; repeatable.")
@click.option(
    "--listen",
    multiple=True,
    default=("0.0.0.0:6690",),
    show_default=True,
    help="IP:port to listen on; repeatable.",
)
@click.option("--announce", multiple=True, help="host:port at which others reach this node; repeatable.")
@click.option(
    "--kdf",
    type=click.Choice(["standard", "light"]),
    default="standard",
    show_default=True,
    help="How costly it is to guess the keys' password; light is for tests.",
)
@click.option("--force", is_flag=True, help="Replace node.toml and feed.toml. Keys are never replaced.")
def command(**options: Any) -> None:
    """Create node.toml, a sample feed.toml and keys, and show what to do next.

    The keys' password is taken from OCR_PEER_KEYSTORE_PASSWORD if that is set; otherwise a random one is
    written to password.txt, which only its owner can read.
    """
    node = _NodeOptions(**options)
    directory = node.directory.absolute()
    _refuse_to_overwrite(directory, force=node.force)
    settings = _settings(directory, node)
    contract = _contract(node.contract)
    identity, created = _keys(settings)
    _write_files(directory, settings, contract, identity)
    _tell(directory, settings, identity, keys_created=created, contract_known=contract != _NO_CONTRACT)


def _refuse_to_overwrite(directory: Path, *, force: bool) -> None:
    for name in ("node.toml", "feed.toml", "keys"):
        if (directory / name).exists() and not force:
            fix = "name another folder, or add --force to replace node.toml and feed.toml and keep the keys"
            raise InputError("--directory", str(directory), f"it holds {name} already", fix)


def _settings(directory: Path, node: _NodeOptions) -> Settings:
    from ocr_peer.keystore import PASSWORD_VARIABLE
    from ocr_peer.settings import (
        ChainSettings,
        KeystoreSettings,
        P2PSettings,
        P2PV2Settings,
        RpcNodeSettings,
        Settings,
    )
    from ocr_peer.settings.values import read_bootstrapper, read_listen_address, read_url

    (url,) = _read_each("--rpc-url", [node.rpc_url], lambda text: read_url(text, ("http", "https")))
    network = P2PV2Settings(
        listen_addresses=_read_each(
            "--listen", node.listen, lambda text: read_listen_address(text, bindable=True)
        ),
        announce_addresses=_read_each(
            "--announce", node.announce, lambda text: read_listen_address(text, bindable=False)
        ),
        default_bootstrappers=_read_each("--bootstrap", node.bootstrap, read_bootstrapper),
    )
    password_file = None if os.environ.get(PASSWORD_VARIABLE) else directory / "password.txt"
    return Settings(
        data_dir=directory / "data",
        jobs=(directory / "feed.toml",),
        keystore=KeystoreSettings(directory / "keys", password_file, node.kdf),
        p2p=P2PSettings(network),
        evm=(ChainSettings(node.chain_id, (RpcNodeSettings("primary", url),)),),
    )


def _read_each(option: str, texts: Sequence[str], read: Callable[[str], str]) -> tuple[str, ...]:
    from ocr_peer.settings.values import ValueSyntaxError

    values = []
    for text in texts:
        try:
            values.append(read(text))
        except ValueSyntaxError as error:
            shown = "…" if option == "--rpc-url" else text  # may hold an access key
            raise InputError(option, shown, error.problem, error.fix) from None
    return tuple(values)


def _contract(text: str) -> str:
    from ocr_peer.evm.address import checksum_address, parse_address

    return checksum_address(parse_address(text, "--contract"))


def _keys(settings: Settings) -> tuple[PublicIdentity, bool]:
    """The node's identity, and whether its keys are new."""
    from ocr_peer.keystore import (
        KDF_COST,
        create_keyring,
        create_password_file,
        public_identity,
        read_password,
        read_public_identity,
    )

    keystore = settings.keystore
    if keystore.directory.exists() and any(keystore.directory.iterdir()):
        return read_public_identity(keystore.directory), False
    if keystore.password_file is not None and not keystore.password_file.exists():
        password = create_password_file(keystore.password_file)
    else:
        password = read_password(keystore.password_file)
    keyring = create_keyring(keystore.directory, password, kdf_n=KDF_COST[keystore.kdf])
    return public_identity(keyring), True


def _write_files(directory: Path, settings: Settings, contract: str, identity: PublicIdentity) -> None:
    from ocr_peer.evm.address import checksum_address
    from ocr_peer.job import Job, job_toml
    from ocr_peer.keystore.private_file import write_private
    from ocr_peer.pipeline import parse_pipeline
    from ocr_peer.settings import render_node_toml

    job = Job(
        name="ETH / USD",
        contract_id=contract,
        chain_id=settings.evm[0].chain_id,
        observation_source=parse_pipeline(_OBSERVATION_SOURCE),
        transmitter_id=checksum_address(identity.transmitter_address),
        ocr_key_bundle_id=identity.ocr_key_bundle_id,
    )
    # Private, because the URLs of endpoints and data sources often hold access keys.
    write_private(directory / "node.toml", render_node_toml(settings, directory).encode())
    write_private(directory / "feed.toml", (_FEED_HEADER + job_toml(job)).encode())


def _tell(
    directory: Path,
    settings: Settings,
    identity: PublicIdentity,
    *,
    keys_created: bool,
    contract_known: bool,
) -> None:
    keystore = settings.keystore
    password = (
        "the variable OCR_PEER_KEYSTORE_PASSWORD"
        if keystore.password_file is None
        else keystore.password_file
    )
    keys = "New keys are" if keys_created else "The keys stay as they were,"
    lines = [
        f"Wrote {directory / 'node.toml'} and {directory / 'feed.toml'}.",
        f"{keys} in {keystore.directory}; their password is in {password}.",
        "Back both up, apart from each other.",
        "",
        "What the committee's configuration has to list of this node:",
        *(f"  {line}" for line in identity_lines(identity)),
        "",
        "Next:",
        f"  - ocr-peer keys identity --config {directory / 'node.toml'} --out identity.json",
        "    and give that file to whoever configures the contract (ocr-peer contract set-config)",
        "  - send ether for gas to the transmitter address",
        f"  - {'check' if contract_known else 'set contractID and'} the data sources in {directory / 'feed.toml'}",
        f"  - ocr-peer run --config {directory / 'node.toml'}",
    ]
    for line in lines:
        click.echo(line)
