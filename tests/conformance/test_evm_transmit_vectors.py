"""`transmit` calldata byte for byte as the Go node sent it to the real contract: `ocr2_onchain_e2e`."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import decode

from ocr_peer import crypto
from ocr_peer.evm.aggregator import TRANSMIT, encode_transmit
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.protocol.report import AttestedReport, AttributedSignature, ReportContext
from tests.conformance.vectors import cases, unhex

TRANSMISSIONS = [
    pytest.param(case, transmission, id=f"n{case['n']}-{transmission['epoch']}-{transmission['round']}")
    for case in cases("ocr2_onchain_e2e")
    for transmission in case["transmissions"]
]


@pytest.mark.parametrize(("case", "transmission"), TRANSMISSIONS)
def test_calldata_is_the_same(case: dict[str, Any], transmission: dict[str, Any]) -> None:
    calldata = unhex(transmission["transmit_calldata"])
    _, _, rs, ss, vs = decode(TRANSMIT.inputs, calldata[4:])
    signatures = [r + s + bytes([v]) for r, s, v in zip(rs, ss, vs[: len(rs)], strict=True)]
    assert len(signatures) == transmission["signatures"] == case["f"] + 1
    signing_hash = unhex(transmission["signing_hash"])
    signers = [unhex(signer) for signer in case["signers"]]
    attributed = []
    for signature in signatures:
        recovered = crypto.recover_address(signing_hash, signature)
        assert recovered is not None
        attributed.append(AttributedSignature(signature, OracleId(signers.index(recovered))))
    report = AttestedReport(
        ReportContext(
            ConfigDigest(unhex(case["config_digest"])),
            transmission["epoch"],
            transmission["round"],
            unhex(transmission["extra_hash"]),
        ),
        unhex(transmission["report"]),
        tuple(attributed),
    )
    assert encode_transmit(report).hex() == calldata.hex()
