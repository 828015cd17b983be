"""Deploying an aggregator: the arguments as people write them, and what the account has deployed before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from ocr_peer import crypto
from ocr_peer.durations import SECOND_NS, parse_duration
from ocr_peer.errors import InputError, OperatingError
from ocr_peer.evm.access import Call, ChainAccess
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.chain_objects import result_of
from ocr_peer.evm.deploy import AggregatorArguments
from ocr_peer.evm.quantity import data_from_hex, quantity_from_hex, to_hex
from ocr_peer.median.config import INT192_MAX, INT192_MIN
from ocr_peer.owner.contract_state import AggregatorState, read_aggregator
from ocr_peer.protocol.config import ReportFormat

__all__ = [
    "AnswerText",
    "aggregator_arguments",
    "created_address",
    "earlier_deployment",
    "heartbeat_seconds",
    "max_age_seconds",
    "price_text",
    "refuse_unmined",
]

_PRICE: Final = re.compile(r"-?[0-9]{1,80}(?:\.[0-9]{1,80})?")
_MAX_DESCRIPTION_BYTES: Final = 256
_MAX_AGE_S: Final = 2**24 - 1
_MAX_HEARTBEAT_S: Final = 2**32 - 1
_LOOK_BACK: Final = 50
"""Transactions of the account that are looked at for an earlier deployment."""


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A limit of the answers as given: a readable price, or scaled by the decimals already."""

    price: str | None
    scaled: int | None
    option: str
    """`--min` or `--max`; the scaled one is `--min-answer` or `--max-answer`."""


def aggregator_arguments(
    *,
    minimum: AnswerText,
    maximum: AnswerText,
    decimals: int,
    description: str,
    max_age: str,
    heartbeat: str,
    report_format: ReportFormat,
) -> AggregatorArguments:
    """Checked arguments of the constructor.

    Raises:
        InputError: names the option, its value and the rule.
    """
    if not 0 <= decimals <= 255:
        raise InputError("--decimals", decimals, "not a uint8", "write 0 to 255")
    low, high = (_answer(limit, decimals) for limit in (minimum, maximum))
    if low > high:
        raise InputError(
            minimum.option,
            price_text(low, decimals),
            f"above {maximum.option} {price_text(high, decimals)}",
            "swap them",
        )
    if len(description.encode()) > _MAX_DESCRIPTION_BYTES or not description.isprintable() or not description:
        raise InputError(
            "--description",
            description.encode("unicode_escape").decode(),
            f"not 1 to {_MAX_DESCRIPTION_BYTES} bytes of printable text",
            "write what the answers measure, such as ETH / USD",
        )
    return AggregatorArguments(
        min_answer=low,
        max_answer=high,
        decimals=decimals,
        description=description,
        max_age_s=max_age_seconds(max_age),
        heartbeat_s=heartbeat_seconds(heartbeat),
        report_format=report_format,
    )


def price_text(answer: int, decimals: int) -> str:
    """An answer as a readable price, without zeros at its end."""
    digits = str(abs(answer)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return ("-" if answer < 0 else "") + whole + (f".{fraction}" if fraction else "")


def created_address(account: bytes, nonce: int) -> bytes:
    """The contract, 20 bytes, that an account's transaction of this nonce creates: keccak256(rlp([account, nonce]))."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8)
    encoded = number if len(number) == 1 and nonce < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + account + encoded
    return crypto.keccak256(bytes([0xC0 + len(payload)]) + payload)[12:]


async def earlier_deployment(
    rpc: ChainAccess, chain_id: int, account: bytes, arguments: AggregatorArguments
) -> AggregatorState | None:
    """The newest aggregator that the account deployed with the same arguments, among its last transactions.

    So a repeated command finds what a command before, interrupted while it waited, has deployed after all.

    Raises:
        OperatingError: the endpoint fails.
    """
    count = quantity_from_hex(
        await rpc.call("eth_getTransactionCount", (to_hex(account), "latest")), "eth_getTransactionCount"
    )
    nonces = range(count - 1, max(-1, count - 1 - _LOOK_BACK), -1)
    addresses = [created_address(account, nonce) for nonce in nonces]
    calls: list[Call] = [("eth_getCode", (to_hex(address), "latest")) for address in addresses]
    for address, outcome in zip(addresses, await rpc.batch(calls) if calls else [], strict=True):
        if not data_from_hex(result_of(outcome), "eth_getCode"):
            continue
        try:
            state = await read_aggregator(rpc, chain_id, address, "address")
        except InputError:
            continue  # some other contract
        if _same(state, arguments):
            return state
    return None


def refuse_unmined(unmined: int, account: bytes) -> None:
    """Refuse to send a transaction behind others that may turn out to be the same; raises `OperatingError`."""
    if unmined:
        raise OperatingError(
            f"{checksum_address(account)} has {unmined} transaction{'s' if unmined > 1 else ''} that no block has "
            "taken yet, maybe of an earlier command: wait until they are mined and look again, or add --behind-pending"
        )


def _same(state: AggregatorState, arguments: AggregatorArguments) -> bool:
    return (
        state.min_answer,
        state.max_answer,
        state.decimals,
        state.description,
        state.report_format,
    ) == (
        arguments.min_answer,
        arguments.max_answer,
        arguments.decimals,
        arguments.description,
        arguments.report_format,
    )


def _answer(limit: AnswerText, decimals: int) -> int:
    if (limit.price is None) == (limit.scaled is None):
        problem = "no limit" if limit.price is None else f"{limit.option}-answer says it as well"
        fix = f"write {limit.option} PRICE, or {limit.option}-answer as scaled by the decimals"
        raise InputError(limit.option, limit.price, problem, fix)
    if limit.scaled is not None:
        option, shown, answer = f"{limit.option}-answer", str(limit.scaled), limit.scaled
    else:
        option, shown = limit.option, limit.price or ""
        if _PRICE.fullmatch(shown) is None:
            raise InputError(option, shown, "no price", "write it as in 0.01 or 100000")
        with localcontext(prec=500):
            scaled = Decimal(shown).scaleb(decimals)
            if scaled != scaled.to_integral_value():
                fix = f"write at most {decimals} decimals, or raise --decimals"
                raise InputError(option, shown, f"finer than {decimals} decimals", fix)
            answer = int(scaled)
    if not INT192_MIN <= answer <= INT192_MAX:
        raise InputError(option, shown, "its scaled value is outside int192", "choose a smaller one")
    return answer


def max_age_seconds(text: str) -> int:
    """Seconds of `--max-age`, a uint24; raises `InputError`."""
    return _seconds(text, "--max-age", _MAX_AGE_S)


def heartbeat_seconds(text: str) -> int:
    """Seconds of `--heartbeat`, a uint32; raises `InputError`."""
    return _seconds(text, "--heartbeat", _MAX_HEARTBEAT_S)


def _seconds(text: str, option: str, most: int) -> int:
    seconds, rest = divmod(parse_duration(text, field=option), SECOND_NS)
    if rest:
        raise InputError(option, text, "no whole number of seconds", "write whole seconds")
    if seconds > most:
        raise InputError(option, text, f"more than {most} s", "write less")
    return seconds
