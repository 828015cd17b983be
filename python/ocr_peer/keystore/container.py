"""The `crypto` object of Ethereum keystore V3: 32 secret bytes under a password.

Layout and checks follow the Web3 Secret Storage Definition. A file comes from outside, so its parameters
are bounded: it must not make the node fill its memory or derive a key for hours.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from Crypto.Cipher import AES
from Crypto.Protocol.KDF import scrypt

from ocr_peer import crypto

__all__ = ["KDF_COST", "MalformedContainerError", "WrongPasswordError", "decrypt", "encrypt"]

KDF_COST: Mapping[str, int] = {"standard": 1 << 18, "light": 1 << 13}
"""scrypt's n by name: `standard` takes 256 MiB and about a second, `light` 8 MiB and a moment."""

_SECRET_BYTES = 32
_R, _P = 8, 1
_MAX_SCRYPT_BYTES = 1 << 30
_MAX_PBKDF2_ROUNDS = 10_000_000
_SALT_BYTES = (8, 64)


class MalformedContainerError(ValueError):
    """The object is not a V3 container that this program reads; the text says why."""


class WrongPasswordError(Exception):
    """The MAC does not fit: another password, or an altered file."""


def encrypt(secret: bytes, password: str, n: int) -> dict[str, object]:
    """The `crypto` object for `secret`.

    Args:
        secret: 32 bytes.
        password: any text; its UTF-8 bytes count.
        n: scrypt's cost, a power of two; memory is n KiB.
    """
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    derived = _scrypt(password.encode(), salt, n, _R, _P)
    ciphertext = _aes_ctr(derived[:16], iv, secret)
    return {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": iv.hex()},
        "ciphertext": ciphertext.hex(),
        "kdf": "scrypt",
        "kdfparams": {"dklen": 32, "n": n, "p": _P, "r": _R, "salt": salt.hex()},
        "mac": crypto.keccak256(derived[16:32] + ciphertext).hex(),
    }


def decrypt(container: Mapping[str, object], password: str) -> bytes:
    """The 32 secret bytes; scrypt and PBKDF2 containers are read.

    Raises:
        WrongPasswordError: the MAC does not fit.
        MalformedContainerError: anything else.
    """
    if container.get("cipher") != "aes-128-ctr":
        raise MalformedContainerError("the cipher is not aes-128-ctr")
    ciphertext = _hex(container, "ciphertext", _SECRET_BYTES, _SECRET_BYTES)
    iv = _hex(_object(container, "cipherparams"), "iv", 16, 16)
    mac = _hex(container, "mac", 32, 32)
    derived = _derive(container, password.encode())
    if not hmac.compare_digest(crypto.keccak256(derived[16:32] + ciphertext), mac):
        raise WrongPasswordError
    return _aes_ctr(derived[:16], iv, ciphertext)


def _derive(container: Mapping[str, object], password: bytes) -> bytes:
    parameters = _object(container, "kdfparams")
    salt = _hex(parameters, "salt", *_SALT_BYTES)
    if parameters.get("dklen") != 32:
        raise MalformedContainerError("dklen is not 32")
    match container.get("kdf"):
        case "scrypt":
            n, r, p = (_count(parameters, name) for name in ("n", "r", "p"))
            if n < 2 or n & (n - 1) or p > 16 or 128 * r * n > _MAX_SCRYPT_BYTES:
                raise MalformedContainerError("its scrypt parameters are invalid, or ask for more than 1 GiB")
            return _scrypt(password, salt, n, r, p)
        case "pbkdf2":
            rounds = _count(parameters, "c")
            if parameters.get("prf") != "hmac-sha256" or rounds > _MAX_PBKDF2_ROUNDS:
                raise MalformedContainerError("its pbkdf2 parameters are unknown, or ask for too many rounds")
            return hashlib.pbkdf2_hmac("sha256", password, salt, rounds, 32)
        case other:
            raise MalformedContainerError(f"the key derivation {other!r} is unknown")


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    if n >= 1 << min(16 * r, 64):
        # Outside RFC 7914, which OpenSSL enforces; yet Ethereum tools have written n = 2^18 with r = 1.
        derived = scrypt(password.decode("latin-1"), salt.decode("latin-1"), 32, n, r, p)
        return derived if isinstance(derived, bytes) else derived[0]
    memory = 128 * r * (n + p + 2) + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=32)


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    return AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(data)


def _object(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise MalformedContainerError(f"{name} is missing")
    return value


def _count(parent: Mapping[str, object], name: str) -> int:
    value = parent.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise MalformedContainerError(f"{name} is not a positive number")
    return value


def _hex(parent: Mapping[str, object], name: str, least: int, most: int) -> bytes:
    value = parent.get(name)
    try:
        decoded = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else b""
    except ValueError:
        decoded = b""
    if not least <= len(decoded) <= most:
        raise MalformedContainerError(
            f"{name} is not {least if least == most else f'{least} to {most}'} bytes in hex"
        )
    return decoded
