"""A feed on an in-process chain, behind an HTTP transport that can misbehave; and its deployment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from ocr_devnet import Devnet
from trio.testing import MockClock

from ocr_peer import crypto
from ocr_peer.errors import OperatingError
from ocr_peer.evm.aggregator import encode_set_config
from ocr_peer.evm.committee import (
    CommitteeMember,
    build_offchain_config,
    committee_config,
    private_config,
)
from ocr_peer.evm.deploy import AggregatorArguments, OwnerAccount
from ocr_peer.evm.fees import GWEI, FeeSettings
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.protocol.config import SECOND, Duration, OracleId, OracleIdentity
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext
from ocr_peer.wire.offchain_config import (
    OffchainParameters,
    decode_offchain_config,
    encode_offchain_config,
)

CHAIN_ID = 31337
GENESIS = 1_700_000_000
N, F = 4, 1
LIMITS = (-(10**30), 10**30)
URL = "http://chain.test"

MILLIS_200 = Duration(200_000_000)
PARAMETERS = OffchainParameters(
    delta_progress=Duration(5 * SECOND),
    delta_resend=Duration(2 * SECOND),
    delta_round=Duration(1 * SECOND),
    delta_grace=MILLIS_200,
    delta_stage=Duration(3 * SECOND),
    r_max=10,
    stage_sizes=(1, 1, 2),
    reporting_plugin_config=b"\x10\x01",
    max_duration_query=Duration(0),
    max_duration_observation=MILLIS_200,
    max_duration_report=MILLIS_200,
    max_duration_should_accept=MILLIS_200,
    max_duration_should_transmit=MILLIS_200,
)


@dataclass
class Endpoint(httpx.AsyncBaseTransport):
    """The chain's JSON-RPC, as a network and an operator may spoil it."""

    devnet: Devnet
    now: int = GENESIS
    down: bool = False
    unanswered: set[str] = field(default_factory=set)
    """Methods that are carried out but whose answer is lost."""
    swallowed: set[str] = field(default_factory=set)
    """Methods that are answered well but not carried out."""
    refused: dict[str, str] = field(default_factory=dict)
    """Methods that are answered with an error of these words."""
    answered: dict[str, object] = field(default_factory=dict)
    """Methods that are answered with this result."""
    legacy: bool = False
    """Whether blocks show no base fee, as before EIP-1559."""
    hanging: set[str] = field(default_factory=set)
    """Methods that are never answered."""
    calls: Counter[str] = field(default_factory=Counter)
    exchanges: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.exchanges += 1
        if self.down:
            raise httpx.ConnectError("connection refused")
        body = json.loads(request.content)
        methods = [item["method"] for item in (body if isinstance(body, list) else [body])]
        self.calls.update(methods)
        if self.hanging & set(methods):
            await trio.sleep_forever()
        if isinstance(body, list):
            answers: object = [self._answer(item) for item in body]
        else:
            answers = self._answer(body)
        if self.unanswered & set(methods):
            raise httpx.ReadError("connection reset")
        return httpx.Response(200, json=answers)

    def _answer(self, item: dict[str, Any]) -> object:
        head = {"jsonrpc": "2.0", "id": item["id"]}
        if item["method"] in self.refused:
            return {**head, "error": {"code": -32000, "message": self.refused[item["method"]]}}
        if item["method"] in self.swallowed:
            return {**head, "result": "0x" + "00" * 32}
        if item["method"] in self.answered:
            return {**head, "result": self.answered[item["method"]]}
        answer = json.loads(self.devnet.rpc(json.dumps(item).encode(), self.now))
        if item["method"] == "eth_getBlockByNumber" and self.legacy and answer.get("result"):
            answer["result"].pop("baseFeePerGas")
        return answer

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.now += 1
            self.devnet.mine(self.now)


def seed(role: str, index: int) -> bytes:
    return crypto.keccak256(f"{role} {index}".encode())


@dataclass
class ConfiguredFeed:
    """A committee of four with a deployed, configured aggregator."""

    rpc: RpcClient
    contract: bytes
    config: ContractConfig
    owner: OwnerAccount

    def transmitter_key(self, oracle: int) -> bytes:
        return seed("transmitter", oracle)

    def report(self, epoch: int, round_: int, answer: int = 5_000) -> AttestedReport:
        """A final report as oracles 0 and 2 sign it."""
        observations = [
            (GENESIS + observer, (answer + observer).to_bytes(24, "big", signed=True), bytes(24), observer)
            for observer in (1, 0, 2)
        ]
        report = crypto.encode_report(observations)
        extra_hash = crypto.keccak256(b"inputs")
        digest = self.config.config_digest
        signatures = tuple(
            AttributedSignature(
                crypto.OnchainSigner(seed("signer", oracle)).sign_report(
                    digest, epoch, round_, extra_hash, report
                ),
                OracleId(oracle),
            )
            for oracle in (0, 2)
        )
        return AttestedReport(ReportContext(digest, epoch, round_, extra_hash), report, signatures)


