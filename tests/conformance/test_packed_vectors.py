"""The published packed reports: they are what the reference codec makes, and every form of a case is among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_peer.conformance.kinds import kind_of
from ocr_peer.conformance.reading import VectorFormatError
from ocr_peer.conformance.suite import VectorFile, run_file
from tests.conformance.vectors import cases
from tests.contracts.packed_vectors import FILE, document, text


def test_the_file_is_what_the_reference_codec_makes() -> None:
    # After a change: python -m tests.contracts.packed_vectors
    assert FILE.read_text(encoding="utf-8") == text()


def test_the_kind_is_told_by_its_fields_too() -> None:
    found = kind_of("another name", document())
    assert found is not None
    assert found.name == "packed_report"
    reports = kind_of("another name", {"cases": cases("ocr2_median_report")})
    assert reports is not None
    assert reports.name == "ocr2_median_report"


def run(case: dict[str, object]) -> list[str]:
    kind = kind_of("packed_report", None)
    result = run_file(VectorFile(Path("packed_report.json"), {"cases": [case]}, kind))
    return [mismatch.field for failure in result.failures for mismatch in failure.mismatches]


def test_a_report_that_is_read_differently_is_a_mismatch() -> None:
    (first, *_), refused = cases("packed_report"), cases("packed_report")[-1]
    assert run(first) == []
    assert run(refused) == []
    assert run({"malformed": first["report"]}) == ["malformed"]
    content = {
        name: first[name] for name in ("observations_timestamp", "observers", "observations", "median")
    }
    assert run({**content, "report": refused["malformed"]}) == ["report"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"observations_in_order": []}, "no observation"),
        ({"n": 3}, "f"),
    ],
)
def test_a_malformed_case_is_an_error(change: dict[str, object], named: str) -> None:
    with pytest.raises(VectorFormatError, match=named):
        run({**cases("packed_report")[0], **change})


def test_signatures_that_are_none_or_too_few_are_mismatches() -> None:
    case = cases("packed_report")[0]
    one, other = case["signatures"]
    zero = {**other, "signature": "0x" + "00" * 65}
    assert "transmit_calldata" in run({**case, "signatures": [one, zero]})
    assert "signatures (count)" in run({**case, "signatures": [one]})
    with pytest.raises(VectorFormatError, match="signs twice"):
        run({**case, "signatures": [one, one]})
    with pytest.raises(VectorFormatError, match="no secp256k1 secret key"):
        run({**case, "signatures": [one, {**other, "onchain_sk": "0x" + "00" * 32}]})
