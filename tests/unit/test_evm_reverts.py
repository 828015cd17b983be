"""What a refusal means for a report."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from ocr_peer.evm import reverts
from ocr_peer.evm.reverts import Refusal, Revert, refusal_of, revert_of
from ocr_peer.evm.rpc_errors import RpcError

FOR_OTHERS = {
    # Errors that `transmit` cannot meet.
    "OnlyOwner",
    "OnlyOwnerOrRequester",
    "OnlyPendingOwner",
    "OnlyExternallyOwnedAccount",
    "TransferToSelf",
    "DataNotStored",
    "InvalidAnswerRange",
    "TooManyOracles",
    "OracleListsDiffer",
    "FaultToleranceTooHigh",
    "FaultToleranceZero",
    "InvalidOnchainConfig",
    "ZeroSigner",
    "ZeroTransmitter",
    "RepeatedSigner",
    "RepeatedTransmitter",
}


def test_every_error_of_the_aggregators_has_a_meaning() -> None:
    artifacts = files("ocr_peer.evm").joinpath("artifacts")
    names = {
        entry["name"]
        for name in ("Aggregator", "PackedAggregator")
        for entry in json.loads(artifacts.joinpath(f"{name}.json").read_bytes())["abi"]
        if entry["type"] == "error"
    }
    assert names == set(reverts._MEANINGS) | FOR_OTHERS
    assert not set(reverts._MEANINGS) & FOR_OTHERS


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("stale report", Refusal.OVERTAKEN),
        ("unauthorized transmitter", Refusal.ACCOUNT),
        ("configDigest mismatch", Refusal.REPORT),
        ("signature error", Refusal.REPORT),
        ("insufficient gas", Refusal.PASSING),
        ("no reason given", Refusal.PASSING),
    ],
)
def test_the_deployed_aggregators_say_it_in_words(words: str, meaning: Refusal) -> None:
    revert = revert_of(RpcError(3, f"execution reverted: {words}"))
    assert revert is not None
    assert refusal_of(revert) is meaning
    assert meaning.final == (meaning is not Refusal.PASSING)


def test_words_are_not_taken_for_a_typed_error_nor_the_other_way_round() -> None:
    assert refusal_of(Revert(None, "ReportTooOld", b"")) is Refusal.PASSING
    assert refusal_of(Revert("stale report", "", b"")) is Refusal.PASSING
    assert refusal_of(Revert("ReportTooOld", "", b"")) is Refusal.TOO_OLD