@dataclass
class Feed(ConfiguredFeed):
    """The same, on a chain that the test holds in its hand."""

    endpoint: Endpoint


def members() -> list[CommitteeMember]:
    return [
        CommitteeMember(
            OracleIdentity(
                offchain_public_key=crypto.ed25519_public_key(seed("offchain", index)),
                onchain_signing_address=crypto.secp256k1_address(seed("signer", index)),
                peer_id=f"12D3KooW{index}",
                transmit_account="",
            ),
            crypto.x25519_public_key(seed("encryption", index)),
        )
        for index in range(N)
    ]


def transmitters() -> tuple[bytes, ...]:
    return tuple(crypto.secp256k1_address(seed("transmitter", index)) for index in range(N))


def set_config_calldata(f: int = F, *, shared_secret: bytes = b"s" * 16) -> bytes:
    offchain = build_offchain_config(
        PARAMETERS, members(), shared_secret=shared_secret, ephemeral_secret=seed("ephemeral", 0)
    )
    low, high = (limit.to_bytes(24, "big", signed=True) for limit in LIMITS)
    return encode_set_config(
        signers=tuple(member.identity.onchain_signing_address for member in members()),
        transmitters=transmitters(),
        f=f,
        onchain_config=b"\x01" + low + high,
        offchain_config_version=2,
        offchain_config=encode_offchain_config(offchain),
    )


def new_endpoint() -> Endpoint:
    funded = [crypto.secp256k1_address(seed("owner", 0)), *transmitters()]
    devnet = Devnet(
        CHAIN_ID, dict.fromkeys(funded, 10**20), base_fee=GWEI, genesis_timestamp=GENESIS, automine=True
    )
    return Endpoint(devnet)


@asynccontextmanager
async def deployed_feed(max_age_s: int = 0, endpoint: Endpoint | None = None) -> AsyncIterator[Feed]:
    """A feed whose chain mines from now on only when told to."""
    endpoint = endpoint or new_endpoint()
    async with httpx.AsyncClient(transport=endpoint) as client:
        rpc = RpcClient(URL, client=client)
        owner = OwnerAccount(rpc, LocalSigner(seed("owner", 0)), chain_id=CHAIN_ID)
        contract = await owner.deploy(AggregatorArguments(*LIMITS, 8, "ETH / USD", max_age_s))
        config = await owner.set_config(contract, set_config_calldata())
        endpoint.devnet.automine = False
        endpoint.now += 10
        endpoint.calls.clear()
        yield Feed(rpc, contract, config, owner, endpoint)


async def test_a_deployed_aggregator_takes_the_configuration_that_was_built_for_it() -> None:
    async with deployed_feed() as feed:
        offchain = decode_offchain_config(feed.config.offchain_config)
        committee = committee_config(feed.config, offchain)
        assert committee.config_digest == crypto.evm_config_digest(
            CHAIN_ID,
            feed.contract,
            1,
            list(feed.config.signers),
            list(feed.config.transmitters),
            F,
            feed.config.onchain_config,
            2,
            feed.config.offchain_config,
        )
        assert committee.stage_sizes == (1, 1, 2)
        keys = {
            private_config(
                offchain,
                OracleId(oracle),
                partial(crypto.decrypt_shared_secret, seed("encryption", oracle)),
            )
            for oracle in range(N)
        }
        assert len(keys) == 1


async def test_a_refused_configuration_says_why() -> None:
    async with deployed_feed() as feed:
        with pytest.raises(
            OperatingError, match=r"refuses the transaction: FaultToleranceTooHigh\(f: 2, n: 4\)"
        ):
            await feed.owner.set_config(feed.contract, set_config_calldata(f=2))


async def test_a_fee_cap_below_the_base_fee_stops_the_owner() -> None:
    async with deployed_feed() as feed:
        signer = LocalSigner(seed("owner", 0))
        thrifty = OwnerAccount(feed.rpc, signer, chain_id=CHAIN_ID, fees=FeeSettings(max_fee_cap=1000))
        with pytest.raises(OperatingError, match="above the cap"):
            await thrifty.request_new_round(feed.contract)


async def test_waiting_for_a_block_ends(autojump_clock: MockClock) -> None:
    async with deployed_feed() as feed:
        with pytest.raises(OperatingError, match=r"no block took transaction 0x[0-9a-f]{64} within 180 s"):
            await feed.owner.request_new_round(feed.contract)
