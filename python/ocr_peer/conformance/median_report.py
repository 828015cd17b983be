"""`ocr2_median_report`: from observations to a report, its context, its signatures and `transmit`'s arguments."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ocr_peer import crypto
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.median_observation import committee_size
from ocr_peer.conformance.onchain import transmit_signatures
from ocr_peer.conformance.reading import UINT8_MAX, UINT32_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.conformance.stand_in import median_plugin
from ocr_peer.evm.aggregator import encode_transmit
from ocr_peer.median.config import (
    INT192_MAX,
    INT192_MIN,
    MedianLimits,
    decode_int192,
    encode_int192,
)
from ocr_peer.protocol.config import MAX_ORACLES, ConfigDigest, OracleId
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext

__all__ = ["run_median_report"]

_HASH_BYTES, _SIGNATURE_BYTES, _ONCHAIN_SIGNATURE_BYTES, _WORD = 32, 64, 65, 32
_SIGNERS_USED = re.compile(r"oracles ([0-9]{1,3})\.\.([0-9]{1,3}) \(exactly f\+1\)")
_ANY_RANGE = MedianLimits(INT192_MIN, INT192_MAX).encode()


@dataclass(frozen=True, slots=True)
class _Round:
    """What the parts of a case have in common."""

    n: int
    f: int
    context: ReportContext
    query: bytes
    report: bytes
    """As stated."""
    signing_hash: bytes
    """As stated."""
    bodies: dict[int, bytes]
    """Observation by observer."""


def run_median_report(case: Record, keys: KnownKeys) -> None:
    """One case: everything that follows from a list of observations."""
    n, f = committee_size(case)
    digest = ConfigDigest(case.octets("config_digest", length=_HASH_BYTES))
    context = ReportContext(
        digest,
        case.small("epoch", high=UINT32_MAX),
        case.small("round", high=UINT8_MAX),
        case.octets("extra_hash", length=_HASH_BYTES),
    )
    attributed, in_order = _observations(case, n)
    stated = _Round(
        n=n,
        f=f,
        context=context,
        query=case.octets("query"),
        report=case.octets("report"),
        signing_hash=case.octets("signing_hash", length=_HASH_BYTES),
        bodies={observer: body for body, observer in in_order},
    )
    # libocr's encoder alone: three sorts instead of the plugin's four.
    _expect_report(case, crypto.encode_report(attributed, codec_only=True), stated)
    case.expect_wide(
        "median",
        decode_int192(crypto.median_packed([value for _, value, _, _ in attributed])),
        low=INT192_MIN,
        high=INT192_MAX,
    )
    case.expect_octets("extra_hash", crypto.inputs_hash(stated.query, in_order))
    words = crypto.report_context(digest, context.epoch, context.round, context.extra_hash)
    case.expect_octets_list(
        "raw_report_context", [words[at : at + _WORD] for at in range(0, len(words), _WORD)], length=_WORD
    )
    signing_hash = crypto.report_signing_hash(
        digest, context.epoch, context.round, context.extra_hash, stated.report
    )
    case.expect_octets("signing_hash", signing_hash)
    signatures = _signatures(case, stated) if case.has("signatures") else {}
    if case.has("transmit_args"):
        _expect_transmit(case, stated, signatures)
    if case.has("signed_observations"):
        _expect_signed_observations(case, stated, signatures, keys)


def _observations(
    case: Record, n: int
) -> tuple[list[tuple[int, bytes, bytes, int]], list[tuple[bytes, int]]]:
    """The observations as numbers and as bodies, in order; each body is written and read."""
    attributed: list[tuple[int, bytes, bytes, int]] = []
    in_order: list[tuple[bytes, int]] = []
    for item in case.records("observations_in_order", most=MAX_ORACLES):
        timestamp = item.small("timestamp", high=UINT32_MAX)
        value, juels = (
            encode_int192(item.wide(name, low=INT192_MIN, high=INT192_MAX))
            for name in ("value", "juels_per_fee_coin")
        )
        body, observer = item.octets("observation_proto"), item.small("observer", high=n - 1)
        if any(observer == other for _, other in in_order):
            raise item.malformed("observer", "observes twice", "attribute one observation to an oracle")
        item.expect_octets("observation_proto", crypto.encode_observation(timestamp, value, juels))
        decoded = crypto.decode_observation(body)
        if decoded is None:
            item.equal("observation_proto", "readable", "left out")
        else:
            item.expect_small("timestamp", decoded[0], high=UINT32_MAX)
            for name, octets in (("value", decoded[1]), ("juels_per_fee_coin", decoded[2])):
                item.expect_wide(name, decode_int192(octets), low=INT192_MIN, high=INT192_MAX)
            item.equal("observation_proto (gas price)", None, decoded[3])
        attributed.append((timestamp, value, juels, observer))
        in_order.append((body, observer))
    if not in_order:
        raise case.malformed("observations_in_order", "no observation", "list at least one")
    return attributed, in_order


def _expect_report(case: Record, report: bytes, stated: _Round) -> None:
    case.expect_octets("report", report)
    case.expect_octets("report_hash", crypto.keccak256(stated.report), length=_HASH_BYTES)
    timestamp, observers, values, juels = crypto.decode_report(report)
    case.expect_small("observations_timestamp", timestamp, high=UINT32_MAX)
    case.expect_octets("raw_observers", observers.ljust(_WORD, b"\0"), length=_WORD)
    case.expect_wide("median", decode_int192(values[len(values) // 2]), low=INT192_MIN, high=INT192_MAX)
    case.expect_wide("juels_per_fee_coin", decode_int192(juels), low=INT192_MIN, high=INT192_MAX)
    plugin = median_plugin(
        n=stated.n,
        f=stated.f,
        digest=stated.context.config_digest,
        reporting_plugin_config=b"",
        onchain_config=_ANY_RANGE,
    )
    case.expect_small("max_report_length", plugin.limits.report, high=UINT32_MAX)
    case.equal("report (within max_report_length)", expected=True, got=len(report) <= plugin.limits.report)


@dataclass(frozen=True, slots=True)
class _Signed:
    """One oracle's on-chain signature, as stated."""

    address: bytes
    signature: bytes


