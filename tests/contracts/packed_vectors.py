"""Makes `tests/vectors/packed_report.json` with the reference codec: `python -m tests.contracts.packed_vectors`.

Nothing here comes from the node. Where more than twelve observations tie, Go's unstable sort would decide their order:
no such case is made.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .packed import PackedTransmission, compact, decode_report, encode_report, message_of
from .signing import Report, address_of, committee

FILE = Path(__file__).parents[1] / "vectors" / "packed_report.json"

INT192_MIN, INT192_MAX = -(2**191), 2**191 - 1
SEED = 20231114
NOW = 1_700_000_000

DOC = {
    "what": "reports, signed messages and calldata of aggregator B",
    "rule": "docs/contract-b.md; made by tests/contracts/packed_vectors.py with the codec tests/contracts/packed.py",
    "observations_in_order": "in the order of the request; sorted by value, timestamp, juels, value, each time stably",
    "signatures": "of f+1 oracles in the order of the calldata: r||s||v, and r||s with v as highest bit",
    "malformed": "bytes that the contract refuses, or that say what nobody can have observed",
}

Observation = tuple[int, int, int, int]
"""Observer, timestamp, value, juels per fee coin."""


def ordered(observations: Sequence[Observation]) -> Report:
    """The report's order, for up to twelve observations or values that all differ."""
    order = sorted(observations, key=lambda item: item[2])
    timestamp = 0
    for index in (1, 3, 2):
        order.sort(key=lambda item: item[index])
        if index == 1:
            timestamp = order[len(order) // 2][1]
    return Report(timestamp, tuple(item[0] for item in order), tuple(item[2] for item in order), 0)


def content(report: bytes) -> dict[str, Any]:
    timestamp, observers, observations = decode_report(report)
    return {
        "report": hexed(report),
        "observations_timestamp": timestamp,
        "observers": hexed(bytes(observers)),
        "observations": [str(value) for value in observations],
        "median": str(observations[len(observations) // 2]),
    }


def made(
    mode: str, n: int, f: int, observations: Sequence[Observation], dice: random.Random
) -> dict[str, Any]:
    oracles = committee(n, "packed vectors")
    digest = b"\x00\x01" + dice.randbytes(30)
    epoch, round_ = dice.choice([(1, 1), (2**32 - 1, 255), (dice.randrange(2**32), dice.randrange(1, 256))])
    report = encode_report(ordered(observations))
    signers = dice.sample(range(n), f + 1)
    keys = [oracles[signer].signing_key for signer in signers]
    transmission = PackedTransmission.signed(digest, epoch, round_, report, keys)
    return {
        "mode": mode,
        "n": n,
        "f": f,
        "config_digest": hexed(digest),
        "epoch": epoch,
        "round": round_,
        "observations_in_order": [
            {
                "observer": observer,
                "timestamp": timestamp,
                "value": str(value),
                "juels_per_fee_coin": str(juels),
            }
            for observer, timestamp, value, juels in observations
        ],
        **content(report),
        "message": hexed(message_of(digest, epoch, round_, report)),
        "signing_hash": hexed(transmission.message_hash),
        "signatures": [
            {
                "oracle": signer,
                "onchain_sk": hexed(key),
                "address": address_of(key),
                "signature": hexed(signature.r + signature.s + bytes([signature.v])),
                "compact": hexed(compact(signature)),
            }
            for signer, key, signature in zip(signers, keys, transmission.signatures, strict=True)
        ],
        "transmit_calldata": hexed(transmission.calldata),
    }


def observed(values: Iterable[int], dice: random.Random, observers: Sequence[int]) -> list[Observation]:
    return [
        (observer, NOW + dice.randrange(30), value, dice.randrange(3) * 10**15)
        for observer, value in zip(observers, values, strict=False)
    ]


def made_cases(dice: random.Random) -> Iterator[dict[str, Any]]:
    for n, f in ((1, 0), (2, 0), (4, 1), (5, 1), (7, 2), (10, 3), (16, 5), (31, 10)):
        for k in sorted({f + 1, 2 * f + 1, n}):
            prices = dice.sample(range(99 * 10**8, 101 * 10**8), k)
            yield made(
                f"prices, {k} of {n}", n, f, observed(prices, dice, sorted(dice.sample(range(n), k))), dice
            )
    edges = [0, 1, -1, 127, 128, -128, -129, 255, 256, -256, -257, 32_767, 32_768, -32_768, -32_769]
    edges += [2**63, -(2**63) - 1, 2**127, INT192_MAX, INT192_MIN, INT192_MIN + 1]
    for value in edges:
        others = [
            min(value + step, INT192_MAX)
            for step in dice.choice([(0, 0, 0), (1, 255, 256), (0, 65_535, 65_536)])
        ]
        yield made(f"widths about {value}", 4, 1, observed([value, *others], dice, range(4)), dice)
    yield made("both ends", 4, 1, observed([INT192_MAX, INT192_MIN, 0], dice, range(3)), dice)
    for k in (4, 7, 12):
        n = 3 * ((k - 1) // 3) + 1
        n = max(n, k)
        ties = [dice.randrange(2) for _ in range(k)]
        yield made(f"{k} with ties", n, (n - 1) // 3, observed(ties, dice, range(k)), dice)
    for timestamp in (0, 2**32 - 1):
        items = [(observer, timestamp, 10 + observer, 0) for observer in range(4)]
        yield made(f"timestamp {timestamp}", 4, 1, items, dice)


def read_cases() -> Iterator[dict[str, Any]]:
    wide = {
        "wider than needed": "6553f100 03 04 03 000102 00000005 000001 000002",
        "differences that do not ascend": "6553f100 03 01 01 000102 05 09 01",
        "no differences at a width": "6553f100 01 18 18 00" + "00" * 23 + "05",
        "observers twice and unknown": "6553f100 03 01 00 ff0303 80",
    }
    for mode, text in wide.items():
        yield {"mode": mode, **content(bytes.fromhex(text))}


def refused_cases() -> Iterator[dict[str, Any]]:
    good = encode_report(Report(NOW, (2, 0, 3, 1), (-2, 5, 5, 300), 0))
    broken = {
        "empty": b"",
        "shorter than the head": good[:6],
        "a byte less": good[:-1],
        "a byte more": good + b"\0",
        "no observation": good[:4] + b"\0" + good[5:],
        "more observations than oracles": good[:4] + bytes([32, 1, 0]) + bytes(32) + b"\5",
        "a smallest observation of no bytes": good[:5] + b"\0" + good[6:],
        "a smallest observation of 25 bytes": good[:4] + bytes([1, 25, 0, 0]) + bytes(25),
        "a difference of 25 bytes": good[:4] + bytes([2, 1, 25, 0, 1, 5]) + bytes(25),
        "an observation beyond int192": good[:4] + bytes([2, 24, 1, 0, 1, 0x7F]) + b"\xff" * 23 + b"\1",
    }
    for mode, report in broken.items():
        yield {"mode": mode, "malformed": hexed(report)}


def document() -> dict[str, Any]:
    """The whole file."""
    dice = random.Random(SEED)
    example = [(2, 0x6553F100, -2, 0), (0, 0x6553F100, 5, 0), (3, 0x6553F100, 5, 0), (1, 0x6553F100, 300, 0)]
    cases = [made("the example's observations", 4, 1, example, dice), *made_cases(dice)]
    return {"_doc": DOC, "cases": [*cases, *read_cases(), *refused_cases()]}


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def text() -> str:
    """The bytes of the file."""
    return json.dumps(document(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
