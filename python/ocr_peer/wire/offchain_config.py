"""The off-chain part of a committee's configuration, as `setConfig` publishes it.

Layout: libocr `offchainreporting2plus/internal/config/ocr2config/offchainreporting2_offchain_config.proto`;
which byte strings are accepted: `serialize.go` beside it. A blob that Go reads must read the same here, or
one oracle of a mixed committee would sit out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.protobuf import LENGTH_DELIMITED, VARINT, bytes_field, tag, varint, varint_field
from ocr_peer.protocol.config import Duration

__all__ = [
    "MAX_OFFCHAIN_CONFIG_BYTES",
    "OFFCHAIN_CONFIG_VERSION",
    "OffchainConfig",
    "OffchainParameters",
    "SharedSecretEncryptions",
    "decode_offchain_config",
    "encode_offchain_config",
]

OFFCHAIN_CONFIG_VERSION: Final = 2
"""The only `offchainConfigVersion` that OCR2 knows."""

MAX_OFFCHAIN_CONFIG_BYTES: Final = 2_000_000
"""Longer blobs are refused unread (libocr `maxSerializedOffchainConfigSize`)."""

_FIELD = "offchainConfig"

_DURATIONS: Final = {
    1: "delta_progress",
    2: "delta_resend",
    3: "delta_round",
    4: "delta_grace",
    5: "delta_stage",
    11: "max_duration_query",
    12: "max_duration_observation",
    13: "max_duration_report",
    14: "max_duration_should_accept",
    15: "max_duration_should_transmit",
}
_R_MAX, _STAGE_SIZES, _PUBLIC_KEYS, _PEER_IDS, _PLUGIN_CONFIG, _SECRET, _INITIALIZATION = (
    6,
    7,
    8,
    9,
    10,
    16,
    17,
)
_SECRET_POINT, _SECRET_HASH, _SECRET_ENCRYPTION = 1, 2, 3


@dataclass(frozen=True, slots=True)
class OffchainParameters:
    """What the configurator chooses, apart from who the oracles are; durations in nanoseconds.

    A duration past 2**63-1 ns reads as negative, as Go's does; no committee can run with it.
    """

    delta_progress: Duration
    delta_resend: Duration
    delta_round: Duration
    delta_grace: Duration
    delta_stage: Duration
    r_max: int
    """0 … 255; Go keeps the lowest byte of what is published."""
    stage_sizes: tuple[int, ...]
    """S: how many oracles transmit in each stage."""
    reporting_plugin_config: bytes
    max_duration_query: Duration
    max_duration_observation: Duration
    max_duration_report: Duration
    max_duration_should_accept: Duration
    max_duration_should_transmit: Duration
    max_duration_initialization: Duration | None = None
    """Budget for starting the plugin, `None` where not published; this node's plugin needs none."""


@dataclass(frozen=True, slots=True)
class SharedSecretEncryptions:
    """The committee's 16-byte secret, encrypted to every member (libocr `internal/config/shared_secret.go`)."""

    diffie_hellman_point: bytes
    """x25519 public key of the configurator's ephemeral secret, 32 bytes."""
    shared_secret_hash: bytes
    """keccak256 of the secret, 32 bytes."""
    encryptions: tuple[bytes, ...]
    """16 bytes each, by oracle id."""


@dataclass(frozen=True, slots=True)
class OffchainConfig:
    """`OffchainConfigProto`, its 17 fields."""

    parameters: OffchainParameters
    offchain_public_keys: tuple[bytes, ...]
    """ed25519, 32 bytes each, by oracle id."""
    peer_ids: tuple[str, ...]
    shared_secret: SharedSecretEncryptions


def encode_offchain_config(config: OffchainConfig) -> bytes:
    """The protobuf bytes as Go writes them: fields ascending, zeros left out, `s` packed."""
    parameters = config.parameters
    fields: dict[int, bytes] = {
        number: varint_field(number, getattr(parameters, name)) for number, name in _DURATIONS.items()
    }
    fields[_R_MAX] = varint_field(_R_MAX, parameters.r_max)
    if parameters.stage_sizes:
        fields[_STAGE_SIZES] = bytes_field(
            _STAGE_SIZES, b"".join(varint(size) for size in parameters.stage_sizes)
        )
    fields[_PUBLIC_KEYS] = b"".join(bytes_field(_PUBLIC_KEYS, key) for key in config.offchain_public_keys)
    fields[_PEER_IDS] = b"".join(bytes_field(_PEER_IDS, peer_id.encode()) for peer_id in config.peer_ids)
    if parameters.reporting_plugin_config:
        fields[_PLUGIN_CONFIG] = bytes_field(_PLUGIN_CONFIG, parameters.reporting_plugin_config)
    fields[_SECRET] = bytes_field(_SECRET, _encode_secret(config.shared_secret))
    if parameters.max_duration_initialization is not None:
        # An `optional` field is written when present, zero included.
        fields[_INITIALIZATION] = tag(_INITIALIZATION, VARINT) + varint(
            parameters.max_duration_initialization
        )
    return b"".join(fields[number] for number in sorted(fields))