def _signatures(case: Record, stated: _Round) -> dict[int, _Signed]:
    """Compare every signature; the result is by oracle."""
    context = stated.context
    found: dict[int, _Signed] = {}
    for item in case.records("signatures", most=MAX_ORACLES):
        secret = item.octets("onchain_sk", length=32)
        try:
            signer = crypto.OnchainSigner(secret)
        except ValueError:
            raise item.malformed("onchain_sk", "no secp256k1 secret key", "write 1 … n-1") from None
        oracle = item.small("oracle", high=stated.n - 1)
        if oracle in found:
            raise item.malformed("oracle", "signs twice", "list each oracle once")
        item.expect_address("address", signer.address)
        made = signer.sign_report(
            context.config_digest, context.epoch, context.round, context.extra_hash, stated.report
        )
        item.expect_octets("signature", made, length=_ONCHAIN_SIGNATURE_BYTES)
        signature, address = item.octets("signature"), item.address("address")
        item.equal("signature (signer)", address, crypto.recover_address(stated.signing_hash, signature))
        found[oracle] = _Signed(address, signature)
    return found


def _expect_transmit(case: Record, stated: _Round, signatures: dict[int, _Signed]) -> None:
    """The arguments that f+1 of the stated signatures make."""
    arguments = case.record("transmit_args")
    used = _SIGNERS_USED.fullmatch(arguments.text("signers_used"))
    if used is None:
        raise arguments.malformed(
            "signers_used", "not of the form", "write `oracles FIRST..LAST (exactly f+1)`"
        )
    oracles = list(range(int(used[1]), int(used[2]) + 1))
    missing = [oracle for oracle in oracles if oracle not in signatures]
    if missing or not oracles:
        raise arguments.malformed(
            "signers_used", f"no signature by oracle {missing[:1]}", "state it in signatures"
        )
    arguments.equal("signers_used (count)", stated.f + 1, len(oracles))
    attested = AttestedReport(
        stated.context,
        stated.report,
        tuple(AttributedSignature(signatures[oracle].signature, OracleId(oracle)) for oracle in oracles),
    )
    made = transmit_signatures(encode_transmit(attested))
    arguments.expect_octets_list("rs", list(made.rs), length=_WORD)
    arguments.expect_octets_list("ss", list(made.ss), length=_WORD)
    arguments.expect_octets("raw_vs", made.raw_vs, length=_WORD)


def _expect_signed_observations(
    case: Record, stated: _Round, signatures: dict[int, _Signed], keys: KnownKeys
) -> None:
    """What is signed, and the signature where the oracle's key is known; see `known_keys`."""
    context = stated.context
    for item in case.records("signed_observations", most=MAX_ORACLES):
        oracle = item.small("oracle", high=stated.n - 1)
        if oracle not in stated.bodies:
            raise item.malformed("oracle", "no observation by it", "state it in observations_in_order")
        body, signature = stated.bodies[oracle], item.octets("ed25519_signature", length=_SIGNATURE_BYTES)
        message = _signed_message(stated, body)
        item.expect_octets("message", message, length=_HASH_BYTES)
        key = item.octets("offchain_public_key", length=32) if item.has("offchain_public_key") else None
        if key is None and oracle in signatures:
            key = keys.get(signatures[oracle].address)
        if key is None:
            item.not_checked("ed25519_signature")
            continue
        committee = crypto.Committee(context.config_digest, 0, [key], [bytes(20)])
        good = committee.verify_observation(context.epoch, context.round, stated.query, body, 0, signature)
        item.equal("ed25519_signature", "by this oracle", "by this oracle" if good else "not by this oracle")
        item.equal(
            "ed25519_signature (of message)",
            good,
            crypto.ed25519_verify(key, item.octets("message"), signature),
        )


def _signed_message(stated: _Round, body: bytes) -> bytes:
    """SHA-256 over digest, epoch, round, query and body (libocr `internal/ocr2/protocol/observation.go`)."""
    context = stated.context
    sized = b"".join(len(part).to_bytes(8, "big") + part for part in (stated.query, body))
    head = context.config_digest + context.epoch.to_bytes(4, "big") + context.round.to_bytes(1, "big")
    return hashlib.sha256(head + sized).digest()
