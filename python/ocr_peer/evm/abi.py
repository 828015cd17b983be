"""Functions, events and errors of a contract, encoded and decoded as the Solidity ABI has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ocr_peer import crypto
from ocr_peer.evm.rpc_errors import UnexpectedAnswer

__all__ = ["Event", "Function", "decode_values", "encode_values", "selector"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a contract; types in canonical form, such as `uint8` and `bytes32[3]`."""

    name: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def selector(self) -> bytes:
        """The 4 bytes that begin its calldata."""
        return selector(self.name, self.inputs)

    def encode_call(self, *arguments: object) -> bytes:
        """Calldata; addresses and byte strings are given as bytes."""
        return self.selector + encode_values(self.inputs, arguments)

    def decode_result(self, data: bytes) -> tuple[Any, ...]:
        """The returned values; raises `UnexpectedAnswer`."""
        return decode_values(self.outputs, data, f"the result of {self.name}")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a contract: its parameters' types in order, and which of them are indexed."""

    name: str
    inputs: tuple[str, ...]
    indexed: tuple[bool, ...]

    @property
    def topic(self) -> bytes:
        """The first topic of its logs, 32 bytes."""
        return _signature_hash(self.name, self.inputs)

    def decode(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """The parameters in their order; indexed ones must be of value types. Raises `UnexpectedAnswer`."""
        what = f"a log of {self.name}"
        if len(topics) != 1 + sum(self.indexed) or topics[0] != self.topic:
            raise UnexpectedAnswer(what, [topic.hex() for topic in topics])
        in_topics = [kind for kind, indexed in zip(self.inputs, self.indexed, strict=True) if indexed]
        in_data = [kind for kind, indexed in zip(self.inputs, self.indexed, strict=True) if not indexed]
        from_topics = iter(decode_values(in_topics, b"".join(topics[1:]), what))
        from_data = iter(decode_values(in_data, data, what))
        return tuple(next(from_topics) if indexed else next(from_data) for indexed in self.indexed)


def encode_values(types: Sequence[str], values: Sequence[object]) -> bytes:
    """`abi.encode` of the values; a value that does not fit its type is a programming error."""
    from eth_abi.abi import encode  # noqa: PLC0415 - its import takes 0.4 s, which `ocr-peer --help` need not wait for

    return encode(types, values)


def decode_values(types: Sequence[str], data: bytes, what: str) -> tuple[Any, ...]:
    """`abi.decode`; addresses come as 20 bytes.

    Args:
        types: canonical types.
        data: the encoding.
        what: its name, for the error.

    Raises:
        UnexpectedAnswer: not an encoding of these types.
    """
    from eth_abi.abi import decode  # noqa: PLC0415 - as above
    from eth_abi.exceptions import DecodingError  # noqa: PLC0415

    try:
        values = decode(types, data)
    except (DecodingError, ValueError, OverflowError):
        raise UnexpectedAnswer(what, "0x" + data.hex()) from None
    return tuple(_raw_addresses(kind, value) for kind, value in zip(types, values, strict=True))


def selector(name: str, inputs: Sequence[str]) -> bytes:
    """The 4 bytes that name a function or a custom error."""
    return _signature_hash(name, tuple(inputs))[:4]


@cache
def _signature_hash(name: str, inputs: tuple[str, ...]) -> bytes:
    return crypto.keccak256(f"{name}({','.join(inputs)})".encode())


def _raw_addresses(kind: str, value: Any) -> Any:
    if kind == "address":
        return bytes.fromhex(value[2:])
    if kind == "address[]":
        return tuple(bytes.fromhex(text[2:]) for text in value)
    return value
