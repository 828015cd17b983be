"""`ocr2_onchain_e2e`: transmissions that the deployed aggregator's bytecode accepted."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_peer import crypto
from ocr_peer.conformance.config_digest import expect_config_digest
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import UINT8_MAX, UINT32_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.errors import OperatingError
from ocr_peer.evm.abi import decode_values
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import TRANSMIT, encode_transmit
from ocr_peer.median.config import INT192_MAX, INT192_MIN
from ocr_peer.median.plugin import report_median
from ocr_peer.protocol.config import MAX_ORACLES, ConfigDigest, OracleId
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext

__all__ = ["TransmitSignatures", "run_onchain", "transmit_signatures"]

_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class TransmitSignatures:
    """The last three arguments of `transmit`."""

    rs: tuple[bytes, ...]
    ss: tuple[bytes, ...]
    raw_vs: bytes

    def joined(self) -> list[bytes]:
        """Signatures of 65 bytes, r ‖ s ‖ v.

        Raises:
            ValueError: not as many r as s.
        """
        return [
            r + s + bytes([v]) for r, s, v in zip(self.rs, self.ss, self.raw_vs[: len(self.rs)], strict=True)
        ]


def transmit_signatures(calldata: bytes) -> TransmitSignatures:
    """Read the signatures out of the calldata of `transmit`; raises `UnexpectedAnswer`."""
    _context, _report, rs, ss, raw_vs = decode_values(TRANSMIT.inputs, calldata[4:], "calldata of transmit")
    return TransmitSignatures(tuple(rs), tuple(ss), raw_vs)


def run_onchain(case: Record, keys: KnownKeys) -> None:
    """One case: a configuration's digest, and its transmissions."""
    signers = case.addresses("signers", most=MAX_ORACLES)
    transmitters = case.addresses("transmitters", most=MAX_ORACLES)
    expect_config_digest(case, signers, transmitters)
    case.expect_small("n", len(signers), low=1, high=MAX_ORACLES)
    f = case.small("f", high=UINT8_MAX)
    digest = ConfigDigest(case.octets("config_digest"))
    for stated in case.records("transmissions"):
        context = ReportContext(
            digest,
            stated.small("epoch", high=UINT32_MAX),
            stated.small("round", high=UINT8_MAX),
            stated.octets("extra_hash", length=_HASH_BYTES),
        )
        _expect_report(stated)
        sender = stated.address("from")
        if sender not in transmitters:
            stated.equal("from", "one of the transmitters", checksum_address(sender))
        _expect_calldata(stated, context, signers, f + 1)


def _expect_report(stated: Record) -> None:
    report = stated.octets("report")
    try:
        _timestamp, _observers, values, _juels = crypto.decode_report(report)
    except ValueError as error:
        stated.equal("report", "readable", str(error))
        return
    stated.expect_small("observations", len(values), high=MAX_ORACLES)
    median = report_median(report) if values else None
    stated.expect_wide("expected_latest_answer", median, low=INT192_MIN, high=INT192_MAX)


def _expect_calldata(stated: Record, context: ReportContext, signers: list[bytes], quorum: int) -> None:
    """The signatures come from the calldata itself; the rest of it is built from what is stated."""
    report = stated.octets("report")
    signing_hash = crypto.report_signing_hash(
        context.config_digest, context.epoch, context.round, context.extra_hash, report
    )
    stated.expect_octets("signing_hash", signing_hash, length=_HASH_BYTES)
    name = "transmit_calldata"
    calldata = stated.octets(name)
    stated.equal(f"{name} (selector)", TRANSMIT.selector, calldata[:4])
    try:
        signatures = transmit_signatures(calldata).joined()
    except (OperatingError, ValueError) as error:
        stated.equal(name, "readable", str(error))
        return
    stated.expect_small("signatures", len(signatures), high=MAX_ORACLES)
    stated.equal(f"{name} (signatures)", quorum, len(signatures))
    attributed: dict[int, AttributedSignature] = {}
    for index, signature in enumerate(signatures):
        recovered = crypto.recover_address(signing_hash, signature)
        if recovered is None or recovered not in signers:
            got = "nobody" if recovered is None else checksum_address(recovered)
            stated.equal(f"{name} (signer {index})", "one of the signers", got)
            return
        signer = signers.index(recovered)
        if signer in attributed:
            stated.equal(f"{name} (signer {index})", "another oracle", f"oracle {signer} again")
            return
        attributed[signer] = AttributedSignature(signature, OracleId(signer))
    attested = AttestedReport(context, report, tuple(attributed.values()))
    stated.equal(name, calldata, encode_transmit(attested))
