"""Signed reports as an OCR2 aggregator wants them, made from the byte formats alone.

Nothing here comes from the node: what this module makes, or takes apart, is a second opinion on what the node sends.
Addresses are lower-case 0x strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from coincurve import PrivateKey, PublicKey
from eth_abi import decode, encode
from eth_utils import keccak

CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

TRANSMIT_TYPES = ("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32")
TRANSMIT_SELECTOR = keccak(text=f"transmit({','.join(TRANSMIT_TYPES)})")[:4]

REPORT_TYPES = ("uint32", "bytes32", "int192[]", "int192")

Context = tuple[bytes, bytes, bytes]


def address_of(key: bytes) -> str:
    """The address of a secp256k1 secret key."""
    return _address(PrivateKey(key).public_key)


def _address(key: PublicKey) -> str:
    return "0x" + keccak(key.format(compressed=False)[1:])[-20:].hex()


@dataclass(frozen=True)
class Oracle:
    """What an oracle owns on chain: a key that signs reports, a key that sends transactions."""

    signing_key: bytes
    transmitting_key: bytes

    @property
    def signer(self) -> str:
        return address_of(self.signing_key)

    @property
    def transmitter(self) -> str:
        return address_of(self.transmitting_key)


def committee(n: int, name: str = "committee") -> list[Oracle]:
    """n oracles with keys that depend on the name and the index alone. Keys for tests: anyone can derive them."""
    return [
        Oracle(keccak(text=f"{name} signing {index}"), keccak(text=f"{name} transmitting {index}"))
        for index in range(n)
    ]


def onchain_config(min_answer: int, max_answer: int) -> bytes:
    """The onchainConfig of a median feed."""
    return b"\x01" + min_answer.to_bytes(24, "big", signed=True) + max_answer.to_bytes(24, "big", signed=True)


def config_digest(  # noqa: PLR0917 - the arguments stand in the order of the encoding
    chain_id: int,
    contract: str,
    config_count: int,
    signers: Sequence[str],
    transmitters: Sequence[str],
    f: int,
    onchain: bytes,
    offchain_version: int,
    offchain: bytes,
) -> bytes:
    """The digest that names a configuration."""
    types = ("uint256", "address", "uint64", "address[]", "address[]", "uint8", "bytes", "uint64", "bytes")
    values = (
        chain_id,
        contract,
        config_count,
        signers,
        transmitters,
        f,
        onchain,
        offchain_version,
        offchain,
    )
    return b"\x00\x01" + keccak(encode(types, values))[2:]


@dataclass(frozen=True)
class Report:
    """What the oracles agreed on."""

    timestamp: int
    observers: tuple[int, ...]
    observations: tuple[int, ...]
    juels_per_fee_coin: int

    @property
    def median(self) -> int:
        return self.observations[len(self.observations) // 2]

    def encode(self) -> bytes:
        observers = bytes(self.observers).ljust(32, b"\0")
        return encode(REPORT_TYPES, (self.timestamp, observers, self.observations, self.juels_per_fee_coin))

    @classmethod
    def decode(cls, data: bytes) -> Report:
        timestamp, observers, observations, juels_per_fee_coin = decode(REPORT_TYPES, data)
        return cls(timestamp, tuple(observers[: len(observations)]), tuple(observations), juels_per_fee_coin)


def epoch_and_round(epoch: int, round_: int) -> int:
    """The two as one number, in the order in which reports replace each other."""
    return epoch << 8 | round_


def report_context(digest: bytes, epoch: int, round_: int, extra_hash: bytes = bytes(32)) -> Context:
    """The three words that say where a report belongs."""
    return digest, bytes(27) + epoch.to_bytes(4, "big") + round_.to_bytes(1, "big"), extra_hash


def signing_hash(report: bytes, context: Context) -> bytes:
    """What an oracle signs."""
    return keccak(keccak(report) + b"".join(context))


@dataclass(frozen=True)
class Signature:
    r: bytes
    s: bytes
    v: int

    @property
    def malleated(self) -> Signature:
        """The other signature over the same hash by the same key, which everybody can compute."""
        s = CURVE_ORDER - int.from_bytes(self.s, "big")
        return Signature(self.r, s.to_bytes(32, "big"), 1 - self.v)


def sign(key: bytes, message_hash: bytes) -> Signature:
    raw = PrivateKey(key).sign_recoverable(message_hash, hasher=None)
    return Signature(raw[:32], raw[32:64], raw[64])


def recover(message_hash: bytes, signature: Signature) -> str:
    """The address whose key made the signature; ValueError if there is none."""
    if signature.v not in (0, 1):
        raise ValueError(f"v is {signature.v}, neither 0 nor 1")
    raw = signature.r + signature.s + bytes([signature.v])
    try:
        return _address(PublicKey.from_signature_and_message(raw, message_hash, hasher=None))
    except Exception as error:  # coincurve raises bare Exception too
        raise ValueError(f"no key made this signature: {error}") from error


@dataclass(frozen=True)
class Transmission:
    """The arguments of transmit."""

    context: Context
    report: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def signed(cls, context: Context, report: bytes, keys: Iterable[bytes]) -> Transmission:
        message_hash = signing_hash(report, context)
        return cls(context, report, tuple(sign(key, message_hash) for key in keys))

    def with_signatures(self, *signatures: Signature) -> Transmission:
        return replace(self, signatures=signatures)

    @property
    def message_hash(self) -> bytes:
        return signing_hash(self.report, self.context)

    @property
    def calldata(self) -> bytes:
        rs = [signature.r for signature in self.signatures]
        ss = [signature.s for signature in self.signatures]
        vs = bytes(signature.v for signature in self.signatures).ljust(32, b"\0")
        return TRANSMIT_SELECTOR + encode(TRANSMIT_TYPES, (self.context, self.report, rs, ss, vs))

    @classmethod
    def decode(cls, calldata: bytes) -> Transmission:
        if calldata[:4] != TRANSMIT_SELECTOR:
            raise ValueError(f"selector {calldata[:4].hex()} is not that of transmit")
        context, report, rs, ss, vs = decode(TRANSMIT_TYPES, calldata[4:])
        signatures = tuple(Signature(r, s, v) for r, s, v in zip(rs, ss, vs[: len(rs)], strict=True))
        return cls(tuple(context), report, signatures)

    @property
    def epoch(self) -> int:
        return int.from_bytes(self.context[1], "big") >> 8 & 0xFFFFFFFF

    @property
    def round(self) -> int:
        return self.context[1][31]

    def signers(self) -> list[str]:
        """Who signed, recovered from the signatures; ValueError if a signature is nobody's."""
        return [recover(self.message_hash, signature) for signature in self.signatures]
