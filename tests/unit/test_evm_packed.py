"""Aggregator B on a chain: its calldata, its event from any bytes, and which job suits which contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import pytest
import trio
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from ocr_peer import crypto
from ocr_peer.errors import InvariantError
from ocr_peer.evm.aggregator import NEW_TRANSMISSION, NewTransmission
from ocr_peer.evm.chain import AggregatorChain
from ocr_peer.evm.chain_objects import Log
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.evm.packed import (
    NEW_PACKED_TRANSMISSION,
    decode_transmission,
    encode_transmission,
    encode_transmit_packed,
)
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import UnexpectedAnswer
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.evm.transactions import InMemoryTransactionStore
from ocr_peer.evm.transmitter import TransactionRefused, Transmitter
from ocr_peer.protocol.config import ConfigDigest, OracleId, ReportFormat
from ocr_peer.protocol.effects import Transmit
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext
from ocr_peer.runtime.ports import ReportRefused
from tests.contracts import packed as reference
from tests.contracts.signing import CURVE_ORDER, Report, Signature
from tests.unit.test_evm_feed import (
    CHAIN_ID,
    GENESIS,
    LIMITS,
    URL,
    Feed,
    new_endpoint,
    seed,
    set_config_calldata,
    transmitters,
)

CONTRACT = b"\xc0" * 20


class PackedFeed(Feed):
    """The committee of four in front of aggregator B."""

    def report(self, epoch: int, round_: int, answer: int = 5_000) -> AttestedReport:
        report = crypto.encode_packed_report(
            [(GENESIS + o, (answer + o).to_bytes(24, "big", signed=True), bytes(24), o) for o in (1, 0, 2)]
        )
        digest = self.config.config_digest
        signatures = tuple(
            AttributedSignature(
                crypto.OnchainSigner(seed("signer", o)).sign_packed_report(digest, epoch, round_, report),
                OracleId(o),
            )
            for o in (2, 0)
        )
        return AttestedReport(ReportContext(digest, epoch, round_, bytes(32)), report, signatures)


@asynccontextmanager
async def deployed_packed_feed() -> AsyncIterator[PackedFeed]:
    endpoint = new_endpoint()
    async with httpx.AsyncClient(transport=endpoint) as client:
        rpc = RpcClient(URL, client=client)
        owner = OwnerAccount(rpc, LocalSigner(seed("owner", 0)), chain_id=CHAIN_ID)
        arguments = AggregatorArguments(*LIMITS, 8, "ETH / USD", report_format=ReportFormat.PACKED)
        contract = await owner.deploy(arguments)
        config = await owner.set_config(contract, set_config_calldata())
        endpoint.devnet.automine = False
        endpoint.now += 10
        yield PackedFeed(rpc, contract, config, owner, endpoint)


@pytest.fixture
async def feed() -> AsyncIterator[PackedFeed]:
    async with deployed_packed_feed() as deployed:
        yield deployed


def chain(feed: Feed, oracle: int = 1, report_format: ReportFormat = ReportFormat.PACKED) -> AggregatorChain:
    signer = LocalSigner(feed.transmitter_key(oracle))
    transmitter = Transmitter(feed.rpc, signer, InMemoryTransactionStore(), chain_id=CHAIN_ID)
    return AggregatorChain(feed.rpc, transmitter, contract=feed.contract, report_format=report_format)


async def test_a_report_lands_and_everybody_sees_it(autojump_clock: MockClock, feed: PackedFeed) -> None:
    watch = chain(feed, 0).watch(from_block=0)
    await chain(feed, 1).transmit(Transmit(feed.report(3, 2, answer=-7_000), 0, 0))
    feed.endpoint.mine()
    view = await chain(feed).view()
    assert (view.tag, view.answer) == ((3, 2), -7_000 + 1)
    with trio.fail_after(60):
        seen = await anext(watch)
    assert seen.transmission == NewTransmission(
        aggregator_round_id=1,
        answer=-6_999,
        transmitter=transmitters()[1],
        observations_timestamp=GENESIS + 1,
        observations=(-7_000, -6_999, -6_998),
        observers=(0, 1, 2),
        juels_per_fee_coin=0,
        config_digest=feed.config.config_digest,
        epoch=3,
        round=2,
    )
    await chain(feed, 2).transmit(Transmit(feed.report(3, 2), 1, 0))
    assert feed.endpoint.devnet.pending_count == 0, "stale: another oracle was first"


def with_high_s(signature: bytes) -> bytes:
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 1])


async def test_a_peers_signature_with_a_high_s_does_not_keep_a_report_off_the_chain(feed: PackedFeed) -> None:
    report = feed.report(1, 1)
    high = tuple(replace(item, signature=with_high_s(item.signature)) for item in report.signatures)
    assert encode_transmit_packed(replace(report, signatures=high)) == encode_transmit_packed(report)
    await chain(feed).transmit(Transmit(replace(report, signatures=high), 0, 0))
    feed.endpoint.mine()
    assert (await chain(feed).view()).tag == (1, 1)


async def test_a_report_of_the_other_format_is_refused_and_nothing_is_sent(feed: PackedFeed) -> None:
    for report_format in ReportFormat:
        with pytest.raises((TransactionRefused, ReportRefused)):
            # Signed as OCR2 signs, whatever becomes of the calldata.
            await chain(feed, report_format=report_format).transmit(Transmit(Feed.report(feed, 1, 1), 0, 0))
    assert feed.endpoint.devnet.pending_count == 0


async def test_what_the_contract_refuses_is_an_error_in_words(feed: PackedFeed) -> None:
    with pytest.raises((TransactionRefused, ReportRefused), match="AnswerOutOfRange"):
        await chain(feed).transmit(Transmit(feed.report(1, 1, answer=10**31), 0, 0))


def test_calldata_is_the_references() -> None:
    digest = ConfigDigest(bytes(31) + b"\1")
    report = reference.encode_report(Report(0x6553F100, (2, 0, 3, 1), (-2, 5, 5, 300), 0))
    transmission = reference.PackedTransmission.signed(digest, 7, 3, report, [b"\1" * 32, b"\2" * 32])
    attested = AttestedReport(
        ReportContext(digest, 7, 3, bytes(32)),
        report,
        tuple(
            AttributedSignature(item.r + item.s + bytes([item.v]), OracleId(o))
            for o, item in enumerate(transmission.signatures)
        ),
    )
    assert encode_transmission(attested, ReportFormat.PACKED) == transmission.calldata
    assert transmission.calldata.hex().startswith("d6d3cbeb00000007036553f10004010202000301fe00070007012e")
    broken = replace(attested, signatures=(replace(attested.signatures[0], signature=bytes(65)),))
    with pytest.raises(InvariantError, match="oracle 0"):
        encode_transmit_packed(broken)
    assert isinstance(transmission.signatures[0], Signature)


def log_of(message: bytes, **changes: object) -> Log:
    log = Log(
        address=CONTRACT,
        topics=(NEW_PACKED_TRANSMISSION.topic, (5).to_bytes(32, "big")),
        data=encode(["address", "bytes"], ["0x" + "ab" * 20, message]),
        block_number=1,
        block_hash=bytes(32),
        transaction_hash=bytes(32),
        log_index=0,
    )
    return replace(log, **changes)  # type: ignore[arg-type]


MESSAGE = reference.message_of(
    b"\0\1" + bytes(30), 7, 3, reference.encode_report(Report(9, (1, 2), (-5, 6), 0))
)


def test_either_event_is_read() -> None:
    seen = decode_transmission(log_of(MESSAGE))
    assert (seen.aggregator_round_id, seen.answer, seen.epoch, seen.round) == (5, 6, 7, 3)
    assert (seen.transmitter, seen.config_digest) == (b"\xab" * 20, b"\0\1" + bytes(30))
    types = ["int192", "address", "uint32", "int192[]", "bytes", "int192", "bytes32", "uint40"]
    values = [6, "0x" + "ab" * 20, 9, [-5, 6], b"\1\2", 0, b"\0\1" + bytes(30), 7 << 8 | 3]
    other = log_of(b"", topics=(NEW_TRANSMISSION.topic, (5).to_bytes(32, "big")), data=encode(types, values))
    assert decode_transmission(other) == seen


@pytest.mark.parametrize(
    "log",
    [
        log_of(b""),
        log_of(MESSAGE[:36]),
        log_of(MESSAGE[:37]),
        log_of(MESSAGE[:-1]),
        log_of(MESSAGE + b"\0"),
        log_of(MESSAGE, topics=()),
        log_of(MESSAGE, topics=(NEW_PACKED_TRANSMISSION.topic,)),
        log_of(MESSAGE, topics=(NEW_PACKED_TRANSMISSION.topic, b"\1" + bytes(31))),
        log_of(MESSAGE, topics=(b"\1" * 32, bytes(32))),
        log_of(MESSAGE, data=b""),
    ],
)
def test_a_log_that_tells_of_no_report_is_an_unexpected_answer(log: Log) -> None:
    with pytest.raises(UnexpectedAnswer):
        decode_transmission(log)


@given(st.binary(max_size=120).map(log_of) | st.binary(max_size=300).map(lambda data: log_of(b"", data=data)))
def test_any_bytes_are_a_transmission_or_an_unexpected_answer(log: Log) -> None:
    try:
        seen = decode_transmission(log)
    except UnexpectedAnswer:
        return
    assert seen.answer in seen.observations
    assert len(seen.observers) == len(seen.observations)


@given(at=st.integers(0, len(MESSAGE) - 1), byte=st.integers(0, 255))
def test_a_changed_message_never_raises_anything_else(at: int, byte: int) -> None:
    with suppress(UnexpectedAnswer):
        decode_transmission(log_of(MESSAGE[:at] + bytes([byte]) + MESSAGE[at + 1 :]))
