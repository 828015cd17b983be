"""Options that the commands of `ocr-peer contract` share, what they turn into, and the question before sending."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocr_peer.errors import InputError, OperatingError

if TYPE_CHECKING:
    from ocr_peer.evm.deploy import OwnerAccount, Quote
    from ocr_peer.evm.rpc import RpcClient
    from ocr_peer.evm.signer import LocalSigner
    from ocr_peer.owner.parameters import ParameterValue
    from ocr_peer.protocol.config import ReportFormat

__all__ = [
    "OracleFilesCommand",
    "account_options",
    "client",
    "confirm",
    "cost_lines",
    "json_option",
    "owner_account",
    "parameter_options",
    "parameter_values",
    "report_format",
    "rpc_option",
    "signer",
    "tell",
]


class OracleFilesCommand(click.Command):
    """Takes `--oracle A B C` for `--oracle A --oracle B --oracle C`; there are no other arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before every file that follows it."""
        repeated: list[str] = []
        after_file = False
        for index, word in enumerate(args):
            if after_file and not word.startswith("-"):
                repeated.append("--oracle")
            elif word.startswith("-"):
                after_file = word.startswith("--oracle=")
            repeated.append(word)
            after_file = after_file or (index > 0 and args[index - 1] == "--oracle")
        return super().parse_args(ctx, repeated)


def _kebab(key: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in key)


rpc_option = click.option(
    "--rpc",
    envvar="OCR_PEER_RPC",
    default="http://127.0.0.1:8545",
    show_default=True,
    help="JSON-RPC endpoint, or the variable OCR_PEER_RPC.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def account_options(function: Callable[..., None]) -> Callable[..., None]:
    """Who sends, at what price, and whether to ask."""
    for option in reversed(
        (
            click.option(
                "--key-file",
                type=click.Path(path_type=Path),
                help="Key of the owner's account: an Ethereum keystore file, or 64 hex digits. "
                "[default: the variable OCR_PEER_OWNER_KEY]",
            ),
            click.option(
                "--password-file",
                type=click.Path(path_type=Path),
                help="Password of a keystore file.  [default: the variable OCR_PEER_OWNER_PASSWORD]",
            ),
            click.option(
                "--max-fee",
                type=click.FloatRange(0, min_open=True),
                default=500.0,
                show_default=True,
                help="Most that is offered for gas, in gwei.",
            ),
            click.option(
                "--timeout",
                type=click.FloatRange(0, min_open=True),
                default=300.0,
                show_default=True,
                help="Seconds to wait for a block to take the transaction.",
            ),
            click.option(
                "--behind-pending", is_flag=True, help="Send even behind transactions not yet mined."
            ),
            click.option("--yes", is_flag=True, help="Do not ask."),
        )
    ):
        function = option(function)
    return function


def parameter_options(function: Callable[..., None]) -> Callable[..., None]:
    """Every parameter of a committee; the name of each is its key in the file."""
    from ocr_peer.owner.parameters import DURATIONS

    options = [
        click.option(
            "--f", "f", type=int, help="Faulty oracles to tolerate.  [default: as many as possible]"
        ),
        *(
            click.option(f"--{_kebab(key)}", key, help=f"{text}  [default: {default}]")
            for key, (_, default, text) in DURATIONS.items()
        ),
        click.option("--r-max", "rMax", type=int, help="Rounds in an epoch.  [default: 20]"),
        click.option(
            "--s", "s", help="Transmitters of each stage, as in 1,1,2.  [default: 1 for each oracle]"
        ),
        click.option(
            "--alpha-report",
            "alphaReport",
            help="Deviation worth a report: 0.5%, 5000000ppb or infinite.  [0.5%]",
        ),
        click.option(
            "--alpha-accept",
            "alphaAccept",
            help="Deviation from a report under way that is worth another.  [default: as --alpha-report]",
        ),
        click.option(
            "--delta-c",
            "deltaC",
            help="Longest time between answers.  [default: the contract's heartbeat, or 1h]",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def parameter_values(options: dict[str, Any]) -> dict[str, ParameterValue]:
    """The owner's choices; an option outweighs the file. Raises `InputError`."""
    from ocr_peer.owner.parameters import DURATIONS, ParameterValue, read_parameter_file

    values = {} if options["parameters"] is None else read_parameter_file(options["parameters"])
    for key in (*DURATIONS, "f", "rMax", "s", "alphaReport", "alphaAccept", "deltaC"):
        if options[key] is not None:
            values[key] = ParameterValue(options[key], f"--{_kebab(key)}")
    return values


def report_format(letter: str) -> ReportFormat:
    """What aggregator A or B takes."""
    from ocr_peer.protocol.config import ReportFormat

    return ReportFormat.PACKED if letter.upper() == "B" else ReportFormat.OCR2


def client(url: str) -> RpcClient:
    """A client for an endpoint that was not asked yet; raises `InputError`."""
    from ocr_peer.evm.rpc import RpcClient
    from ocr_peer.settings.values import ValueSyntaxError, read_url

    try:
        return RpcClient(read_url(url, ("http", "https")))
    except ValueSyntaxError as error:
        raise InputError("--rpc", "…", error.problem, error.fix) from None  # it may hold an access key


def signer(options: dict[str, Any]) -> LocalSigner:
    """The owner's account; raises `InputError`."""
    from ocr_peer.owner.account import owner_signer

    return owner_signer(options["key_file"], options["password_file"])


def owner_account(rpc: RpcClient, owner: LocalSigner, options: dict[str, Any]) -> OwnerAccount:
    """The account, with the options' limits; tells what it waits for."""
    from ocr_peer.evm.deploy import OwnerAccount
    from ocr_peer.evm.fees import GWEI, FeeSettings

    return OwnerAccount(
        rpc,
        owner,
        chain_id=options["chain_id"],
        fees=FeeSettings(max_fee_cap=max(1, int(options["max_fee"] * GWEI))),
        timeout_s=options["timeout"],
        on_progress=lambda words: tell([words]),
    )


def cost_lines(quote: Quote) -> list[str]:
    """What a transaction costs, for people."""
    from ocr_peer.evm.deploy import ether

    return [
        f"  cost         about {ether(quote.expected_cost)} ({quote.gas:,} gas), at most {ether(quote.highest_cost)}",
        f"  balance      {ether(quote.balance)}",
    ]


def tell(lines: Sequence[str]) -> None:
    """What is about to happen goes to standard error, so that standard output is the result alone."""
    for line in lines:
        click.echo(line, err=True)


def confirm(*, yes: bool) -> None:
    """Go on if the owner says so; raises `InputError` if nobody answers, `OperatingError` if the answer is no."""
    if yes:
        return
    click.echo("Send it? [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if not sys.stdin.isatty():
        click.echo(err=True)  # nobody has typed the end of the line
    if not answer:
        raise InputError("--yes", None, "nobody answers the question", "add --yes to send it unasked")
    if answer.strip().lower() not in {"y", "yes"}:
        raise OperatingError("not confirmed: nothing was sent")
