"""The plugin's two configurations and the int192 number format (libocr `reportingplugin/median/config.go`)."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.protobuf import VARINT, varint_field
from ocr_peer.protocol.config import Duration

__all__ = [
    "INT192_MAX",
    "INT192_MIN",
    "MedianLimits",
    "MedianOffchainConfig",
    "decode_int192",
    "encode_int192",
]

INT192_MIN = -(2**191)
INT192_MAX = 2**191 - 1
_I64_MAX, _U64 = 2**63 - 1, 2**64 - 1


def encode_int192(value: int) -> bytes:
    """24 bytes, big-endian two's complement; raises `InputError` when out of range."""
    if not INT192_MIN <= value <= INT192_MAX:
        raise InputError("value", value, "outside int192", "scale the observation down")
    return value.to_bytes(24, "big", signed=True)


def decode_int192(data: bytes) -> int:
    """Inverse of `encode_int192`; raises `InputError` for anything but 24 bytes."""
    if len(data) != 24:
        raise InputError("int192", data.hex(), f"{len(data)} bytes", "give 24 bytes")
    return int.from_bytes(data, "big", signed=True)


@dataclass(frozen=True, slots=True)
class MedianOffchainConfig:
    """When a report is worth its gas: deviation thresholds in parts per billion, and the heartbeat."""

    alpha_report_infinite: bool
    """Never report because of a deviation."""
    alpha_report_ppb: int
    alpha_accept_infinite: bool
    alpha_accept_ppb: int
    delta_c: Duration
    """Heartbeat: report when the latest answer is older than this."""

    def encode(self) -> bytes:
        """The `reporting_plugin_config` bytes: proto3 with ascending fields, zeros left out."""
        fields = (
            int(self.alpha_report_infinite),
            self.alpha_report_ppb,
            int(self.alpha_accept_infinite),
            self.alpha_accept_ppb,
            self.delta_c,
        )
        return b"".join(varint_field(number, value) for number, value in enumerate(fields, start=1))

    @classmethod
    def decode(cls, data: bytes) -> MedianOffchainConfig:
        """Read as leniently as Go does.

        Raises:
            InputError: not protobuf.
        """
        fields = crypto.proto_fields(data)
        if fields is None:
            raise InputError(
                "reportingPluginConfig", data.hex(), "not protobuf", "encode a NumericalMedianConfigProto"
            )
        last: dict[int, int] = {}
        for number, wire_type, value in fields:
            if wire_type == VARINT and isinstance(value, int):
                last[number] = value
        delta_c = last.get(5, 0)
        if delta_c > _I64_MAX:
            # Go's time.Duration is signed: so long a heartbeat counts as one long past.
            delta_c -= _U64 + 1
        return cls(
            alpha_report_infinite=last.get(1, 0) != 0,
            alpha_report_ppb=last.get(2, 0),
            alpha_accept_infinite=last.get(3, 0) != 0,
            alpha_accept_ppb=last.get(4, 0),
            delta_c=Duration(delta_c),
        )


@dataclass(frozen=True, slots=True)
class MedianLimits:
    """The aggregator's answer range, as its `onchainConfig` carries it."""

    minimum: int
    maximum: int

    def encode(self) -> bytes:
        """49 bytes: version 1, min, max."""
        return b"\x01" + encode_int192(self.minimum) + encode_int192(self.maximum)

    @classmethod
    def decode(cls, data: bytes) -> MedianLimits:
        """Inverse of `encode`.

        Raises:
            InputError: wrong length or version, or min above max.
        """
        if len(data) != 49:
            raise InputError("onchainConfig", "0x" + data.hex(), f"{len(data)} bytes", "a median feed has 49")
        if data[0] != 1:
            raise InputError(
                "onchainConfig", "0x" + data.hex(), f"version {data[0]}", "only version 1 is known"
            )
        minimum, maximum = decode_int192(data[1:25]), decode_int192(data[25:])
        if minimum > maximum:
            raise InputError("onchainConfig", f"min {minimum}, max {maximum}", "min above max", "swap them")
        return cls(minimum, maximum)

    def contain(self, value: int) -> bool:
        """Whether the aggregator would take `value`."""
        return self.minimum <= value <= self.maximum
