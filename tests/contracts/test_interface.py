"""The names everybody already listens to. Invariants I1 to I3."""

from __future__ import annotations

import pytest
from eth_abi import decode, encode
from eth_utils import keccak

from .chain import Chain, Contract, artifact, signature_of, type_of, unhexed
from .feed import DECIMALS, DESCRIPTION, MAX_ANSWER, MIN_ANSWER, OWNER, A, B, Deploy, Feed, observations

# As the deployed aggregators have them.
EVENTS = {
    "ConfigSet(uint32,bytes32,uint64,address[],address[],uint8,bytes,uint64,bytes)": (
        "1591690b8638f5fb2dbec82ac741805ac5da8b45dc5263f4875b0496fdce4e05"
    ),
    "NewTransmission(uint32,int192,address,uint32,int192[],bytes,int192,bytes32,uint40)": (
        "c797025feeeaf2cd924c99e9205acb8ec04d5cad21c41ce637a38fb6dee6016a"
    ),
    "NewRound(uint256,address,uint256)": "0109fc6f55cf40689f02fbaad7af7fe7bbac8a3d2186600afc7d3e10cac60271",
    "AnswerUpdated(int256,uint256,uint256)": "0559884fd3a460db3073b7fc896cc77986f16e378210ded43186175bf646fc5f",
    "RoundRequested(address,bytes32,uint32,uint8)": (
        "41e3990591fd372502daa15842da15bc7f41c75309ab3ff4f56f1848c178825c"
    ),
    "OwnershipTransferRequested(address,address)": (
        "ed8889f560326eb138920d842192f0eb3dd22b4f139c87a2c57538e05bae1278"
    ),
    "OwnershipTransferred(address,address)": (
        "8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0"
    ),
}
# B's own, instead of NewTransmission and transmit.
PACKED_EVENT = "NewPackedTransmission(uint32,address,bytes)"
PACKED_FUNCTION = "transmitPacked()"
INDEXED = {
    "NewPackedTransmission": ("aggregatorRoundId",),
    "ConfigSet": (),
    "NewTransmission": ("aggregatorRoundId",),
    "NewRound": ("roundId", "startedBy"),
    "AnswerUpdated": ("current", "roundId"),
    "RoundRequested": ("requester",),
    "OwnershipTransferRequested": ("from", "to"),
    "OwnershipTransferred": ("from", "to"),
}
FUNCTIONS = {
    "transmit(bytes32[3],bytes,bytes32[],bytes32[],bytes32)": "b1dc65a4",
    "setConfig(address[],address[],uint8,bytes,uint64,bytes)": "e3d0e712",
    "latestConfigDetails()": "81ff7048",
    "latestConfigDigestAndEpoch()": "afcb95d7",
    "latestTransmissionDetails()": "e5fe4577",
    "getTransmitters()": "666cab8d",
    "requestNewRound()": "98e5b12a",
    "latestAnswer()": "50d25bcd",
    "latestTimestamp()": "8205bf6a",
    "latestRound()": "668a0f02",
    "getAnswer(uint256)": "b5ab58dc",
    "getTimestamp(uint256)": "b633620c",
    "decimals()": "313ce567",
    "description()": "7284e416",
    "version()": "54fd4d50",
    "getRoundData(uint80)": "9a6fc8f5",
    "latestRoundData()": "feaf968c",
    "minAnswer()": "22adbc78",
    "maxAnswer()": "70da2f67",
    "typeAndVersion()": "181f5a77",
    "owner()": "8da5cb5b",
    "transferOwnership(address)": "f2fde38b",
    "acceptOwnership()": "79ba5097",
}
OUTPUTS = {
    "latestConfigDetails": ("uint32", "uint32", "bytes32"),
    "latestConfigDigestAndEpoch": ("bool", "bytes32", "uint32"),
    "latestTransmissionDetails": ("bytes32", "uint32", "uint8", "int192", "uint64"),
    "getTransmitters": ("address[]",),
    "requestNewRound": ("uint80",),
    "latestAnswer": ("int256",),
    "latestTimestamp": ("uint256",),
    "latestRound": ("uint256",),
    "getAnswer": ("int256",),
    "getTimestamp": ("uint256",),
    "decimals": ("uint8",),
    "description": ("string",),
    "version": ("uint256",),
    "getRoundData": ("uint80", "int256", "uint256", "uint256", "uint80"),
    "latestRoundData": ("uint80", "int256", "uint256", "uint256", "uint80"),
    "minAnswer": ("int192",),
    "maxAnswer": ("int192",),
    "owner": ("address",),
}
OURS = {"setRequester", "requester", "maxAge", "setMaxAge", "heartbeat", "setHeartbeat"}
OUR_EVENTS = {"RequesterSet", "MaxAgeSet", "HeartbeatSet"}


