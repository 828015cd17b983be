"""Messages between oracles, against what Go writes and reads."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_peer.protocol.messages import (
    Final,
    FinalEcho,
    Message,
    NewEpoch,
    Observe,
    ObserveReq,
    Report,
    ReportReq,
)
from ocr_peer.wire.codec import Undecodable, decode_message, encode_message
from tests.conformance.vectors import cases, unhex


def as_go_prints(message: Message) -> dict[str, Any]:
    match message:
        case NewEpoch(epoch):
            return {"type": "new_epoch", "epoch": epoch}
        case ObserveReq(epoch, round_, query):
            return {"type": "observe_req", "epoch": epoch, "round": round_, "query": query.hex()}
        case Observe(epoch, round_, observation, signature):
            return {
                "type": "observe",
                "epoch": epoch,
                "round": round_,
                "observation": observation.hex(),
                "signature": signature.hex(),
            }
        case ReportReq(epoch, round_, query, observations):
            asos = [[o.observation.hex(), o.signature.hex(), o.observer] for o in observations]
            return {"type": "report_req", "epoch": epoch, "round": round_, "query": query.hex(), "asos": asos}
        case Report(epoch, round_, skip, report, signature):
            return {
                "type": "report",
                "epoch": epoch,
                "round": round_,
                "skip": skip,
                "report": report.hex(),
                "signature": signature.hex(),
            }
        case _:
            raise AssertionError(message)


@pytest.mark.parametrize("case", cases("ocr2_wire_malleable"), ids=lambda case: case["what"])
def test_unusual_encodings_are_read_as_go_reads_them(case: dict[str, Any]) -> None:
    message = decode_message(unhex(case["raw"]))
    if "error" in case:
        assert isinstance(message, Undecodable)
    else:
        assert not isinstance(message, Undecodable)
        assert as_go_prints(message) == case["decoded"]


@pytest.mark.parametrize("case", cases("ocr2_wire_messages"), ids=lambda case: case["type"])
def test_messages_are_written_as_go_writes_them(case: dict[str, Any]) -> None:
    raw = unhex(case["bytes"])
    message = decode_message(raw)
    assert not isinstance(message, Undecodable)
    assert type(message).__name__ == case["type"].removeprefix("Message")
    assert encode_message(message) == raw
    if isinstance(message, FinalEcho):
        assert isinstance(message.final, Final)
