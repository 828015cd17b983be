"""Whether several endpoints say the same, and which of them contradicts the others. No I/O.

Endpoints of different makers word the same answer differently: upper or lower case, more or fewer members.
Answers are compared by what this node reads out of them.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ocr_peer.evm.access import Call
from ocr_peer.evm.chain_objects import block_from_json, logs_from_json, receipt_from_json
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.reverts import revert_of
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer, shortened

__all__ = [
    "NOTHING",
    "Ballot",
    "Verdict",
    "block_named",
    "canonical",
    "contradicts",
    "decide",
    "needed_votes",
    "said",
    "shared_head",
    "told_apart",
]

Ballot: TypeAlias = tuple[Hashable, ...]
"""One endpoint's answers to the same calls, in canonical form."""

NOTHING: Final = ("nothing",)
"""`null`, or an error that says nothing of the chain: the endpoint does not have it."""

_BLOCK_POSITION: Final = {
    "eth_call": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_estimateGas": 1,
    "eth_getStorageAt": 2,
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
}
"""Where the methods take their block."""

_QUANTITIES: Final = frozenset(
    {
        "eth_blockNumber",
        "eth_chainId",
        "eth_gasPrice",
        "eth_maxPriorityFeePerGas",
        "eth_getBalance",
        "eth_getTransactionCount",
        "eth_estimateGas",
    }
)
_REVERTED: Final = "reverted"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the majority says."""

    ballot: Ballot
    supporters: tuple[str, ...]
    liars: tuple[str, ...]
    """Those who say something else; who says nothing is none of them."""


def needed_votes(voters: int, at_least: int = 0) -> int:
    """How many same answers it takes: more than half of the voters, so that there are never two majorities."""
    return max(voters // 2 + 1, at_least)


def decide(ballots: Mapping[str, Ballot], needed: int) -> Verdict | None:
    """The answer that at least `needed` endpoints give, if there is one.

    Args:
        ballots: by endpoint, in order of preference; who did not answer is left out.
        needed: from `needed_votes`.
    """
    supporters: dict[Ballot, list[str]] = {}
    for name, ballot in ballots.items():
        supporters.setdefault(ballot, []).append(name)
    for ballot, names in supporters.items():
        if len(names) >= needed:
            liars = tuple(name for name, other in ballots.items() if contradicts(other, ballot))
            return Verdict(ballot, tuple(names), liars)
    return None


def shared_head(heads: Sequence[int], needed: int, within: int) -> int | None:
    """A head that at least `needed` endpoints have, and that none of those is more than `within` blocks beyond.

    With an honest majority one of them is honest, so that the head is neither made up nor of long ago: one that
    claims an old head must not make the others tell of old times.

    Args:
        heads: of all that answered.
        needed: from `needed_votes`.
        within: blocks; 0 for any number.

    Returns:
        The newest such head, if there is one.
    """
    descending = sorted(heads, reverse=True)
    for highest, lowest in zip(descending, descending[needed - 1 :], strict=False):
        if within == 0 or highest - lowest <= within:
            return lowest
    return None


def contradicts(one: Ballot, other: Ballot) -> bool:
    """Whether both say something, and not the same, in answer to the same call.

    Two reverts are never a contradiction: some endpoints leave out the reason.
    """
    return any(
        mine != theirs and NOTHING not in (mine, theirs) and not (_is_revert(mine) and _is_revert(theirs))
        for mine, theirs in zip(one, other, strict=True)
    )


def canonical(call: Call, outcome: object | RpcError) -> Hashable:
    """An outcome in the form in which outcomes are compared.

    Raises:
        UnexpectedAnswer: not what the method promises.
    """
    method, params = call
    if isinstance(outcome, RpcError):
        return _canonical_error(outcome)
    if method in _QUANTITIES:
        return quantity_from_hex(outcome, method)
    if method == "eth_getLogs":
        # In one order: JSON-RPC does not promise any.
        return tuple(sorted(logs_from_json(outcome), key=lambda log: (log.block_number, log.log_index)))
    if outcome is None:
        return NOTHING
    if method in {"eth_getBlockByNumber", "eth_getBlockByHash"} and "pending" not in params:
        return block_from_json(outcome)
    if method == "eth_getTransactionReceipt":
        return receipt_from_json(outcome)
    return _plain(outcome)


def block_named(call: Call) -> int | None:
    """The highest block number that a call names: who does not have it yet has nothing to say."""
    method, params = call
    if method == "eth_getLogs":
        query = params[0] if params else None
        return _number(query.get("toBlock")) if isinstance(query, Mapping) else None
    position = _BLOCK_POSITION.get(method)
    if position is None or len(params) <= position:
        return None
    return _number(params[position])


def said(
    calls: Sequence[Call], outcomes: Sequence[object | RpcError], others: Sequence[object | RpcError]
) -> str:
    """The first answer that differs from the others', short enough for a log line."""
    for call, mine, theirs in zip(calls, outcomes, others, strict=True):
        if canonical(call, mine) != canonical(call, theirs):
            return f"{call[0]}: {told_apart([_text(mine), _text(theirs)])[0]}"
    return "the same"


def told_apart(texts: Sequence[str], limit: int = 120) -> list[str]:
    """Each text on one line, cut so that what differs between them can be seen."""
    columns = enumerate(zip(*texts, strict=False)) if len(texts) > 1 else ()
    differ_at = next((index for index, column in columns if len(set(column)) > 1), 0)
    start = differ_at - 12 if differ_at > limit // 2 else 0
    return [("…" if start else "") + shortened(text[start:], limit) for text in texts]


def _canonical_error(error: RpcError) -> Hashable:
    revert = revert_of(error)
    return NOTHING if revert is None else (_REVERTED, revert.reason)


def _is_revert(form: Hashable) -> bool:
    return isinstance(form, tuple) and form[:1] == (_REVERTED,)


def _text(outcome: object | RpcError) -> str:
    return str(outcome) if isinstance(outcome, RpcError) else json.dumps(outcome)


def _number(block: object) -> int | None:
    if isinstance(block, Mapping):
        block = block.get("blockNumber")
    try:
        return quantity_from_hex(block, "a block")
    except UnexpectedAnswer:
        return None  # a tag, or a hash


def _plain(value: object) -> Hashable:
    if isinstance(value, str):
        return value.lower() if value.startswith(("0x", "0X")) else value
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        members = ((key, _plain(item)) for key, item in value.items() if item is not None)
        return ("object", *sorted(members, key=lambda member: member[0]))
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN, which no answer equals
        return "NaN"
    return (type(value).__name__, value) if isinstance(value, Hashable) else repr(value)
