"""What an owner may choose about a committee's timing and thresholds: defaults, a file, options.

Keys are those that OCR2 configurations are published with (`deltaProgress`, `reportingPluginConfig.deltaC`, …);
options on the command line are the same in kebab case.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from ocr_peer.durations import parse_duration
from ocr_peer.errors import InputError
from ocr_peer.evm.freshness import Freshness
from ocr_peer.median.config import MedianOffchainConfig
from ocr_peer.protocol.config import MAX_ORACLES, SECOND, Duration
from ocr_peer.wire.offchain_config import OffchainParameters

__all__ = ["DURATIONS", "ParameterValue", "Parameters", "offchain_parameters", "read_parameter_file"]

_MAX_BYTES: Final = 64 * 1024

DURATIONS: Final[Mapping[str, tuple[str, str, str]]] = {
    "deltaProgress": ("delta_progress", "30s", "A leader without a report for so long is replaced."),
    "deltaResend": ("delta_resend", "10s", "How often oracles repeat which epoch they want."),
    "deltaRound": ("delta_round", "10s", "Time between two rounds."),
    "deltaGrace": ("delta_grace", "1s", "How long a leader waits for observations beyond 2f+1."),
    "deltaStage": ("delta_stage", "40s", "Time that each stage of transmitters has before the next."),
    "maxDurationQuery": ("max_duration_query", "0s", "Budget for a query; median feeds have none."),
    "maxDurationObservation": ("max_duration_observation", "5s", "Budget for an observation."),
    "maxDurationReport": ("max_duration_report", "5s", "Budget for deciding whether a report is due."),
    "maxDurationShouldAcceptFinalizedReport": ("max_duration_should_accept", "5s", "Budget for accepting."),
    "maxDurationShouldTransmitAcceptedReport": (
        "max_duration_should_transmit",
        "5s",
        "Budget for deciding to transmit.",
    ),
}
"""Key: attribute of `OffchainParameters`, default, and what it is."""

_OTHERS: Final = ("f", "rMax", "s")
_PLUGIN: Final = ("alphaReportInfinite", "alphaReportPpb", "alphaAcceptInfinite", "alphaAcceptPpb", "deltaC")
_PLUGIN_TABLE: Final = "reportingPluginConfig"
_DEFAULT_R_MAX: Final = 20
_DEFAULT_ALPHA: Final = "0.5%"
_DEFAULT_DELTA_C: Final = Duration(3600 * SECOND)
_WHOLE_PPB: Final = 10**9
_ALPHA: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(%|ppb)")


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A value as somebody wrote it, and where."""

    value: object
    field: str
    """For errors: `--delta-c`, or the file and the key in it."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the choices come to."""

    f: int
    offchain: OffchainParameters


