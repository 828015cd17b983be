"""Measures what a new answer costs, in gas and in time, and writes it down: python -m tests.contracts.gas

Every figure is the gasUsed of receipts, on the development chain, with real signatures. The keys, values and times are
fixed, so that a figure changes only with the contracts.

Steady state: the fifth report of a fresh contract under its first configuration, which writes a new slot of the history
and warms nothing up for itself. All n oracles observe, values of five bytes; f = (n-1)/3 rounded down; f+1 signatures;
maxAge is set. One transaction per oracle: the sum over the n submissions of the fifth round.

Time: a chain with a block every 12 seconds, whose blocks others fill up to 500,000 gas, as where sixty such feeds share
blocks of 30,000,000 on a day that moves them all. Everything is sent at once, right after a block. The gas limit of a
transaction is what it used in the round before, the dearest of that kind, and a fifth.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .chain import NOW, Chain, Contract
from .feed import KINDS, OUTSIDER, OWNER, Feed, new_chain, observations
from .one_tx import FluxFeed

CONTRACTS = Path(__file__).parents[2] / "contracts"
SNAPSHOT = CONTRACTS / "gas.json"
README = CONTRACTS / "README.md"
OPENING, CLOSING = "<!-- make gas writes this table -->\n", "<!-- end of the table -->\n"
NAMES = dict(zip("AB", KINDS, strict=True))

SIZES = (4, 10, 16, 31)
ROUNDS = 5
MAX_AGE = 3600

BLOCK_SECONDS = 12
BLOCK_GAS = 10_000_000
LEFT_GAS = 500_000
# JUMPDEST, PUSH1 0, JUMP: uses up all the gas it is given.
FILLER = bytes.fromhex("6004600c60003960046000f35b600056")


def report_costs(kind: str, n: int) -> dict[str, int]:
    """What a configuration and a report in steady state use."""
    feed = Feed.deploy(new_chain(), n, max_age=MAX_AGE, configured=False, kind=kind)
    configuring = feed.configure().gas_used
    used = [
        feed.transmit(feed.signed(1, round_, observed_at=NOW)).gas_used for round_ in range(1, ROUNDS + 1)
    ]
    return {"setConfig": configuring, "transmit": used[-1]}


def submission_costs(n: int) -> list[int]:
    """What the submissions of a round in steady state use."""
    chain = new_chain()
    flux = FluxFeed.deploy(chain, n)
    used: list[int] = []
    for round_ in range(1, ROUNDS + 1):
        used = [
            flux.contract.send_raw(key, data).gas_used
            for key, data in flux.submissions(round_, observations(n))
        ]
    return used


def until_answer(
    chain: Chain, contract: Contract, sent: list[tuple[bytes, bytes]], gas: int
) -> dict[str, int]:
    """Sends transactions to a chain of full blocks; how long until a new answer stands."""
    latest = contract.read("latestRound")
    filler = chain.send(OWNER, None, FILLER).contract
    chain.rpc("evm_setAutomine", False)
    start = chain.next_timestamp - 1
    for key, data in sent:
        chain.submit(key, contract.address, data, gas=gas)
    for block in range(1, 100):
        chain.submit(OUTSIDER, filler, b"", gas=BLOCK_GAS - LEFT_GAS, tip=2 * 10**9)
        chain.mine(start + BLOCK_SECONDS * block)
        if contract.read("latestRound") > latest:
            return {"blocks": block, "seconds": BLOCK_SECONDS * block}
    raise AssertionError("no answer in a hundred blocks")


def time_of_report(kind: str, n: int) -> dict[str, int]:
    chain = new_chain(block_gas_limit=BLOCK_GAS)
    feed = Feed.deploy(chain, n, max_age=MAX_AGE, kind=kind)
    used = feed.transmit(feed.signed(1, 1, observed_at=NOW)).gas_used
    calldata = feed.signed(1, 2, observed_at=NOW).calldata
    return until_answer(chain, feed.contract, [(feed.transmitter, calldata)], used + used // 5)


def time_of_submissions(n: int) -> dict[str, int]:
    chain = new_chain(block_gas_limit=BLOCK_GAS)
    flux = FluxFeed.deploy(chain, n)
    dearest = max(
        flux.contract.send_raw(key, data).gas_used for key, data in flux.submissions(1, observations(n))
    )
    return until_answer(chain, flux.contract, flux.submissions(2, observations(n)), dearest + dearest // 5)


def by_size(measure: Callable[[int], Any]) -> dict[str, Any]:
    return {str(n): measure(n) for n in SIZES}


def measured() -> dict[str, Any]:
    """Everything that gas.json holds."""
    costs = {name: by_size(lambda n, kind=kind: report_costs(kind, n)) for name, kind in NAMES.items()}
    of_report = {name: {n: cost["transmit"] for n, cost in costs[name].items()} for name in NAMES}
    of_config = {name: {n: cost["setConfig"] for n, cost in costs[name].items()} for name in NAMES}
    return {
        **of_report,
        "one_tx_per_oracle": by_size(lambda n: sum(submission_costs(n))),
        "setConfig": of_config,
        "until_answer": {
            **{name: by_size(lambda n, kind=kind: time_of_report(kind, n)) for name, kind in NAMES.items()},
            "one_tx_per_oracle": by_size(time_of_submissions),
        },
    }


def table(figures: dict[str, Any]) -> str:
    """The comparison, as contracts/README.md shows it."""
    lines = [
        "| | " + " | ".join(f"n = {n}" for n in SIZES) + " |",
        "| --- |" + " ---: |" * len(SIZES),
    ]
    rows = {"A": "A, one report", "B": "B, one report", "one_tx_per_oracle": "one transaction per oracle"}
    lines += [
        f"| {title}, gas | " + " | ".join(f"{figures[key][str(n)]:,}" for n in SIZES) + " |"
        for key, title in rows.items()
    ]
    saved = (figures["one_tx_per_oracle"][str(n)] / figures["B"][str(n)] for n in SIZES)
    lines.append("| … as a multiple of B | " + " | ".join(f"{factor:.1f}" for factor in saved) + " |")
    for key, title in rows.items():
        times = (figures["until_answer"][key][str(n)] for n in SIZES)
        shown = " | ".join(f"{time['blocks']} / {time['seconds']} s" for time in times)
        lines.append(f"| {title}, blocks / seconds until the answer stands | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    found = measured()
    shown = table(found)
    SNAPSHOT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(OPENING)
    after = rest.partition(CLOSING)[2]
    README.write_text(before + OPENING + shown + CLOSING + after, encoding="utf-8")
    print(shown, end="")  # noqa: T201 - a program for people


if __name__ == "__main__":
    main()
