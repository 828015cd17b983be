"""Quantities, addresses, ABI values, reverts and the objects of the chain, well-formed and not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import InputError, InvariantError
from ocr_peer.evm.abi import Event, Function, encode_values, selector
from ocr_peer.evm.address import checksum_address, parse_address
from ocr_peer.evm.aggregator import (
    ANSWER_UPDATED,
    CONFIG_SET,
    NEW_TRANSMISSION,
    ROUND_REQUESTED,
    AnswerUpdated,
    RoundRequested,
    decode_answer_updated,
    decode_config_set,
    decode_latest_config_details,
    decode_latest_transmission_details,
    decode_new_transmission,
    decode_round_requested,
    encode_transmit,
)
from ocr_peer.evm.chain_objects import Log, block_from_json, logs_from_json, receipt_from_json
from ocr_peer.evm.quantity import data_from_hex, quantity, quantity_from_hex, to_hex
from ocr_peer.evm.reverts import Refusal, decode_revert, refusal_of, revert_of
from ocr_peer.evm.rpc_errors import RpcError, UnexpectedAnswer
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # from EIP-55
DIGEST = b"\x00\x01" + b"d" * 30


def test_quantities_and_data() -> None:
    assert [quantity(0), quantity(1024)] == ["0x0", "0x400"]
    assert to_hex(b"\x00\x41") == "0x0041"
    assert quantity_from_hex("0x0041", "n") == 0x41
    assert data_from_hex("0xAB", "d", length=1) == b"\xab"
    with pytest.raises(ValueError, match="not negative"):
        quantity(-1)


@pytest.mark.parametrize(
    "value", [None, 7, "7", "0x", "0x_1", "0x 1", "0x1\n", "0x-1", "0x" + "1" * 65, "0x١"]
)
def test_what_is_no_quantity(value: object) -> None:
    with pytest.raises(UnexpectedAnswer, match="where the number belongs"):
        quantity_from_hex(value, "the number")


@pytest.mark.parametrize("value", [None, "0x1", "0x12", "0x12 34", "1234"])
def test_what_is_no_data(value: object) -> None:
    with pytest.raises(UnexpectedAnswer):
        data_from_hex(value, "the data", length=2)


def test_addresses() -> None:
    address = parse_address(ADDRESS, "contractID")
    assert checksum_address(address) == ADDRESS
    assert parse_address(ADDRESS.lower(), "contractID") == address
    assert parse_address("0x" + ADDRESS[2:].upper(), "contractID") == address


@pytest.mark.parametrize(
    "text", ["", ADDRESS[2:], ADDRESS + "0", "0x" + "g" * 40, "0x" + "١" * 40, "0x" + " " * 40]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InputError, match=r"contractID = .*write 0x and 40 hex digits"):
        parse_address(text, "contractID")


def test_a_mistyped_address_is_noticed() -> None:
    with pytest.raises(InputError, match=f"write {ADDRESS} if that is what you mean"):
        parse_address(ADDRESS.replace("aAeb", "aaeb"), "contractID")


def test_selectors_and_topics_of_the_deployed_contracts() -> None:
    assert (
        selector("transmit", ("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32")).hex() == "b1dc65a4"
    )
    assert Function("latestConfigDetails").selector.hex() == "81ff7048"
    assert Function(
        "setConfig", ("address[]", "address[]", "uint8", "bytes", "uint64", "bytes")
    ).selector.hex() == ("e3d0e712")
    assert CONFIG_SET.topic.hex() == "1591690b8638f5fb2dbec82ac741805ac5da8b45dc5263f4875b0496fdce4e05"
    assert NEW_TRANSMISSION.topic.hex() == "c797025feeeaf2cd924c99e9205acb8ec04d5cad21c41ce637a38fb6dee6016a"
    assert ANSWER_UPDATED.topic.hex() == "0559884fd3a460db3073b7fc896cc77986f16e378210ded43186175bf646fc5f"


def log(event: Event, topics: list[bytes], data: bytes) -> Log:
    return Log(bytes(20), (event.topic, *topics), data, 5, bytes(32), bytes(32), 0)


def test_events_are_read() -> None:
    requested = log(
        ROUND_REQUESTED,
        [bytes(12) + b"r" * 20],
        encode_values(("bytes32", "uint32", "uint8"), (DIGEST, 7, 2)),
    )
    assert decode_round_requested(requested) == RoundRequested(b"r" * 20, ConfigDigest(DIGEST), 7, 2)
    updated = log(
        ANSWER_UPDATED,
        [(-5).to_bytes(32, "big", signed=True), (9).to_bytes(32, "big")],
        (1_700_000_000).to_bytes(32, "big"),
    )
    assert decode_answer_updated(updated) == AnswerUpdated(-5, 9, 1_700_000_000)
    fields = (-5, b"t" * 20, 1, [-6, -5, 8], b"\x02\x00\x03", 3, DIGEST, 7 << 8 | 2)
    data = encode_values(NEW_TRANSMISSION.inputs[1:], fields)
    transmission = decode_new_transmission(log(NEW_TRANSMISSION, [(11).to_bytes(32, "big")], data))
    assert (transmission.aggregator_round_id, transmission.epoch, transmission.round) == (11, 7, 2)
    assert transmission.observations == (-6, -5, 8)
    assert transmission.observers == (2, 0, 3)
    assert transmission.transmitter == b"t" * 20


@given(st.binary(max_size=600), st.integers(0, 3))
def test_no_log_raises_anything_but_unexpected(data: bytes, topics: int) -> None:
    for event, decode in (
        (CONFIG_SET, decode_config_set),
        (NEW_TRANSMISSION, decode_new_transmission),
        (ROUND_REQUESTED, decode_round_requested),
        (ANSWER_UPDATED, decode_answer_updated),
    ):
        with suppress(UnexpectedAnswer):  # the right length makes any bytes an AnswerUpdated
            decode(log(event, [b"\xff" * 32] * topics, data + b"\xff"))


@given(st.binary(max_size=200))
def test_no_result_raises_anything_but_unexpected(data: bytes) -> None:
    for decode in (decode_latest_config_details, decode_latest_transmission_details):
        try:
            decode(data)
        except UnexpectedAnswer:
            continue


@given(st.binary(max_size=64).map(lambda tail: selector("ConfigSet", ()) + tail) | st.binary(max_size=200))
def test_decoding_a_refusal_never_raises(data: bytes) -> None:
    assert "\n" not in decode_revert(data).reason


def test_a_final_report_carries_whole_signatures() -> None:
    context = ReportContext(ConfigDigest(DIGEST), 1, 1, bytes(32))
    with pytest.raises(InvariantError):
        encode_transmit(AttestedReport(context, b"", (AttributedSignature(bytes(64), OracleId(0)),)))


def revert_data(name: str, types: tuple[str, ...] = (), values: tuple[Any, ...] = ()) -> bytes:
    return selector(name, types) + encode_values(types, values)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no reason given"),
        (revert_data("Error", ("string",), ("stale report",)), "stale report"),
        (revert_data("Error", ("string",), ("two\nlines " + "x" * 300,)), "two lines " + "x" * 229 + "…"),
        (revert_data("Panic", ("uint256",), (0x11,)), "panic: arithmetic overflow"),
        (revert_data("Panic", ("uint256",), (0x99,)), "panic: 0x99"),
        (revert_data("StaleReport", ("uint40", "uint40"), (5, 6)), "StaleReport(given: 5, latest: 6)"),
        (
            revert_data("UnauthorizedTransmitter", ("address",), (bytes.fromhex(ADDRESS[2:]),)),
            f"UnauthorizedTransmitter(sender: {ADDRESS})",
        ),
        (revert_data("StaleReport", ("uint40",), (5,)), "unknown error 0x"),
        (b"\x01\x02\x03\x04\x05", "unknown error 0x0102030405"),
        (b"\x01", "unknown error 0x01"),
    ],
)
def test_refusals_in_words(data: bytes, reason: str) -> None:
    assert decode_revert(data).reason.startswith(reason)


STALE = revert_data("StaleReport", ("uint40", "uint40"), (5, 6))


@pytest.mark.parametrize(
    ("error", "stale"),
    [
        (RpcError(3, "execution reverted", to_hex(STALE)), True),
        (RpcError(-32000, "execution reverted: stale report"), True),
        (RpcError(-32015, "VM execution error.", "Reverted " + to_hex(STALE)), True),
        (RpcError(-32603, "internal", {"data": {"data": to_hex(STALE)}}), True),
        (RpcError(3, "execution reverted", "0x"), False),
        (RpcError(3, "execution reverted", "0xzz"), False),
        (RpcError(3, "execution reverted", to_hex(revert_data("Error", ("string",), ("other",)))), False),
    ],
)
def test_a_lost_race_is_told_from_other_refusals(error: RpcError, stale: bool) -> None:
    revert = revert_of(error)
    assert revert is not None
    assert (refusal_of(revert) is Refusal.OVERTAKEN) is stale


def test_an_endpoints_failure_is_no_refusal() -> None:
    assert revert_of(RpcError(-32000, "out of gas")) is None
    assert revert_of(RpcError(-32603, "internal", {"data": {"data": {"data": {"data": "0x01"}}}})) is None


GOOD_LOG = {
    "address": "0x" + "01" * 20,
    "topics": ["0x" + "02" * 32],
    "data": "0x",
    "blockNumber": "0x5",
    "blockHash": "0x" + "03" * 32,
    "transactionHash": "0x" + "04" * 32,
    "logIndex": "0x1",
}


def test_logs_in_blocks_are_read_and_others_left_out() -> None:
    pending = {**GOOD_LOG, "blockNumber": None}
    removed = {**GOOD_LOG, "removed": True}
    logs = logs_from_json([GOOD_LOG, pending, removed])
    assert [log.block_number for log in logs] == [5]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [None],
        [{**GOOD_LOG, "topics": None}],
        [{**GOOD_LOG, "address": "0x"}],
        [{"blockNumber": "0x1"}],
    ],
)
def test_malformed_logs(value: object) -> None:
    with pytest.raises(UnexpectedAnswer):
        logs_from_json(value)


def test_blocks_and_receipts() -> None:
    block = block_from_json({"number": "0x5", "hash": "0x" + "03" * 32, "timestamp": "0x6553f100"})
    assert (block.number, block.timestamp, block.base_fee_per_gas) == (5, 1_700_000_000, None)
    with pytest.raises(UnexpectedAnswer, match="a block"):
        block_from_json(None)
    assert receipt_from_json(None) is None
    receipt = {
        "transactionHash": "0x" + "04" * 32,
        "status": "0x0",
        "blockNumber": "0x5",
        "blockHash": "0x" + "03" * 32,
        "gasUsed": "0x5208",
        "contractAddress": None,
    }
    read = receipt_from_json(receipt)
    assert read is not None
    assert (read.succeeded, read.gas_used, read.effective_gas_price) == (False, 21_000, 0)
    with pytest.raises(UnexpectedAnswer, match="a receipt with gasUsed"):
        receipt_from_json({key: value for key, value in receipt.items() if key != "gasUsed"})