def decode_offchain_config(data: bytes) -> OffchainConfig:
    """Read the blob as Go does: unknown fields skipped, the last of duplicates wins, integers truncated.

    Raises:
        InputError: names `offchainConfig`: too long, not protobuf, or a key of the wrong length.
    """
    if len(data) > MAX_OFFCHAIN_CONFIG_BYTES:
        raise _malformed(data, f"{len(data)} bytes, more than {MAX_OFFCHAIN_CONFIG_BYTES}")
    scalars: dict[int, int] = {}
    stage_sizes: list[int] = []
    public_keys: list[bytes] = []
    peer_ids: list[str] = []
    plugin_config = b""
    secret = _Secret()
    for number, value in _known_fields(data, data):
        match number, value:
            case 7, int():
                stage_sizes.append(value)
            case 7, bytes():
                stage_sizes.extend(_packed_varints(data, value))
            case 8, bytes():
                public_keys.append(_sized(data, value, 32, f"offchain public key {len(public_keys)}"))
            case 9, bytes():
                peer_ids.append(_text(data, value, f"peer id {len(peer_ids)}"))
            case 10, bytes():
                plugin_config = value
            case 16, bytes():
                secret.merge(data, value)
            case _, int():
                scalars[number] = value
            case _:
                pass
    initialization = scalars.get(_INITIALIZATION)
    return OffchainConfig(
        parameters=OffchainParameters(
            **{name: _duration(scalars.get(number, 0)) for number, name in _DURATIONS.items()},
            r_max=scalars.get(_R_MAX, 0) & 0xFF,
            stage_sizes=tuple(size & 0xFFFF_FFFF for size in stage_sizes),
            reporting_plugin_config=plugin_config,
            max_duration_initialization=None if initialization is None else _duration(initialization),
        ),
        offchain_public_keys=tuple(public_keys),
        peer_ids=tuple(peer_ids),
        shared_secret=secret.finish(data),
    )


def _known_fields(whole: bytes, message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Varint and length-delimited fields; Go skips everything else, as no field has another type."""
    fields = crypto.proto_fields(message)
    if fields is None:
        raise _malformed(whole, "not protobuf")
    for number, wire_type, value in fields:
        if wire_type in {VARINT, LENGTH_DELIMITED}:
            yield number, value


@dataclass(slots=True)
class _Secret:
    """The shared secret's encryptions while they are read."""

    point: bytes = b""
    digest: bytes = b""
    encryptions: list[bytes] = field(default_factory=list)

    def merge(self, whole: bytes, data: bytes) -> None:
        """Go merges a repeated occurrence of an embedded message into the earlier one."""
        for number, value in _known_fields(whole, data):
            match number, value:
                case 1, bytes():
                    self.point = value
                case 2, bytes():
                    self.digest = value
                case 3, bytes():
                    self.encryptions.append(value)
                case _:
                    pass

    def finish(self, whole: bytes) -> SharedSecretEncryptions:
        """The encryptions, lengths checked; raises `InputError`."""
        _sized(whole, self.point, 32, "Diffie-Hellman point")
        _sized(whole, self.digest, 32, "shared secret hash")
        for index, encryption in enumerate(self.encryptions):
            _sized(whole, encryption, 16, f"shared secret encryption {index}")
        return SharedSecretEncryptions(self.point, self.digest, tuple(self.encryptions))


def _sized(whole: bytes, value: bytes, length: int, name: str) -> bytes:
    if len(value) != length:
        raise _malformed(whole, f"{name} has {len(value)} bytes instead of {length}")
    return value


def _text(whole: bytes, value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _malformed(whole, f"{name} is not UTF-8") from None


def _malformed(data: bytes, problem: str) -> InputError:
    return InputError(
        _FIELD, "0x" + data[:64].hex(), problem, "publish the configuration anew with `setConfig`"
    )


def _duration(value: int) -> Duration:
    """Go converts uint64 to int64 by wrapping."""
    return Duration(value - 2**64 if value >= 2**63 else value)


def _packed_varints(whole: bytes, data: bytes) -> list[int]:
    values = crypto.proto_varints(data)
    if values is None:
        raise _malformed(whole, "the stage sizes are no list of numbers")
    return values


def _encode_secret(secret: SharedSecretEncryptions) -> bytes:
    return b"".join(
        [
            bytes_field(_SECRET_POINT, secret.diffie_hellman_point),
            bytes_field(_SECRET_HASH, secret.shared_secret_hash),
            *(bytes_field(_SECRET_ENCRYPTION, encryption) for encryption in secret.encryptions),
        ]
    )