def entries(kind: str, of: str) -> dict[str, dict]:
    return {signature_of(entry): entry for entry in artifact(kind)["abi"] if entry["type"] == of}


def events(kind: str) -> dict[str, str]:
    """Topics by signature, in the order in which test_emitted_topics_are_the_deployed_ones causes them."""
    if kind == A:
        return EVENTS
    own = PACKED_EVENT, keccak(text=PACKED_EVENT).hex()
    return dict(
        own if name.startswith("NewTransmission") else (name, topic) for name, topic in EVENTS.items()
    )


def test_event_topics_are_the_deployed_ones(kind: str) -> None:
    assert {signature: keccak(text=signature).hex() for signature in EVENTS} == EVENTS
    ours = entries(kind, "event")
    wanted = set(events(kind))
    assert {signature for signature, entry in ours.items() if entry["name"] not in OUR_EVENTS} == wanted
    for signature in wanted:
        entry = ours[signature]
        indexed = tuple(parameter["name"] for parameter in entry["inputs"] if parameter["indexed"])
        assert indexed == INDEXED[entry["name"]]
        assert entry["anonymous"] is False


def test_emitted_topics_are_the_deployed_ones(feed: Feed) -> None:
    receipts = [
        feed.configure(),
        feed.transmit(feed.signed()),
        feed.contract.send(OWNER, "requestNewRound"),
        feed.contract.send(OWNER, "transferOwnership", feed.oracles[0].transmitter),
        feed.contract.send(feed.transmitter, "acceptOwnership"),
    ]
    topics = [log.topics[0].hex() for receipt in receipts for log in receipt.logs]
    assert topics == list(events(feed.kind).values())


@pytest.mark.parametrize("k", [2, 3, 8, 30, 31])
def test_data_of_events_is_encoded_as_everybody_encodes_it(deploy: Deploy, k: int) -> None:
    """The contracts put their largest event together by hand."""
    feed = deploy(31, 1)
    for log in feed.transmit(feed.signed(values=observations(k, first=-k * 10**6))).logs:
        entry = feed.contract.event_entries[log.topics[0]]
        types = [type_of(parameter) for parameter in entry["inputs"] if not parameter["indexed"]]
        assert encode(types, decode(types, log.data)) == log.data


def test_functions_are_the_deployed_ones(kind: str) -> None:
    assert {signature: keccak(text=signature)[:4].hex() for signature in FUNCTIONS} == FUNCTIONS
    ours = entries(kind, "function")
    wanted = {PACKED_FUNCTION if kind == B and name.startswith("transmit(") else name for name in FUNCTIONS}
    assert {signature for signature, entry in ours.items() if entry["name"] not in OURS} == wanted
    for entry in ours.values():
        if entry["name"] in OUTPUTS:
            assert tuple(output["type"] for output in entry["outputs"]) == OUTPUTS[entry["name"]]


def test_errors_have_distinct_selectors(kind: str) -> None:
    errors = entries(kind, "error")
    assert len({keccak(text=signature)[:4] for signature in errors}) == len(errors)
    assert "StaleReport(uint40,uint40)" in errors


def test_constants(feed: Feed) -> None:
    read = feed.contract.read
    assert read("version") == 6
    assert read("typeAndVersion") == f"{feed.kind} 1.0.0"
    assert read("decimals") == DECIMALS
    assert read("description") == DESCRIPTION
    assert (read("minAnswer"), read("maxAnswer")) == (MIN_ANSWER, MAX_ANSWER)


@pytest.mark.parametrize("description", ["", "x" * 31, "x" * 32, "Ξ / € " * 20])
@pytest.mark.parametrize("decimals", [0, 255])
def test_constructor_arguments_come_back(chain: Chain, kind: str, description: str, decimals: int) -> None:
    answers = (-(2**191), 2**191 - 1)
    contract = Contract.deploy(chain, OWNER, kind, *answers, decimals, description, 0, 0)
    assert (contract.read("description"), contract.read("decimals")) == (description, decimals)
    assert (contract.read("minAnswer"), contract.read("maxAnswer")) == answers


def test_code_fits_a_chain(kind: str) -> None:
    assert len(unhexed(artifact(kind)["deployedBytecode"])) <= 24_576
