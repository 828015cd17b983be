"""The demo's own reading of transmissions, against the reference encodings of both aggregators."""

from __future__ import annotations

import pytest
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.demo.calldata import PACKED_TOPIC, read_calldata
from ocr_peer.demo.options import DemoOptions
from ocr_peer.errors import InputError
from ocr_peer.evm.packed import NEW_PACKED_TRANSMISSION
from ocr_peer.protocol.config import ReportFormat
from tests.contracts.packed import PackedTransmission, encode_report
from tests.contracts.signing import Report, Transmission, report_context

DIGEST = b"\x00\x01" + bytes(range(30))
KEYS = [bytes([oracle + 1]) * 32 for oracle in range(2)]
INT192 = st.integers(-(2**191), 2**191 - 1) | st.integers(-2, 2)


@given(
    values=st.lists(INT192, min_size=1, max_size=31).map(sorted) | st.just([7] * 4),
    epoch=st.integers(0, 2**32 - 1),
    round_=st.integers(0, 255),
)
def test_both_kinds_of_calldata_are_taken_apart(values: list[int], epoch: int, round_: int) -> None:
    report = Report(1_700_000_000, tuple(range(len(values))), tuple(values), 3)
    packed = PackedTransmission.signed(DIGEST, epoch, round_, encode_report(report), KEYS)
    plain = Transmission.signed(report_context(DIGEST, epoch, round_, b"h" * 32), report.encode(), KEYS)
    for transmission in (packed, plain):
        read = read_calldata(transmission.calldata, DIGEST)
        assert read is not None
        assert (read.epoch, read.round) == (epoch, round_)
        assert (read.observers, read.observations) == (report.observers, report.observations)
        assert read.signed == transmission.message_hash
        assert list(read.signatures[: len(KEYS)]) == [
            item.r + item.s + bytes([item.v]) for item in transmission.signatures
        ]
        assert read.digest == (DIGEST if transmission is plain else None)
    assert read_calldata(packed.calldata, DIGEST).message == packed.message  # type: ignore[union-attr]


def test_other_calldata_is_no_transmission() -> None:
    assert read_calldata(b"", DIGEST) is None
    assert read_calldata(keccak(text="requestNewRound()")[:4], DIGEST) is None


def test_the_events_name_is_the_nodes() -> None:
    assert "0x" + NEW_PACKED_TRANSMISSION.topic.hex() == PACKED_TOPIC


def test_the_contract_decides_the_format() -> None:
    assert DemoOptions().report_format is ReportFormat.OCR2
    assert DemoOptions(contract="B").report_format is ReportFormat.PACKED
    with pytest.raises(InputError, match="--contract = C: no aggregator; choose A or B"):
        DemoOptions(contract="C").check()
