"""`ocr-peer contract`: what the owner of a feed does on chain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocr_peer.cli.contract_options import (
    OracleFilesCommand,
    account_options,
    client,
    confirm,
    cost_lines,
    json_option,
    owner_account,
    parameter_options,
    parameter_values,
    report_format,
    rpc_option,
    signer,
    tell,
)
from ocr_peer.errors import InputError, OperatingError

if TYPE_CHECKING:
    pass

__all__ = ["command"]


@click.group("contract")
def command() -> None:
    """Deploy, configure and show the aggregator contract of a feed (docs/contract.md)."""
    from ocr_peer.node.logs import configure_logging

    configure_logging("error", json_lines=False)


@command.command("account")
@click.option("--key-file", type=click.Path(path_type=Path), help="As for deploy and set-config.")
@click.option("--password-file", type=click.Path(path_type=Path), help="Password of a keystore file.")
@click.option("--create", is_flag=True, help="Write a new key in hex to the key file first.")
def account(key_file: Path | None, password_file: Path | None, create: bool) -> None:
    """Show the address of the owner's account."""
    from ocr_peer.evm.address import checksum_address
    from ocr_peer.owner.account import create_key_file, owner_signer

    if create:
        if key_file is None:
            raise InputError("--key-file", None, "no file for the new key", "name one")
        create_key_file(key_file)
    click.echo(checksum_address(owner_signer(key_file, password_file).address))


@command.command("deploy")
@rpc_option
@click.option("--chain-id", type=click.IntRange(1, 2**63 - 1), required=True)
@click.option(
    "--contract",
    type=click.Choice(["A", "B"], case_sensitive=False),
    default="A",
    show_default=True,
    help="A takes OCR2's reports, B packed ones for less gas.",
)
@click.option("--min", "minimum", help="Smallest answer, as a price such as 0.01.")
@click.option("--max", "maximum", help="Largest answer, as a price.")
@click.option("--min-answer", type=int, help="Instead of --min: scaled by the decimals.")
@click.option("--max-answer", type=int, help="Instead of --max: scaled by the decimals.")
@click.option("--decimals", type=int, default=8, show_default=True)
@click.option("--description", required=True, help="What the answers measure, such as 'ETH / USD'.")
@click.option(
    "--max-age",
    default="0",
    show_default=True,
    help="Oldest report that is accepted, such as 30m; 0 for any.",
)
@click.option(
    "--heartbeat",
    default="0",
    show_default=True,
    help="Longest time between answers, told to consumers; 0 for none.",
)
@click.option("--again", is_flag=True, help="Deploy even if this account has deployed the same feed already.")
@account_options
@json_option
def deploy(**options: Any) -> None:
    """Deploy an aggregator.

    Its range of answers, decimals and description never change; maxAge and heartbeat can be changed.
    """
    import trio

    trio.run(_deploy, options)


@command.command("set-config", cls=OracleFilesCommand)
@rpc_option
@click.option("--chain-id", type=click.IntRange(1, 2**63 - 1), required=True)
@click.option("--contract-address", required=True, help="The aggregator.")
@click.option(
    "--oracle",
    "oracles",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    metavar="FILE…",
    help="Identity files of the oracles, by oracle id.",
)
@click.option("--parameters", type=click.Path(path_type=Path), help="TOML file of the parameters below.")
@click.option(
    "--keep",
    is_flag=True,
    help="Timing and thresholds that are not given stay as they are; otherwise they become the defaults.",
)
@parameter_options
@click.option(
    "--contract", type=click.Choice(["A", "B"], case_sensitive=False), help="Refuse the other contract."
)
@click.option("--min-answer", type=int, help="Refuse a contract with another smallest answer.")
@click.option("--max-answer", type=int, help="Refuse a contract with another largest answer.")
@account_options
@json_option
def set_config(**options: Any) -> None:
    """Make the oracles of the given identity files the feed's committee.

    Everything is checked, and what changes is shown, before anything is sent. Identity files are what
    `ocr-peer keys identity` writes.
    """
    import trio

    trio.run(_set_config, options)


@command.command("set-freshness")
@rpc_option
@click.option("--chain-id", type=click.IntRange(1, 2**63 - 1), required=True)
@click.option("--contract-address", required=True, help="The aggregator.")
@click.option("--max-age", help="Oldest report that is accepted; 0 for any.")
@click.option("--heartbeat", help="Longest time between answers, told to consumers; 0 for none.")
@account_options
@json_option
def set_freshness(**options: Any) -> None:
    """Change what the contract tells consumers of freshness, and how old a report may be."""
    import trio

    from ocr_peer.cli.contract_freshness import change_freshness

    trio.run(change_freshness, options)


@command.command("show")
@click.argument("address")
@rpc_option
@click.option("--chain-id", type=click.IntRange(1, 2**63 - 1), help="Refuse an endpoint of another chain.")
@json_option
def show(address: str, rpc: str, chain_id: int | None, as_json: bool) -> None:
    """Show an aggregator: its limits, configuration, oracles and newest answer."""
    import trio

    async def look() -> None:
        from ocr_peer.cli.contract_view import state_lines, state_object
        from ocr_peer.evm.address import parse_address
        from ocr_peer.owner.contract_state import check_chain, latest_transmitter, read_aggregator

        contract = parse_address(address, "ADDRESS")
        async with client(rpc) as chain:
            state = await read_aggregator(chain, await check_chain(chain, chain_id), contract, "ADDRESS")
            transmitter = await latest_transmitter(chain, state)
        if as_json:
            click.echo(json.dumps(state_object(state, transmitter), indent=2, ensure_ascii=False))
        else:
            for line in state_lines(state, transmitter):
                click.echo(line)

    trio.run(look)


