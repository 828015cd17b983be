"""`ocr-peer contract set-freshness`."""

from __future__ import annotations

import json
from typing import Any

import click

from ocr_peer.cli.contract_options import client, confirm, cost_lines, owner_account, signer, tell
from ocr_peer.evm.address import checksum_address, parse_address
from ocr_peer.owner.configuration import check_contract
from ocr_peer.owner.contract_state import check_chain, read_aggregator
from ocr_peer.owner.deployment import heartbeat_seconds, max_age_seconds, refuse_unmined
from ocr_peer.owner.freshness import plan_freshness

__all__ = ["change_freshness"]


async def change_freshness(options: dict[str, Any]) -> None:
    """Carry the command out; raises `OperatingError`."""
    chain_id = options["chain_id"]
    contract = parse_address(options["contract_address"], "--contract-address")
    max_age, heartbeat = options["max_age"], options["heartbeat"]
    max_age_s = None if max_age is None else max_age_seconds(max_age)
    heartbeat_s = None if heartbeat is None else heartbeat_seconds(heartbeat)
    owner = signer(options)
    async with client(options["rpc"]) as rpc:
        await check_chain(rpc, chain_id)
        state = await read_aggregator(rpc, chain_id, contract, "--contract-address")
        account = owner_account(rpc, owner, options)
        check_contract(state, account.address)
        change = plan_freshness(state, max_age_s=max_age_s, heartbeat_s=heartbeat_s)
        quotes = [await account.quote(contract, calldata) for calldata in change.calls]
        if not options["behind_pending"]:
            refuse_unmined(quotes[0].unmined, account.address)
        tell(
            [
                f"Changes {checksum_address(contract)} on chain {chain_id}:",
                *(f"  {line}" for line in change.lines),
                *(line for quote in quotes for line in cost_lines(quote)),
                *(f"Warning: {warning}" for warning in change.warnings),
            ]
        )
        confirm(yes=options["yes"])
        for calldata in change.calls:
            await account.send(contract, calldata)
    if options["as_json"]:
        after = {"max_age_s": change.after.max_age_s, "heartbeat_s": change.after.heartbeat_s}
        click.echo(json.dumps({"address": checksum_address(contract), **after}))
    else:
        click.echo(f"Heartbeat {change.after.heartbeat_s} s, max age {change.after.max_age_s} s.")
