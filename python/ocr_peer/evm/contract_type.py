"""What kind of aggregator a contract says it is, compared with the job that names it."""

from __future__ import annotations

from typing import Final

from ocr_peer.errors import InputError
from ocr_peer.evm.abi import Function
from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.quantity import data_from_hex, to_hex
from ocr_peer.evm.reverts import revert_of
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer
from ocr_peer.protocol.config import ReportFormat

__all__ = ["TYPE_AND_VERSION", "check_report_format", "report_format_of", "type_and_version"]

TYPE_AND_VERSION: Final = Function("typeAndVersion", (), ("string",))

_PACKED_TYPE: Final = "PackedAggregator"
_LONGEST: Final = 80
"""Characters kept of a contract's name: it may say anything."""


async def type_and_version(rpc: ChainAccess, contract: bytes) -> str | None:
    """What the contract calls itself, such as `PackedAggregator 1.0.0`; `None` if it does not say.

    Args:
        rpc: the chain.
        contract: 20 bytes.

    Raises:
        RpcError: the endpoint refuses the question, not the contract.
        RpcUnavailable: no answer.
    """
    call = {"to": to_hex(contract), "data": to_hex(TYPE_AND_VERSION.encode_call())}
    try:
        answer = data_from_hex(await rpc.call("eth_call", (call, "latest")), TYPE_AND_VERSION.name)
        (name,) = TYPE_AND_VERSION.decode_result(answer)
    except UnexpectedAnswer:
        return None
    except RpcError as error:
        if revert_of(error) is None:
            raise
        return None
    shown = "".join(character if character.isprintable() else "�" for character in name[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def report_format_of(name: str | None) -> ReportFormat:
    """The format of the reports that a contract takes, by what it calls itself.

    Aggregator B alone takes the packed format. Every other name, and none at all, is taken for a contract of the
    OCR2 format: there are many of those.
    """
    words = (name or "").split(maxsplit=1)
    return ReportFormat.PACKED if words and words[0] == _PACKED_TYPE else ReportFormat.OCR2


async def check_report_format(rpc: ChainAccess, contract: bytes, report_format: ReportFormat) -> None:
    """Refuse a job whose report format the contract does not take.

    Raises:
        InputError: names the setting, what the contract calls itself and what to write.
        OperatingError: the chain does not answer.
    """
    try:
        name = await type_and_version(rpc, contract)
    except RpcError:
        # Endpoints differ in how they say that a contract has no such function.
        if report_format is ReportFormat.PACKED:
            raise
        return
    taken = report_format_of(name)
    if taken is report_format:
        return
    said = "does not say what it is" if name is None else f'calls itself "{name}"'
    fix = f'write reportFormat = "{taken}"'
    if taken is ReportFormat.OCR2:
        fix += f", or give the address of a {_PACKED_TYPE} as contractID"
    raise InputError(
        "pluginConfig.reportFormat",
        report_format.value,
        f"the contract {said}, and takes reports of the format {taken}",
        fix,
    )
