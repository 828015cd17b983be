"""An aggregator with a committee that can sign for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from eth_utils import keccak
from ocr_devnet import Devnet

from .chain import NOW, Chain, Contract, Event, Receipt, unhexed
from .packed import PackedTransmission, encode_report
from .signing import (
    Context,
    Oracle,
    Report,
    Transmission,
    address_of,
    committee,
    config_digest,
    epoch_and_round,
    onchain_config,
    report_context,
)
from .vectors import secret_keys

OWNER = keccak(text="owner")
OUTSIDER = keccak(text="outsider")

MIN_ANSWER = -(10**12)
MAX_ANSWER = 10**12
DECIMALS = 8
DESCRIPTION = "ETH / USD"

OFFCHAIN_VERSION = 2
OFFCHAIN = b"only the oracles understand this"

OBSERVED_AT = 1_700_000_000
JUELS = 6 * 10**15


def observations(k: int, first: int = 300_000_000_000) -> tuple[int, ...]:
    """k ascending values of five bytes."""
    return tuple(first + 1_000_003 * i for i in range(k))


A, B = KINDS = ("Aggregator", "PackedAggregator")


class Deploy(Protocol):
    """Feed.deploy, with chain and kind filled in."""

    def __call__(
        self,
        n: int = 4,
        f: int | None = None,
        *,
        answers: tuple[int, int] = (MIN_ANSWER, MAX_ANSWER),
        max_age: int = 0,
        heartbeat: int = 0,
        configured: bool = True,
        oracles: list[Oracle] | None = None,
    ) -> Feed: ...


@dataclass
class Feed:
    kind: str
    contract: Contract
    oracles: list[Oracle]
    f: int
    digest: bytes = b""
    config_count: int = 0
    onchain: bytes = field(default_factory=lambda: onchain_config(MIN_ANSWER, MAX_ANSWER))

    @classmethod
    def deploy(
        cls,
        chain: Chain,
        n: int = 4,
        f: int | None = None,
        *,
        answers: tuple[int, int] = (MIN_ANSWER, MAX_ANSWER),
        max_age: int = 0,
        heartbeat: int = 0,
        configured: bool = True,
        oracles: list[Oracle] | None = None,
        kind: str = A,
    ) -> Feed:
        contract = Contract.deploy(chain, OWNER, kind, *answers, DECIMALS, DESCRIPTION, max_age, heartbeat)
        feed = cls(
            kind=kind,
            contract=contract,
            oracles=committee(n) if oracles is None else oracles,
            f=(n - 1) // 3 if f is None else f,
            onchain=onchain_config(*answers),
        )
        if configured:
            feed.configure()
        return feed

    @property
    def chain(self) -> Chain:
        return self.contract.chain

    @property
    def signers(self) -> list[str]:
        return [oracle.signer for oracle in self.oracles]

    @property
    def transmitters(self) -> list[str]:
        return [oracle.transmitter for oracle in self.oracles]

    @property
    def transmitter(self) -> bytes:
        """The key of a transmitter."""
        return self.oracles[0].transmitting_key

    def config(self, **changes: Any) -> tuple[Any, ...]:
        """The arguments of setConfig."""
        arguments = {
            "signers": self.signers,
            "transmitters": self.transmitters,
            "f": self.f,
            "onchain": self.onchain,
            "version": OFFCHAIN_VERSION,
            "offchain": OFFCHAIN,
        }
        assert changes.keys() <= arguments.keys()
        return tuple((arguments | changes).values())

    def config_calldata(self, **changes: Any) -> bytes:
        return self.contract.calldata("setConfig", *self.config(**changes))

    def configure(self, oracles: list[Oracle] | None = None, f: int | None = None) -> Receipt:
        """Sets the configuration, the same again unless told otherwise."""
        if oracles is not None:
            self.oracles = oracles
        if f is not None:
            self.f = f
        receipt = self.contract.send(OWNER, "setConfig", *self.config())
        self.config_count += 1
        self.digest = config_digest(
            self.chain.chain_id, self.contract.address, self.config_count, *self.config()
        )
        return receipt

    def context(self, epoch: int, round_: int) -> Context:
        return report_context(self.digest, epoch, round_, keccak(text=f"extra hash {epoch} {round_}"))

    def report(self, values: Sequence[int] | None = None, observed_at: int = OBSERVED_AT) -> Report:
        """A report of values, of all oracles unless told otherwise."""
        values = observations(len(self.oracles)) if values is None else values
        return Report(observed_at, tuple(range(len(values))), tuple(values), JUELS)

    def signed(
        self,
        epoch: int = 1,
        round_: int = 1,
        values: Sequence[int] | None = None,
        *,
        report: bytes | Report | None = None,
        signers: Iterable[int] | None = None,
        keys: Iterable[bytes] | None = None,
        observed_at: int = OBSERVED_AT,
    ) -> Transmission | PackedTransmission:
        """A report that f+1 oracles signed, unless told otherwise."""
        report = self.report(values, observed_at) if report is None else report
        encoded = report if isinstance(report, bytes) else self.encode(report)
        if keys is None:
            signers = range(self.f + 1) if signers is None else signers
            keys = [self.oracles[index].signing_key for index in signers]
        if self.kind == B:
            return PackedTransmission.signed(self.digest, epoch, round_, encoded, keys)
        return Transmission.signed(self.context(epoch, round_), encoded, keys)

    def encode(self, report: Report) -> bytes:
        """The bytes of a report as the contract wants them."""
        return encode_report(report) if self.kind == B else report.encode()

    @property
    def idle(self) -> range:
        """The bytes of calldata that mean nothing: in A, the v of signatures that do not exist."""
        vs = 4 + 6 * 32
        return range(0) if self.kind == B else range(vs + self.f + 1, vs + 32)

    def event(self, report: Report, transmission: Transmission | PackedTransmission, sender: str) -> Event:
        """What the first report of a contract is announced with."""
        if isinstance(transmission, PackedTransmission):
            fields = {"aggregatorRoundId": 1, "transmitter": sender, "message": transmission.message}
            return Event("NewPackedTransmission", fields)
        return Event(
            "NewTransmission",
            {
                "aggregatorRoundId": 1,
                "answer": report.median,
                "transmitter": sender,
                "observationsTimestamp": report.timestamp,
                "observations": report.observations,
                "observers": bytes(report.observers),
                "juelsPerFeeCoin": report.juels_per_fee_coin,
                "configDigest": self.digest,
                "epochAndRound": epoch_and_round(transmission.epoch, transmission.round),
            },
        )

    def transmit(self, transmission: Transmission | PackedTransmission, key: bytes | None = None) -> Receipt:
        """Sends a report that must be accepted."""
        return self.contract.send_raw(self.transmitter if key is None else key, transmission.calldata)

    def state(self) -> dict[str, Any]:
        """Everything the contract tells, the whole history included."""
        read = self.contract.read
        latest = read("latestRound")
        names = (
            "owner",
            "requester",
            "maxAge",
            "heartbeat",
            "latestConfigDetails",
            "latestConfigDigestAndEpoch",
            "latestTransmissionDetails",
            "latestRoundData",
            "latestAnswer",
            "latestTimestamp",
            "latestRound",
            "getTransmitters",
        )
        state = {name: read(name) for name in names}
        state["history"] = [read("getRoundData", id_) for id_ in range(latest + 2)]
        return state

    def refuses(
        self, data: bytes | Transmission | PackedTransmission, key: bytes | None = None
    ) -> tuple[str, tuple[Any, ...]]:
        """Asserts that a transaction is reverted and that nothing the contract tells changed; the error."""
        data = data if isinstance(data, bytes) else data.calldata
        before = self.state()
        error = self.contract.reverts(self.transmitter if key is None else key, data)
        assert self.state() == before
        return error

    def refuses_as_foreign(self, transmission: Transmission | PackedTransmission, given: bytes) -> None:
        """Asserts that a report made under another configuration is refused. B is not told which, so that to it the
        signatures are those of strangers."""
        name, values = self.refuses(transmission)
        if self.kind == B:
            assert (name, values[0]) == ("InvalidSignature", 0)
            assert values[1] not in self.signers
        else:
            assert (name, values) == ("ConfigDigestMismatch", (given, self.digest))


def funded() -> list[bytes]:
    """The accounts that send transactions in these tests."""
    keys = [OWNER, OUTSIDER]
    for name in ("committee", "other"):
        keys += [oracle.transmitting_key for oracle in committee(32, name)]
        keys += [oracle.signing_key for oracle in committee(1, name)]
    keys += secret_keys().values()
    return [unhexed(address_of(key)) for key in keys]


def new_chain(*, automine: bool = True, block_gas_limit: int = 30_000_000) -> Chain:
    accounts = dict.fromkeys(funded(), 10**24)
    return Chain(
        Devnet(1337, accounts, genesis_timestamp=NOW, automine=automine, block_gas_limit=block_gas_limit)
    )
