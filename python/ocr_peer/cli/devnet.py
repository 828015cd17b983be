"""`ocr-peer devnet`: a development chain on this machine."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("devnet")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8545, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option(
    "--block-time",
    type=float,
    default=1.0,
    show_default=True,
    help="Seconds between blocks; 0 mines only on request (evm_mine).",
)
@click.option("--chain-id", type=click.IntRange(1, 2**63 - 1), default=1337, show_default=True)
@click.option("--fund", multiple=True, metavar="0xADDRESS=ETH", help="Owns so much at the start; repeatable.")
def command(port: int, host: str, block_time: float, chain_id: int, fund: tuple[str, ...]) -> None:
    """Run a development EVM chain until Ctrl-C. For this machine only; nothing is kept."""
    from ocr_peer.devnet import DevnetOptions, parse_fund, run_devnet

    accounts: dict[bytes, int] = {}
    for text in fund:
        address, amount = parse_fund(text)
        accounts[address] = accounts.get(address, 0) + amount
    options = DevnetOptions(chain_id=chain_id, accounts=accounts)
    run_devnet(options, host=host, port=port, block_time=block_time or None, announce=click.echo)