def read_parameter_file(path: Path) -> dict[str, ParameterValue]:
    """The values of a TOML file, by key; those of its table `reportingPluginConfig` stand among the others.

    Raises:
        InputError: unreadable, not TOML, or with an unknown key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            "--parameters", str(path), error.strerror or "unreadable", "name a TOML file"
        ) from None
    if len(content) > _MAX_BYTES:
        raise InputError("--parameters", str(path), "larger than 64 KiB", "name the right file")
    try:
        table = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise InputError("--parameters", str(path), f"not TOML: {error}", "mend it") from None
    plugin = table.pop(_PLUGIN_TABLE, {})
    if not isinstance(plugin, dict):
        raise InputError(f"{path}: {_PLUGIN_TABLE}", plugin, "no table", f"write [{_PLUGIN_TABLE}]")
    _refuse_unknown(table, (*_OTHERS, *DURATIONS, _PLUGIN_TABLE), str(path))
    _refuse_unknown(plugin, _PLUGIN, f"{path}: {_PLUGIN_TABLE}")
    values = {key: ParameterValue(value, f"{path}: {key}") for key, value in table.items()}
    return values | {
        key: ParameterValue(value, f"{path}: {_PLUGIN_TABLE}.{key}") for key, value in plugin.items()
    }


def offchain_parameters(values: Mapping[str, ParameterValue], n: int, freshness: Freshness) -> Parameters:
    """Defaults, replaced by the given values.

    Args:
        values: by key, as `read_parameter_file` gives them; `alphaReport` and `alphaAccept`, from the command
            line, stand for the two keys of each, as in `0.5%`, `5000000ppb` or `infinite`.
        n: number of oracles: f is as high as they allow, and each has a stage of its own, unless said otherwise.
        freshness: of the contract: its heartbeat is the default of deltaC.

    Raises:
        InputError: a value of the wrong kind or out of its range. The rules between values are
            `CommitteeConfig.check`'s.
    """
    durations = {
        attribute: _duration(values.get(key, ParameterValue(default, key)))
        for key, (attribute, default, _) in DURATIONS.items()
    }
    report = _alpha(values, "alphaReport", _DEFAULT_ALPHA)
    accept = _alpha(values, "alphaAccept", None) or report
    if report is None or accept is None:
        raise InputError("alphaReport", None, "no threshold", "set one")
    plugin = MedianOffchainConfig(*report, *accept, delta_c=_delta_c(values, freshness))
    offchain = OffchainParameters(
        **durations,
        r_max=_number(values.get("rMax", ParameterValue(_DEFAULT_R_MAX, "rMax")), 1, 254),
        stage_sizes=_stages(values["s"]) if "s" in values else (1,) * n,
        reporting_plugin_config=plugin.encode(),
    )
    return Parameters(_number(values["f"], 0, 2**31) if "f" in values else max(0, (n - 1) // 3), offchain)


def _delta_c(values: Mapping[str, ParameterValue], freshness: Freshness) -> Duration:
    if "deltaC" in values:
        delta_c = _duration(values["deltaC"])
        if delta_c == 0:
            fix = "write the longest time between two answers, such as 1h"
            raise InputError(values["deltaC"].field, "0", "an answer in every round, whatever its price", fix)
        return delta_c
    return Duration(freshness.heartbeat_s * SECOND) if freshness.heartbeat_s else _DEFAULT_DELTA_C


def _alpha(values: Mapping[str, ParameterValue], key: str, default: str | None) -> tuple[bool, int] | None:
    """Whether the threshold is infinite, and parts per billion."""
    if key in values:
        return _alpha_text(values[key])
    infinite, ppb = values.get(f"{key}Infinite"), values.get(f"{key}Ppb")
    if infinite is not None and not isinstance(infinite.value, bool):
        raise InputError(infinite.field, infinite.value, "not true or false", "write true or false")
    if infinite is not None and infinite.value is True:
        return True, 0
    if ppb is not None:
        return False, _number(ppb, 0, _WHOLE_PPB)
    return None if default is None else _alpha_text(ParameterValue(default, key))


def _alpha_text(given: ParameterValue) -> tuple[bool, int]:
    text = str(given.value).strip()
    if text in {"infinite", "inf"}:
        return True, 0
    match = _ALPHA.fullmatch(text)
    if match is None:
        raise InputError(given.field, text, "not a threshold", "write it as in 0.5%, 5000000ppb or infinite")
    ppb = Decimal(match[1]) * (10**7 if match[2] == "%" else 1)
    if ppb > _WHOLE_PPB:
        problem = "more than 100 %, so that no falling price would ever be reported"
        raise InputError(given.field, text, problem, "write 0% to 100%, or infinite")
    if ppb != int(ppb):
        raise InputError(given.field, text, "finer than a billionth", "write fewer decimals")
    return False, int(ppb)


def _duration(given: ParameterValue) -> Duration:
    if not isinstance(given.value, str):
        raise InputError(given.field, given.value, "no duration", 'write it as in "30s", in quotes')
    return Duration(parse_duration(given.value, field=given.field))


def _number(given: ParameterValue, least: int, most: int) -> int:
    value = given.value
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(given.field, value, f"not a whole number from {least} to {most}", "write one")
    return value


def _stages(given: ParameterValue) -> tuple[int, ...]:
    value = given.value
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        value = [
            int(part) if part.isascii() and part.isdecimal() and len(part) < 6 else part for part in parts
        ]
    if not isinstance(value, list) or not value:
        raise InputError(given.field, given.value, "no list of stages", "write oracles by stage, as in 1,1,2")
    return tuple(
        _number(ParameterValue(size, f"{given.field}[{index}]"), 0, MAX_ORACLES)
        for index, size in enumerate(value)
    )


def _refuse_unknown(table: Mapping[str, object], known: Sequence[str], place: str) -> None:
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            fix = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise InputError(f"{place}: {key[:64]}", table[key], "unknown key", fix)
