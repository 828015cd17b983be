"""signing.py against bytes that unmodified Go nodes made and a deployed aggregator's bytecode accepted; then the
contract against the same committees, values and contexts. Invariants V1 and V2.
"""

from __future__ import annotations

from typing import Any

import pytest

from .chain import Chain, unhexed
from .feed import OWNER, Feed
from .signing import (
    Report,
    Transmission,
    config_digest,
    recover,
    report_context,
    sign,
    signing_hash,
)
from .vectors import cases, oracles, secret_keys

E2E = cases("ocr2_onchain_e2e")
REPORTS = cases("ocr2_median_report")


def case_id(case: dict[str, Any]) -> str:
    return f"n={case['n']}"


@pytest.fixture(scope="module")
def keys() -> dict[str, bytes]:
    return secret_keys()


def signed_by(case: dict[str, Any], transmission: dict[str, Any], keys: dict[str, bytes]) -> list[bytes]:
    """The keys that made a vector's signatures."""
    decoded = Transmission.decode(unhexed(transmission["transmit_calldata"]))
    return [keys[signer] for signer in decoded.signers()]


def test_config_digests() -> None:
    digests = cases("ocr2_evm_config_digest") + E2E
    assert len(digests) > 30
    for case in digests:
        digest = config_digest(
            int(case["chain_id"]),
            case["contract_address"],
            int(case["config_count"]),
            case["signers"],
            case["transmitters"],
            int(case["f"]),
            unhexed(case["onchain_config"]),
            int(case["offchain_config_version"]),
            unhexed(case["offchain_config"]),
        )
        assert digest == unhexed(case["config_digest"])


def test_reports_and_signatures() -> None:
    assert len(REPORTS) > 50
    assert sum("signatures" in case for case in REPORTS) > 10
    for case in REPORTS:
        raw = unhexed(case["report"])
        report = Report.decode(raw)
        assert report.encode() == raw
        assert report.median == int(case["median"])
        assert report.timestamp == int(case["observations_timestamp"])
        assert report.juels_per_fee_coin == int(case["juels_per_fee_coin"])
        context = report_context(
            unhexed(case["config_digest"]),
            int(case["epoch"]),
            int(case["round"]),
            unhexed(case["extra_hash"]),
        )
        assert list(context) == [unhexed(part) for part in case["raw_report_context"]]
        message_hash = signing_hash(raw, context)
        assert message_hash == unhexed(case["signing_hash"])
        for entry in case.get("signatures", []):
            signature = sign(unhexed(entry["onchain_sk"]), message_hash)
            assert signature.r + signature.s + bytes([signature.v]) == unhexed(entry["signature"])
            assert recover(message_hash, signature) == entry["address"].lower()


@pytest.mark.parametrize("case", E2E, ids=case_id)
def test_calldata_of_the_deployed_contract(case: dict[str, Any], keys: dict[str, bytes]) -> None:
    for transmission in case["transmissions"]:
        calldata = unhexed(transmission["transmit_calldata"])
        decoded = Transmission.decode(calldata)
        assert decoded.calldata == calldata
        assert (decoded.epoch, decoded.round) == (int(transmission["epoch"]), int(transmission["round"]))
        assert decoded.context[0] == unhexed(case["config_digest"])
        signed = Transmission.signed(decoded.context, decoded.report, signed_by(case, transmission, keys))
        assert signed.calldata == calldata


@pytest.mark.parametrize("case", E2E, ids=case_id)
def test_what_the_deployed_contract_accepted(
    chain: Chain, case: dict[str, Any], keys: dict[str, bytes]
) -> None:
    """Committee, configuration and reports of the vectors. Only the contract's address differs, hence the digest, hence
    the signatures; everything else of the calldata is the vector's, byte for byte."""
    onchain = unhexed(case["onchain_config"])
    answers = tuple(int.from_bytes(onchain[at : at + 24], "big", signed=True) for at in (1, 25))
    committee = oracles(case, keys)
    feed = Feed.deploy(
        chain, f=int(case["f"]), answers=(answers[0], answers[1]), oracles=committee, configured=False
    )
    arguments = (
        [signer.lower() for signer in case["signers"]],
        [transmitter.lower() for transmitter in case["transmitters"]],
        int(case["f"]),
        onchain,
        int(case["offchain_config_version"]),
        unhexed(case["offchain_config"]),
    )
    feed.contract.send(OWNER, "setConfig", *arguments)
    digest = config_digest(chain.chain_id, feed.contract.address, 1, *arguments)
    assert feed.contract.read("latestConfigDetails")[2] == digest

    for transmission in case["transmissions"]:
        deployed = Transmission.decode(unhexed(transmission["transmit_calldata"]))
        sender = keys[transmission["from"].lower()]
        assert feed.refuses(deployed, sender)[0] == "ConfigDigestMismatch"
        context = (digest, *deployed.context[1:])
        ours = Transmission.signed(context, deployed.report, signed_by(case, transmission, keys))
        receipt = feed.transmit(ours, sender)
        assert feed.contract.read("latestAnswer") == int(transmission["expected_latest_answer"])
        assert receipt.gas_used < int(transmission["gas_used"])