async def _deploy(options: dict[str, Any]) -> None:
    from ocr_peer.evm.address import checksum_address
    from ocr_peer.evm.deploy import deployment_data
    from ocr_peer.owner.contract_state import check_chain
    from ocr_peer.owner.deployment import (
        AnswerText,
        aggregator_arguments,
        earlier_deployment,
        price_text,
        refuse_unmined,
    )

    chain_id, decimals = options["chain_id"], options["decimals"]
    arguments = aggregator_arguments(
        minimum=AnswerText(options["minimum"], options["min_answer"], "--min"),
        maximum=AnswerText(options["maximum"], options["max_answer"], "--max"),
        decimals=decimals,
        description=options["description"],
        max_age=options["max_age"],
        heartbeat=options["heartbeat"],
        report_format=report_format(options["contract"]),
    )
    owner = signer(options)
    async with client(options["rpc"]) as rpc:
        await check_chain(rpc, chain_id)
        account = owner_account(rpc, owner, options)
        quote = await account.quote(None, deployment_data(arguments))
        if not options["behind_pending"]:
            refuse_unmined(quote.unmined, account.address)
        earlier = (
            None if options["again"] else await earlier_deployment(rpc, chain_id, account.address, arguments)
        )
        if earlier is not None:
            raise InputError(
                "--description",
                arguments.description,
                f"this account has deployed the same feed already, at {checksum_address(earlier.address)}",
                "use that one, or add --again",
            )
        low, high = (price_text(limit, decimals) for limit in (arguments.min_answer, arguments.max_answer))
        tell(
            [
                f"Deploys aggregator {options['contract'].upper()} on chain {chain_id} ({rpc.shown_url}):",
                f"  description  {arguments.description}",
                f"  decimals     {decimals}",
                f"  answers      {low} to {high}",
                f"  max age      {f'{arguments.max_age_s} s' if arguments.max_age_s else 'any'}",
                f"  heartbeat    {f'{arguments.heartbeat_s} s' if arguments.heartbeat_s else 'none'}",
                f"  owner        {checksum_address(account.address)}",
                *cost_lines(quote),
            ]
        )
        confirm(yes=options["yes"])
        address = checksum_address(await account.deploy(arguments))
    if options["as_json"]:
        click.echo(
            json.dumps({"address": address, "chain_id": chain_id, "contract": options["contract"].upper()})
        )
    else:
        click.echo(f"The aggregator is at {address}.")
        click.echo(
            f"Next: ocr-peer contract set-config --chain-id {chain_id} --contract-address {address} --oracle …"
        )


async def _set_config(options: dict[str, Any]) -> None:
    from ocr_peer.evm.address import checksum_address, parse_address
    from ocr_peer.owner.changes import kept_values
    from ocr_peer.owner.configuration import check_contract, plan_configuration
    from ocr_peer.owner.contract_state import check_chain, read_aggregator
    from ocr_peer.owner.deployment import refuse_unmined
    from ocr_peer.owner.identity_reading import read_distinct_identities

    chain_id = options["chain_id"]
    contract = parse_address(options["contract_address"], "--contract-address")
    paths: Sequence[Path] = options["oracles"]
    files = list(zip(paths, read_distinct_identities(paths), strict=True))
    values = parameter_values(options)
    owner = signer(options)
    async with client(options["rpc"]) as rpc:
        await check_chain(rpc, chain_id)
        state = await read_aggregator(rpc, chain_id, contract, "--contract-address")
        account = owner_account(rpc, owner, options)
        check_contract(
            state,
            account.address,
            report_format=None if options["contract"] is None else report_format(options["contract"]),
            limits=(options["min_answer"], options["max_answer"]),
        )
        if options["keep"] and state.published is not None:
            values = kept_values(state.published, values)
        plan = plan_configuration(state, files, values)
        quote = await account.quote(contract, plan.calldata)
        if not options["behind_pending"]:
            refuse_unmined(quote.unmined, account.address)
        tell(
            [
                f"Configuration {plan.published.config_count} of {checksum_address(contract)} on chain {chain_id}:",
                f"  {state.description or '(no description)'}",
                f"  {plan.config.n} oracles, f = {plan.config.f}; {len(plan.calldata):,} bytes of calldata",
                *(f"  {line}" for line in plan.changes),
                *cost_lines(quote),
                *(f"Warning: {warning}" for warning in plan.warnings),
            ]
        )
        confirm(yes=options["yes"])
        published = await account.set_config(contract, plan.calldata)
    digest = "0x" + published.config_digest.hex()
    if published.config_digest != plan.config.config_digest:
        raise OperatingError(
            f"the contract has configuration {digest} now, not 0x{plan.config.config_digest.hex()} as computed: "
            "somebody else configured it meanwhile, or the endpoint lies; look with `ocr-peer contract show`"
        )
    if options["as_json"]:
        result = {
            "address": checksum_address(contract),
            "config_digest": digest,
            "config_count": published.config_count,
            "block": published.block_number,
            "warnings": plan.warnings,
        }
        click.echo(json.dumps(result))
    else:
        click.echo(f"Configuration {digest} is in force since block {published.block_number}.")
