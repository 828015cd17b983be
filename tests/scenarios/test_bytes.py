"""Scenarios 56 and 57: any bytes whatever, and the native verifiers against a slow reference."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from ocr_peer import crypto
from ocr_peer.protocol.config import OracleId
from ocr_peer.protocol.events import MessageReceived
from ocr_peer.protocol.messages import Message
from ocr_peer.simulation.faults import Behaviour
from ocr_peer.simulation.forgery import DAMAGES
from ocr_peer.simulation.post import Post
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message
from ocr_peer.wire.limits import max_message_bytes
from tests.scenarios import reference
from tests.scenarios.stage import byzantine, play, plays


def every_kind() -> dict[str, Message]:
    """One message of each kind, from a committee at work."""
    run = play(rounds=2)
    events = (step.event for step in run.chronicle.steps)
    heard = [event.message for event in events if isinstance(event, MessageReceived)]
    return {type(message).__name__: message for message in heard}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_scenario_56_damaged_bytes(damage: Callable[[random.Random, bytes], bytes]) -> None:
    kinds, dice = every_kind(), random.Random(56)
    assert len(kinds) == 7
    run = play(rounds=2)
    committee, node = run.cluster.committees[0], run.cluster.nodes[0]
    assert node.life is not None
    limits = committee.plugin.limits
    refused = survived = 0
    for payload in [encode_message(message) for message in kinds.values() for _ in range(60)]:
        damaged = damage(dice, payload)
        assert isinstance(decode_message(damaged), Undecodable) or damaged
        message = Post(4, limits).of_bytes(damaged).message
        if message is None:
            refused += 1
            continue
        assert len(damaged) <= max_message_bytes(4, limits)
        node.life.oracle.step(MessageReceived(OracleId(1), message), node.clock(run.cluster.now))
        survived += 1
    assert refused + survived == 420
    assert refused > 0
    if damage.__name__ in ("_oversized", "_compressed"):
        assert survived == 0


def test_bytes_of_liars_are_counted_and_do_no_harm() -> None:
    for run in plays(byzantine(Behaviour.FUZZ, 0, 1), n=7, seeds=4):
        assert run.cluster.counts.sent["unreadable"] > 0
        assert run.outcome.sent["unreadable"] > 0
        assert len(run.finalized()) >= 11


def small_order_points() -> list[bytes]:
    """All eight points of order 1, 2, 4 and 8, and the encodings of them that are not canonical."""
    points: set[reference.EdwardsPoint] = set()
    candidate = 2
    while len(points) < 8:
        point = reference.edwards_decode(candidate.to_bytes(32, "little"))
        candidate += 1
        if point is not None:
            torsion = reference.edwards_times(reference.L, point)
            points |= {reference.edwards_times(k, torsion) for k in range(8)}
    encodings = {reference.edwards_encode(point) for point in points}
    for x, y in points:
        for number in (y, y + reference.P):
            if number < 2**255:
                encodings.add((number | (x & 1) << 255).to_bytes(32, "little"))
                if x == 0:
                    encodings.add((number | 1 << 255).to_bytes(32, "little"))
    return sorted(encodings)


def with_torsion(seed: bytes, message: bytes, where: str) -> tuple[bytes, bytes]:
    """A key, or an R, with a component of order 8, signed as its holder would."""
    dice = random.Random(seed)
    eighth = next(
        point
        for encoded in small_order_points()
        if (point := reference.edwards_decode(encoded)) is not None
        and reference.edwards_times(4, point) != reference.IDENTITY
    )
    secret, nonce = dice.randrange(1, reference.L), dice.randrange(1, reference.L)
    public, commitment = (reference.edwards_times(k, reference.BASE) for k in (secret, nonce))
    if where == "key":
        public = reference.edwards_add(public, eighth)
    else:
        commitment = reference.edwards_add(commitment, eighth)
    key, encoded = reference.edwards_encode(public), reference.edwards_encode(commitment)
    s = (nonce + reference.ed25519_hash(encoded, key, message) * secret) % reference.L
    return key, encoded + s.to_bytes(32, "little")


def ed25519_cases(dice: random.Random) -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """Name, key, message and signature of everything on which implementations have ever disagreed."""
    for _ in range(12):
        seed, message = dice.randbytes(32), dice.randbytes(dice.randrange(60))
        key, signature = crypto.ed25519_public_key(seed), crypto.ed25519_sign(seed, message)
        yield "good", key, message, signature
        bit = dice.randrange(512)
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        yield "mutated signature", key, message, bytes(flipped)
        yield "mutated message", key, message + b"x", signature
        s = int.from_bytes(signature[32:], "little")
        for factor in (1, 2, 8):
            above = s + factor * reference.L
            if above < 2**256:
                yield "s not canonical", key, message, signature[:32] + above.to_bytes(32, "little")
        yield "random", dice.randbytes(32), message, dice.randbytes(64)
        yield "length", key, message, signature[: dice.randrange(64)]
    for small in small_order_points():
        for other in (small, reference.edwards_encode(reference.IDENTITY)):
            for attempt in range(2):
                yield "key of small order", small, bytes([attempt]), other + bytes(32)
        seed = dice.randbytes(32)
        message = b"R of small order"
        yield message.decode(), crypto.ed25519_public_key(seed), message, small + bytes(32)
    for index in range(12):
        for where in ("key", "R"):
            message = bytes([index])
            key, signature = with_torsion(bytes([index]), message, where)
            yield f"torsion in {where}", key, message, signature
    for y in (reference.P, reference.P + 1, reference.P + 3, 2**255 - 1, 2):
        yield "key not canonical", y.to_bytes(32, "little"), b"", bytes(64)


SECP256K1_EXTREMES = (0, 1, 2, reference.ORDER - 1, reference.ORDER, reference.FIELD - 1, 2**256 - 1)


def secp256k1_cases(dice: random.Random) -> Iterator[tuple[bytes, bytes]]:
    """Digests and signatures: good, with a high s, another v, mutated, random and extreme."""
    for _ in range(8):
        secret = dice.randrange(1, reference.ORDER).to_bytes(32, "big")
        digest = dice.randbytes(32)
        signature = crypto.secp256k1_sign(secret, digest)
        r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
        yield digest, signature
        yield digest, r + (reference.ORDER - s).to_bytes(32, "big") + bytes([v ^ 1])
        yield digest, r + (reference.ORDER - s).to_bytes(32, "big") + bytes([v])
        for other in (v ^ 1, 2, 3, 27, 28):
            yield digest, signature[:64] + bytes([other])
        bit = dice.randrange(520)
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        yield digest, bytes(flipped)
        yield digest, dice.randbytes(64) + bytes([dice.randrange(2)])
        yield digest, signature[: dice.randrange(65)]
    for r_extreme in SECP256K1_EXTREMES:
        for s_extreme in SECP256K1_EXTREMES:
            yield bytes(32), r_extreme.to_bytes(32, "big") + s_extreme.to_bytes(32, "big") + b"\x01"
    # sR = zG: the key would be the point at infinity.
    z = 7
    point = reference.curve_times(z, reference.GENERATOR)
    assert point is not None
    infinite = point[0].to_bytes(32, "big") + (1).to_bytes(32, "big") + bytes([point[1] & 1])
    yield z.to_bytes(32, "big"), infinite


def test_scenario_57_verdicts_of_a_slow_reference() -> None:
    verdicts: dict[str, set[bool]] = {}
    for name, key, message, signature in ed25519_cases(random.Random(57)):
        expected = reference.ed25519_verify(key, message, signature)
        assert crypto.ed25519_verify(key, message, signature) == expected, (name, key.hex(), signature.hex())
        verdicts.setdefault(name, set()).add(expected)
    assert verdicts["good"] == {True}
    assert verdicts["s not canonical"] == verdicts["mutated message"] == {False}
    # Go takes such keys, and compares R by its bytes: sometimes it verifies, sometimes not.
    assert verdicts["key of small order"] == verdicts["torsion in key"] == {True, False}
    assert verdicts["torsion in R"] == {False}
    recovered = 0
    for digest, packed in secp256k1_cases(random.Random(58)):
        address = reference.recover_address(digest, packed)
        assert crypto.recover_address(digest, packed) == address, packed.hex()
        recovered += address is not None
    assert recovered > 24
