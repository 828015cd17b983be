"""What must hold after a soak, read off the chain, the nodes' stores and their logs."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_peer.demo.audit import ChainAuditor
from ocr_peer.protocol.report import RoundTag
from tests.soak.chain import ChainProcess

EXPIRY_S = 120.0
"""The contract's maxAge: a report that has not landed by then never will."""


@dataclass
class Verdict:
    """Counts, and everything that does not hold."""

    answers: int = 0
    transactions: int = 0
    """Of the transmitters, in the chain's blocks."""
    cancellations: int = 0
    """Those among them that only use up the nonce of a report that had become useless: nothing to themselves."""
    slowest_s: float = 0.0
    """Longest time from a report's acceptance until it, or a newer one, stood on chain."""
    problems: list[str] = field(default_factory=list)


@dataclass
class Landings:
    """When reports were accepted by oracles, and when answers were first seen on chain; monotonic nanoseconds."""

    accepted: dict[RoundTag, int] = field(default_factory=dict)
    landed: list[tuple[RoundTag, int]] = field(default_factory=list)

    def accept(self, tag: RoundTag, mono_ns: int) -> None:
        """An oracle accepted a report for transmission."""
        self.accepted.setdefault(tag, mono_ns)

    def judge(self, verdict: Verdict, ended_ns: int) -> None:
        """Each accepted report, or a newer one, must have reached the chain in time."""
        for tag, accepted in self.accepted.items():
            seen = [at for landed, at in self.landed if landed >= tag]
            if not seen and ended_ns - accepted < EXPIRY_S * 1e9:
                continue
            took = ((min(seen) if seen else ended_ns) - accepted) / 1e9
            verdict.slowest_s = max(verdict.slowest_s, took)
            if not seen or took > EXPIRY_S:
                verdict.problems.append(
                    f"the report of {tag} was accepted, and nothing landed for {took:.0f} s"
                )


async def judge_chain(
    chain: ChainProcess, contract: str, transmitters: Mapping[str, Path], verdict: Verdict
) -> None:
    """Check all answers, and all transactions of the transmitters.

    Args:
        chain: still running, undisturbed.
        contract: the aggregator.
        transmitters: by lower-case address, the folder of the node that sends from it; it has ended.
        verdict: filled in.
    """
    auditor = ChainAuditor(chain.client, chain.url, contract)
    answers, _ = await auditor.new_answers(0)
    verdict.answers = len(answers)
    for answer in answers:
        verdict.problems += [f"round id {answer.round_id}: {problem}" for problem in answer.problems]
    if [answer.round_id for answer in answers] != list(range(1, len(answers) + 1)):
        verdict.problems.append("round ids are not 1, 2, 3, …")
    if sorted(answer.tag for answer in answers) != [answer.tag for answer in answers]:
        verdict.problems.append("answers are not in the order of their rounds")
    mined = await _mined(chain, transmitters)
    for account, folder in transmitters.items():
        _judge_account(account, mined[account], _stored(folder), verdict)


async def _mined(chain: ChainProcess, transmitters: Mapping[str, Path]) -> dict[str, list[dict[str, Any]]]:
    head = int(await chain.call("eth_blockNumber"), 16)
    by_account = defaultdict(list)
    for number in range(head + 1):
        block = await chain.call("eth_getBlockByNumber", hex(number), True)
        for transaction in block["transactions"]:
            if transaction["from"].lower() in transmitters:
                by_account[transaction["from"].lower()].append(transaction)
    return by_account


def _stored(folder: Path) -> dict[int, tuple[str, list[str], str]]:
    """By nonce: reference, hashes of all attempts and state."""
    path = folder / "data" / "node.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT nonce, reference, hashes, state FROM evm_transaction")
        return {nonce: (reference, json.loads(hashes), state) for nonce, reference, hashes, state in rows}


def _judge_account(
    account: str,
    mined: Sequence[dict[str, Any]],
    stored: Mapping[int, tuple[str, list[str], str]],
    verdict: Verdict,
) -> None:
    verdict.transactions += len(mined)
    nonces = [int(transaction["nonce"], 16) for transaction in mined]
    if sorted(nonces) != list(range(len(nonces))):
        verdict.problems.append(f"{account}: nonces on chain are {sorted(nonces)}")
    payloads = [transaction["input"] for transaction in mined if transaction["to"].lower() != account]
    verdict.cancellations += len(mined) - len(payloads)
    if len(set(payloads)) != len(payloads):
        verdict.problems.append(f"{account}: one report was sent in two transactions that were both mined")
    for transaction in mined:
        nonce, transaction_hash = int(transaction["nonce"], 16), transaction["hash"].removeprefix("0x")
        if nonce not in stored:
            verdict.problems.append(f"{account}: nonce {nonce} is on chain and not in the node's store")
        elif transaction_hash not in stored[nonce][1]:
            verdict.problems.append(f"{account}: nonce {nonce} was spent twice: {stored[nonce]}")
