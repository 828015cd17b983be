"""`ocr-peer devnet`: a development chain on this machine."""

from __future__ import annotations

from pathlib import Path

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
@click.option("--automine", is_flag=True, help="Every transaction gets a block at once.")
@click.option("--legacy", is_flag=True, help="No base fee and no EIP-1559 transactions, as before London.")
@click.option(
    "--finality-depth",
    type=click.IntRange(0, 2**32),
    default=0,
    show_default=True,
    help="Blocks that safe and finalized stay behind the newest.",
)
@click.option(
    "--history",
    type=click.IntRange(1, 10_000),
    default=128,
    show_default=True,
    help="Blocks back that the state can be read and a reorganisation can go.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Goes on from this file if it is there, and keeps the chain in it.",
)
@click.option(
    "--state-every",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    metavar="N",
    help="The file is written after every N blocks and transactions, and at the end.",
)
def command(
    *,
    port: int,
    host: str,
    block_time: float,
    chain_id: int,
    fund: tuple[str, ...],
    automine: bool,
    legacy: bool,
    finality_depth: int,
    history: int,
    state: Path | None,
    state_every: int,
) -> None:
    """Run a development EVM chain until Ctrl-C. For this machine only; never for funds."""
    from ocr_peer.devnet import DevnetOptions, parse_fund, run_devnet

    accounts: dict[bytes, int] = {}
    for text in fund:
        address, amount = parse_fund(text)
        accounts[address] = accounts.get(address, 0) + amount
    options = DevnetOptions(
        chain_id=chain_id,
        accounts=accounts,
        finality_depth=finality_depth,
        automine=automine,
        legacy=legacy,
        history=history,
    )
    run_devnet(
        options,
        host=host,
        port=port,
        block_time=block_time or None,
        state=state,
        state_every=state_every,
        announce=click.echo,
    )
