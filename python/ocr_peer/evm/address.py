"""EVM addresses: 20 bytes inside, checksummed text (EIP-55) towards people."""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.errors import InputError

__all__ = ["checksum_address", "parse_address"]


def checksum_address(address: bytes) -> str:
    """Text form of a 20-byte address, letters in upper and lower case as EIP-55 has it."""
    text = address.hex()
    digest = crypto.keccak256(text.encode()).hex()
    return "0x" + "".join(
        letter.upper() if nibble > "7" else letter for letter, nibble in zip(text, digest, strict=False)
    )


def parse_address(text: str, field: str) -> bytes:
    """Read an address that a person wrote; mixed case must be the right checksum, one case needs none.

    Args:
        text: `0x` and 40 hex digits.
        field: where it was written, for the error.

    Raises:
        InputError: not an address, or one mistyped.
    """
    digits = text[2:]
    if not text.startswith("0x") or len(digits) != 40 or not digits.isalnum() or not digits.isascii():
        raise InputError(field, text, "not an address", "write 0x and 40 hex digits")
    try:
        address = bytes.fromhex(digits)
    except ValueError:
        raise InputError(field, text, "not an address", "write 0x and 40 hex digits") from None
    expected = checksum_address(address)
    if digits not in {digits.lower(), digits.upper()} and text != expected:
        raise InputError(
            field,
            text,
            "the checksum of its letters is wrong, so it was mistyped",
            f"write {expected} if that is what you mean",
        )
    return address
