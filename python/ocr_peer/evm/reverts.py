"""Why a contract refused a call, in words, and what that means for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from ocr_peer.evm.abi import decode_values, selector
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer

__all__ = ["Refusal", "Revert", "decode_revert", "refusal_of", "revert_of"]


class Refusal(StrEnum):
    """What a refusal means for whoever wants to send the call."""

    OVERTAKEN = "overtaken"
    """A report at least as new is on chain: another oracle was first."""
    TOO_OLD = "too old"
    """Its observations are older than the contract accepts, and grow no younger."""
    REPORT = "report"
    """The contract takes this report from nobody, now or later."""
    ACCOUNT = "account"
    """The contract takes no reports of this account."""
    PASSING = "passing"
    """It may be taken another time, as far as the reason tells."""

    @property
    def final(self) -> bool:
        """Whether to send the same call from the same account later is of no use either."""
        return self is not Refusal.PASSING


_MEANINGS: Final = {
    "StaleReport": Refusal.OVERTAKEN,
    "ReportTooOld": Refusal.TOO_OLD,
    "UnauthorizedTransmitter": Refusal.ACCOUNT,
    **dict.fromkeys(
        (
            # An old digest: A compares it, B finds no signer of it.
            "ConfigDigestMismatch",
            "InvalidSignature",
            "DuplicateSigner",
            "WrongNumberOfSignatures",
            "SignatureListsDiffer",
            "CalldataLengthMismatch",
            "ReportLengthMismatch",
            "ObservationsMisplaced",
            "WidthsOutOfRange",
            "TooManyObservations",
            "TooFewObservations",
            "AnswerOutOfRange",
        ),
        Refusal.REPORT,
    ),
}
"""Typed errors of this project's aggregators that `transmit` meets (docs/invariants.md, T2 to T11 and F1)."""

_MEANINGS_IN_WORDS: Final = {
    "stale report": Refusal.OVERTAKEN,
    "unauthorized transmitter": Refusal.ACCOUNT,
    **dict.fromkeys(
        (
            "configDigest mismatch",
            "calldata length mismatch",
            "wrong number of signatures",
            "signatures out of registration",
            "signature error",
            "duplicate signer",
            "report length mismatch",
            "num observations out of bounds",
            "too few values to trust median",
            "median is out of min-max range",
        ),
        Refusal.REPORT,
    ),
}
"""The same from the deployed OCR2 aggregators (libocr `contract2/OCR2Aggregator.sol`), which say it in words."""

_REVERT_CODE: Final = 3
"""JSON-RPC error code of a reverted call on geth and those that follow it."""

_PANICS: Final = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "invalid enum value",
    0x22: "corrupt storage string",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an unset function",
}
"""Codes of `Panic(uint256)`, from the Solidity documentation."""


@dataclass(frozen=True, slots=True)
class Revert:
    """A contract's refusal."""

    name: str | None
    """Name of the custom error, `None` for a refusal with words or without any."""
    reason: str
    """One line for people, such as `StaleReport(given: 769, latest: 770)` or `stale report`."""
    data: bytes


def revert_of(error: RpcError) -> Revert | None:
    """The refusal inside an error of `eth_call` or `eth_estimateGas`; `None` if the call failed otherwise."""
    data = _revert_data(error.data)
    if data:
        return decode_revert(data)
    if error.code != _REVERT_CODE and "revert" not in error.message.lower():
        return None
    # Some nodes give only words: "execution reverted: stale report".
    _, _, reason = error.message.partition(": ")
    return Revert(None, _line(reason) or "no reason given", b"")


def decode_revert(data: bytes) -> Revert:
    """Words for revert data: `Error(string)`, `Panic(uint256)`, or a custom error of the aggregators. Never raises."""
    if not data:
        return Revert(None, "no reason given", data)
    kind, arguments = data[:4], data[4:]
    try:
        if kind == selector("Error", ("string",)):
            return Revert(None, _line(decode_values(("string",), arguments, "a reason")[0]), data)
        if kind == selector("Panic", ("uint256",)):
            code = decode_values(("uint256",), arguments, "a panic code")[0]
            return Revert(None, f"panic: {_PANICS.get(code, hex(code))}", data)
        custom = _custom_errors().get(kind)
        if custom is not None:
            values = decode_values([argument["type"] for argument in custom["inputs"]], arguments, "an error")
            shown = (
                f"{argument['name']}: {_shown(value)}"
                for argument, value in zip(custom["inputs"], values, strict=True)
            )
            return Revert(custom["name"], _line(f"{custom['name']}({', '.join(shown)})"), data)
    except UnexpectedAnswer:
        pass
    return Revert(None, f"unknown error 0x{data[:68].hex()}", data)


def refusal_of(revert: Revert) -> Refusal:
    """What the refusal of a report means; unknown reasons are taken to pass."""
    if revert.name is not None:
        return _MEANINGS.get(revert.name, Refusal.PASSING)
    return _MEANINGS_IN_WORDS.get(revert.reason, Refusal.PASSING)


def _revert_data(value: object) -> bytes:
    """Revert data out of the `data` member of an error, which some nodes wrap in objects or in words."""
    for _ in range(3):
        if isinstance(value, dict):
            value = value.get("data", value.get("result"))
    if not isinstance(value, str):
        return b""
    try:
        return bytes.fromhex(value.removeprefix("Reverted ").removeprefix("0x"))
    except ValueError:
        return b""


def _shown(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    return checksum_address(value) if len(value) == 20 else "0x" + value.hex()


def _line(text: str, limit: int = 240) -> str:
    """A contract may say anything: keep it to one line of bounded length."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


@cache
def _custom_errors() -> Mapping[bytes, dict[str, Any]]:
    artifacts = files("ocr_peer.evm").joinpath("artifacts")
    return {
        selector(entry["name"], [argument["type"] for argument in entry["inputs"]]): entry
        for name in ("Aggregator", "PackedAggregator")
        for entry in json.loads(artifacts.joinpath(f"{name}.json").read_bytes())["abi"]
        if entry["type"] == "error"
    }
