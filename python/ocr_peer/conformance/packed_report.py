"""`packed_report`: from observations to a report for aggregator B, what is signed over it, and the calldata."""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.median_observation import committee_size
from ocr_peer.conformance.reading import UINT8_MAX, UINT32_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.conformance.stand_in import median_plugin, signed_request
from ocr_peer.errors import InvariantError
from ocr_peer.evm.packed import encode_transmit_packed
from ocr_peer.median.config import INT192_MAX, INT192_MIN, MedianLimits, encode_int192
from ocr_peer.median.report import decode_report
from ocr_peer.protocol.config import MAX_ORACLES, ConfigDigest, OracleId, ReportFormat
from ocr_peer.protocol.report import (
    NO_EXTRA_HASH,
    AttestedReport,
    AttributedSignature,
    ReportContext,
    RequestRefused,
)

__all__ = ["run_packed_report"]

_HASH_BYTES, _SIGNATURE_BYTES = 32, 65
_ANY_RANGE = MedianLimits(INT192_MIN, INT192_MAX).encode()


def run_packed_report(case: Record, keys: KnownKeys) -> None:
    """One case: a report that is made and read, or bytes that are only read."""
    if case.has("malformed"):
        _expect_refused(case)
        return
    _expect_content(case)
    if case.has("observations_in_order"):
        _expect_made(case)


def _expect_refused(case: Record) -> None:
    try:
        decode_report(case.octets("malformed"), ReportFormat.PACKED)
    except ValueError:
        return
    case.equal("malformed", "refused", "read")


def _expect_content(case: Record) -> None:
    try:
        said = decode_report(case.octets("report"), ReportFormat.PACKED)
    except ValueError as error:
        case.equal("report", "readable", str(error))
        return
    case.expect_small("observations_timestamp", said.timestamp, high=UINT32_MAX)
    case.expect_octets("observers", bytes(said.observers))
    case.expect_wides("observations", list(said.observations), low=INT192_MIN, high=INT192_MAX)
    case.expect_wide("median", said.median, low=INT192_MIN, high=INT192_MAX)


def _expect_made(case: Record) -> None:
    n, f = committee_size(case)
    context = ReportContext(
        ConfigDigest(case.octets("config_digest", length=_HASH_BYTES)),
        case.small("epoch", high=UINT32_MAX),
        case.small("round", high=UINT8_MAX),
        NO_EXTRA_HASH,
    )
    observations = _observations(case, n)
    report = case.octets("report")
    case.equal("report (made)", report, crypto.encode_packed_report(observations))
    signing_hash = crypto.packed_signing_hash(context.config_digest, context.epoch, context.round, report)
    case.expect_octets("signing_hash", signing_hash, length=_HASH_BYTES)
    tag = context.epoch.to_bytes(4, "big") + context.round.to_bytes(1, "big")
    message = case.octets("message")
    case.equal("message", message, context.config_digest + tag + report)
    case.equal("message (hash)", signing_hash, crypto.keccak256(message))
    if len(observations) > 2 * f:
        _expect_followed(case, n, f, context, observations)
    if case.has("signatures"):
        _expect_transmit(case, f, AttestedReport(context, report, _signatures(case, n, context)))


def _observations(case: Record, n: int) -> list[tuple[int, bytes, bytes, int]]:
    found: list[tuple[int, bytes, bytes, int]] = []
    for item in case.records("observations_in_order", most=MAX_ORACLES):
        value, juels = (
            encode_int192(item.wide(name, low=INT192_MIN, high=INT192_MAX))
            for name in ("value", "juels_per_fee_coin")
        )
        observer = item.small("observer", high=n - 1)
        if any(observer == other for *_, other in found):
            raise item.malformed("observer", "observes twice", "attribute one observation to an oracle")
        found.append((item.small("timestamp", high=UINT32_MAX), value, juels, observer))
    if not found:
        raise case.malformed("observations_in_order", "no observation", "list at least one")
    return found


def _expect_followed(
    case: Record, n: int, f: int, context: ReportContext, observations: list[tuple[int, bytes, bytes, int]]
) -> None:
    """A follower makes the same report of a leader's request over these observations."""
    plugin = median_plugin(
        n=n,
        f=f,
        digest=context.config_digest,
        reporting_plugin_config=b"",
        onchain_config=_ANY_RANGE,
        report_format=ReportFormat.PACKED,
    )
    bodies = [
        (crypto.encode_observation(timestamp, value, juels), observer)
        for timestamp, value, juels, observer in observations
    ]
    built = plugin.build_report(context.tag, b"", signed_request(context.config_digest, context.tag, bodies))
    if isinstance(built, RequestRefused):
        case.equal("report (of a follower)", "made", built.rule)
        return
    case.equal("report (of a follower)", case.octets("report"), built.report)
    case.equal("signing_hash (of a follower)", case.octets("signing_hash"), built.signing_hash)
    case.equal("extra hash (of a follower)", NO_EXTRA_HASH, built.extra_hash)


def _signatures(case: Record, n: int, context: ReportContext) -> tuple[AttributedSignature, ...]:
    report, found = case.octets("report"), dict[int, AttributedSignature]()
    for item in case.records("signatures", most=MAX_ORACLES):
        secret = item.octets("onchain_sk", length=32)
        try:
            signer = crypto.OnchainSigner(secret)
        except ValueError:
            raise item.malformed("onchain_sk", "no secp256k1 secret key", "write 1 … n-1") from None
        oracle = item.small("oracle", high=n - 1)
        if oracle in found:
            raise item.malformed("oracle", "signs twice", "list each oracle once")
        item.expect_address("address", signer.address)
        made = signer.sign_packed_report(context.config_digest, context.epoch, context.round, report)
        stated = item.octets("signature", length=_SIGNATURE_BYTES)
        item.equal("signature", stated, made)
        item.expect_octets("compact", crypto.compact_signature(stated), length=64)
        found[oracle] = AttributedSignature(stated, OracleId(oracle))
    return tuple(found.values())


def _expect_transmit(case: Record, f: int, report: AttestedReport) -> None:
    """The calldata that the stated signatures make, all of them in their order."""
    case.equal("signatures (count)", f + 1, len(report.signatures))
    try:
        calldata = encode_transmit_packed(report)
    except InvariantError as error:
        case.equal("transmit_calldata", "made", str(error))
        return
    case.expect_octets("transmit_calldata", calldata)
