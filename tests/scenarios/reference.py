"""Both signature schemes from their definitions, in plain integers: slow, and with nothing to get wrong twice.

ed25519 as Go's `crypto/ed25519` decides (RFC 8032 §5.1 without the cofactor, and as lenient about the
encoding of public keys as `filippo.io/edwards25519`); secp256k1 as the EVM's `ecrecover` (SEC 1 §4.1.6).
"""

from __future__ import annotations

import hashlib

import sha3  # type: ignore[import-not-found, import-untyped, unused-ignore]

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)

EdwardsPoint = tuple[int, int]
IDENTITY: EdwardsPoint = (0, 1)


def edwards_add(a: EdwardsPoint, b: EdwardsPoint) -> EdwardsPoint:
    """The complete addition law of -x² + y² = 1 + dx²y²."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    # 1 + product and 1 - product are never 0; one inversion does for both.
    inverse = pow(1 - product * product, -1, P)
    x = (x1 * y2 + x2 * y1) * (1 - product) * inverse
    y = (y1 * y2 + x1 * x2) * (1 + product) * inverse
    return x % P, y % P


def edwards_times(scalar: int, point: EdwardsPoint) -> EdwardsPoint:
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = edwards_add(total, point)
        point = edwards_add(point, point)
        scalar >>= 1
    return total


def edwards_decode(encoded: bytes) -> EdwardsPoint | None:
    """Any y, also one of p and above; x = 0 also with the sign bit. `None` if no x fits."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, (number & (2**255 - 1)) % P
    numerator, denominator = (y * y - 1) % P, (D * y * y + 1) % P
    square = numerator * pow(denominator, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_1 % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 != sign else x) % P, y


def edwards_encode(point: EdwardsPoint) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = edwards_decode((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or IDENTITY


def ed25519_hash(encoded_r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(encoded_r + key + message).digest(), "little") % L


def ed25519_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether sB - kA, encoded anew, is the R that was given, and s is below L."""
    if len(signature) != 64:
        return False
    point, s = edwards_decode(key), int.from_bytes(signature[32:], "little")
    if point is None or s >= L:
        return False
    k = ed25519_hash(signature[:32], key, message)
    minus = ((P - point[0]) % P, point[1])
    return edwards_encode(edwards_add(edwards_times(s, BASE), edwards_times(k, minus))) == signature[:32]


FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
GENERATOR = (
    0x79BE667E_F9DCBBAC_55A06295_CE870B07_029BFCDB_2DCE28D9_59F2815B_16F81798,
    0x483ADA77_26A3C465_5DA4FBFC_0E1108A8_FD17B448_A6855419_9C47D08F_FB10D4B8,
)

CurvePoint = tuple[int, int] | None
"""`None` is the point at infinity."""


def curve_add(a: CurvePoint, b: CurvePoint) -> CurvePoint:
    if a is None or b is None:
        return b if a is None else a
    (x1, y1), (x2, y2) = a, b
    if x1 == x2 and (y1 + y2) % FIELD == 0:
        return None
    slope = (3 * x1 * x1 * pow(2 * y1, -1, FIELD)) if a == b else (y2 - y1) * pow(x2 - x1, -1, FIELD)
    x = (slope * slope - x1 - x2) % FIELD
    return x, (slope * (x1 - x) - y1) % FIELD


def curve_times(scalar: int, point: CurvePoint) -> CurvePoint:
    total: CurvePoint = None
    while scalar:
        if scalar & 1:
            total = curve_add(total, point)
        point = curve_add(point, point)
        scalar >>= 1
    return total


def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """The address of Q = r⁻¹(sR - zG); v, the last byte, is the parity of R's y, and nothing else than 0 or 1."""
    if len(signature) != 65 or signature[64] > 1:
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not (0 < r < ORDER and 0 < s < ORDER):
        return None
    square = (r**3 + 7) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    if y * y % FIELD != square:
        return None
    if y & 1 != signature[64]:
        y = FIELD - y
    z, inverse = int.from_bytes(digest, "big"), pow(r, -1, ORDER)
    key = curve_add(curve_times(s * inverse % ORDER, (r, y)), curve_times(-z * inverse % ORDER, GENERATOR))
    if key is None:
        return None
    encoded = key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big")
    return bytes(sha3.keccak_256(encoded).digest()[12:])
