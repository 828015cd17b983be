"""The kinds of vector files, and how the kind of a file is told: by its name, else by the fields of its cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocr_peer.conformance.config_digest import run_config_digest
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.median_config import run_deviation, run_offchain, run_onchain, run_value
from ocr_peer.conformance.median_observation import run_full_path, run_observation_malleable
from ocr_peer.conformance.median_plugin import run_median_plugin
from ocr_peer.conformance.median_report import run_median_report
from ocr_peer.conformance.onchain import run_onchain as run_onchain_e2e
from ocr_peer.conformance.packed_report import run_packed_report
from ocr_peer.conformance.record import Record
from ocr_peer.conformance.schedule import run_leader_and_schedule, run_permutation
from ocr_peer.conformance.set_config import run_set_config
from ocr_peer.conformance.wire import run_wire_malleable, run_wire_message

__all__ = ["KINDS", "CaseRun", "Kind", "kind_of"]

CaseRun = Callable[[Record, KnownKeys], None]
"""Runs one case; what differs is noted in the record, what is malformed raises `VectorFormatError`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of vector file."""

    name: str
    """The stem of the published file."""
    marks: frozenset[str]
    """Fields that tell a case of this kind; for a kind with sections their names."""
    run: CaseRun | None = None
    """For a kind whose `cases` are a list."""
    sections: Mapping[str, CaseRun] | None = None
    """For a kind whose `cases` are an object of lists."""


def _listed(name: str, run: CaseRun, *marks: str) -> Kind:
    return Kind(name, frozenset(marks), run=run)


KINDS: Final = (
    _listed("ocr2_onchain_e2e", run_onchain_e2e, "config_digest", "transmissions"),
    _listed("ocr2_set_config", run_set_config, "ephemeral_sk", "oracles", "shared_secret"),
    _listed("ocr2_evm_config_digest", run_config_digest, "config_digest", "signers", "transmitters"),
    _listed("ocr2_leader_and_schedule", run_leader_and_schedule, "leaders", "transmission"),
    _listed("permutation", run_permutation, "key", "permutation"),
    # Before the next one, whose marks are fields of this one too.
    _listed("packed_report", run_packed_report, "message", "observers"),
    _listed("ocr2_median_report", run_median_report, "observations_in_order", "report"),
    _listed("ocr2_median_plugin", run_median_plugin, "attributed_observations", "chain"),
    _listed("ocr2_median_report_full_path", run_full_path, "attributed_observations", "buildreport_alone"),
    Kind(
        "ocr2_median_config",
        frozenset({"deviation", "offchain", "onchain", "values"}),
        sections={
            "deviation": run_deviation,
            "offchain": run_offchain,
            "onchain": run_onchain,
            "values": run_value,
        },
    ),
    _listed("ocr2_median_observation_malleable", run_observation_malleable, "observation", "what"),
    _listed("ocr2_wire_malleable", run_wire_malleable, "raw", "what"),
    _listed("ocr2_wire_messages", run_wire_message, "bytes", "type"),
)
"""In the order in which shapes are tried: the first whose marks are all there is taken."""

_BY_NAME: Final = {kind.name: kind for kind in KINDS}


def kind_of(stem: str, document: Any) -> Kind | None:
    """The kind of a file.

    Args:
        stem: the file's name without its ending.
        document: its JSON.

    Returns:
        The kind that the stem names; else the first one whose marks are fields of the cases, all cases taken
        together, so that one that lacks a field is an error and no riddle; else `None`.
    """
    if stem in _BY_NAME:
        return _BY_NAME[stem]
    cases = document.get("cases") if isinstance(document, dict) else None
    if isinstance(cases, dict):
        sections = frozenset(cases)
        return next((kind for kind in KINDS if kind.sections and sections and sections <= kind.marks), None)
    if not isinstance(cases, list):
        return None
    fields = frozenset(name for case in cases if isinstance(case, dict) for name in case)
    return next((kind for kind in KINDS if kind.run and kind.marks <= fields), None)
