"""Reading job files: what is wrong is an error with key, line and fix, what is merely unused is a warning.

Source of the rules: the Chainlink node's `core/services/ocr2/validate`, `core/services/ocrbootstrap`,
`core/services/job/models.go` and the median plugin's `config`. Keys that only other nodes use never stop a
job: a published file works here as it is.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from ocr_peer.durations import MINUTE_NS, SECOND_NS
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address, parse_address
from ocr_peer.job.bootstrappers import bootstrapper_multiaddrs
from ocr_peer.job.description import Job, JuelsPerFeeCoinCache
from ocr_peer.job.document import Document, JobFile, PluginTable
from ocr_peer.pipeline import Pipeline, lint, parse_duration, parse_pipeline
from ocr_peer.protocol.config import ReportFormat

__all__ = ["load_job", "parse_job"]

_MAX_FILE_BYTES = 1024 * 1024
_MAX_UINT64 = 2**64 - 1
_FEED_KEYS = ("observationSource", "pluginConfig", "pluginType", "ocrKeyBundleID", "transmitterID")
_WANTED: tuple[tuple[str, tuple[str | int, ...], str], ...] = (
    ("type", ("offchainreporting2", "bootstrap"), "is no type of job that this node runs"),
    ("schemaVersion", (1,), "is not a version that this node knows"),
    ("relay", ("evm",), "is not a kind of chain that this node speaks to"),
    ("pluginType", ("median",), "is not a plugin that this node has"),
)


def load_job(path: Path) -> tuple[Job, list[str]]:
    """Read a job file. The second result is its warnings, one line each.

    Raises:
        InputError: if the file cannot be read or is no job that this node can run.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        text = content.decode()
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise InputError(
            str(path), "job file", f"cannot be read: {problem}", "name a readable file"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            str(path), "job file", f"is not UTF-8: {error.reason}", "save it as UTF-8"
        ) from error
    if len(content) > _MAX_FILE_BYTES:
        raise InputError("job file", str(path), "is longer than 1 MiB", "name a job file")
    return parse_job(text, source=str(path))


def parse_job(text: str, *, source: str = "job") -> tuple[Job, list[str]]:
    """Read a job file's text; `source` names it in errors and warnings.

    Raises:
        InputError: naming key, value, fix and, where it is known, the line.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("job file", source, f"is not TOML: {error}", "mend it at that place") from None
    document = Document.of(text, source)
    _check_kind(table, document)
    try:
        file = JobFile.model_validate(table)
    except ValidationError as error:
        raise document.validation_error(error) from None
    document.warn_unused(file)
    job = _committee_member(file, document)
    if job.type == "bootstrap":
        for key in _FEED_KEYS:
            if key in table:
                document.warn(key, "has no effect in a bootstrap job")
        return job, document.warnings
    return _feed(job, file, document), document.warnings


def _check_kind(table: dict[str, object], document: Document) -> None:
    """Look first at what says whether this is a job for this node at all."""
    for key, allowed, problem in _WANTED:
        if key == "pluginType" and table.get("type") == "bootstrap":
            continue
        if key not in table:
            raise document.missing(key, table)
        if not any(table[key] == value and type(table[key]) is type(value) for value in allowed):
            wanted = " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in allowed)
            raise document.error(key, table[key], problem, f"write {key} = {wanted}")


def _committee_member(file: JobFile, document: Document) -> Job:
    """What both types of job have."""
    contract_id = _address("contractID", file.contract_id, document)
    timeout_ns = _duration("blockchainTimeout", file.blockchain_timeout, document) or 20 * SECOND_NS
    poll_ns = (
        _duration("contractConfigTrackerPollInterval", file.tracker_poll_interval, document) or MINUTE_NS
    )
    _warn_unusual("blockchainTimeout", timeout_ns, 20, document)
    _warn_unusual("contractConfigTrackerPollInterval", poll_ns, 120, document)
    if not 0 <= file.confirmations <= 100:
        problem = "is out of range (libocr allows 1 to 100)"
        raise document.error("contractConfigConfirmations", file.confirmations, problem, "write 1 to 100")
    if file.name and not file.name.isprintable():
        raise document.error("name", file.name, "has characters that cannot be shown", "write it on one line")
    if not 0 <= file.relay_config.from_block <= _MAX_UINT64:
        value = file.relay_config.from_block
        raise document.error(
            "relayConfig.fromBlock", value, "is no block number", "write 0 or a block number"
        )
    return Job(
        name=file.name or contract_id,
        contract_id=contract_id,
        chain_id=_chain_id(file.relay_config.chain_id, document),
        type="bootstrap" if file.type == "bootstrap" else "offchainreporting2",
        external_job_id=_uuid(file.external_job_id, document),
        from_block=file.relay_config.from_block,
        p2p_v2_bootstrappers=_bootstrappers(file.bootstrappers, document),
        blockchain_timeout_ns=timeout_ns,
        contract_config_confirmations=file.confirmations or 3,
        contract_config_tracker_poll_interval_ns=poll_ns,
        max_task_duration_ns=_duration("maxTaskDuration", file.max_task_duration, document) or None,
    )


def _feed(job: Job, file: JobFile, document: Document) -> Job:
    """Add what only feeds have."""
    plugin = file.plugin_config or PluginTable()
    observation_source = _pipeline("observationSource", file.observation_source, document)
    if observation_source is None:
        raise document.missing("observationSource", file.model_extra or {})
    juels = _pipeline("pluginConfig.juelsPerFeeCoinSource", plugin.juels_per_fee_coin_source, document)
    if juels is None:
        document.warn(
            "pluginConfig.juelsPerFeeCoinSource",
            "is missing: 0 is observed, and a contract that bills in LINK reimburses no gas",
        )
    return replace(
        job,
        observation_source=observation_source,
        transmitter_id=_address("transmitterID", file.transmitter_id, document)
        if file.transmitter_id
        else None,
        ocr_key_bundle_id=file.ocr_key_bundle_id or None,
        juels_per_fee_coin_source=juels,
        juels_per_fee_coin_cache=_juels_cache(plugin, document),
        unique_reports=plugin.unique_reports,
        report_format=_report_format(plugin, document),
        gas_price_subunits_source=_pipeline(
            "pluginConfig.gasPriceSubunitsSource", plugin.gas_price_subunits_source, document
        ),
    )


def _pipeline(key: str, source: str | None, document: Document) -> Pipeline | None:
    if source is None or not source.strip():
        return None
    pipeline = parse_pipeline(source, field=f"{document.where(key)},")
    if len(pipeline.finals) != 1:
        problem = "are all final tasks (nothing depends on them), where an observation needs one"
        fix = "add the edge that is missing, or remove the task"
        raise document.error(key, ", ".join(pipeline.finals), problem, fix)
    for warning in lint(pipeline):
        document.warn(key, f"task {warning}")
    return pipeline


def _report_format(plugin: PluginTable, document: Document) -> ReportFormat:
    text = plugin.report_format
    if not text:
        return ReportFormat.OCR2
    try:
        return ReportFormat(text)
    except ValueError:
        problem = "is no format of reports"
        fix = 'write "packed" for a PackedAggregator, or "ocr2" for any other aggregator'
        raise document.error("pluginConfig.reportFormat", text, problem, fix) from None


def _juels_cache(plugin: PluginTable, document: Document) -> JuelsPerFeeCoinCache | None:
    table = plugin.juels_per_fee_coin_cache
    if table is None:
        return None
    prefix = "pluginConfig.juelsPerFeeCoinCache"
    interval = _duration(f"{prefix}.updateInterval", table.update_interval, document) or None
    if interval is not None and not 30 * SECOND_NS <= interval <= 20 * MINUTE_NS:
        problem, fix = "is out of range", "write 30s to 20m, as the Chainlink node requires"
        raise document.error(f"{prefix}.updateInterval", table.update_interval, problem, fix)
    _duration(f"{prefix}.stalenessAlertThreshold", table.staleness_alert_threshold, document)
    return JuelsPerFeeCoinCache(update_interval_ns=interval, disabled=table.disable)


def _duration(key: str, text: str | None, document: Document) -> int | None:
    return None if not text else parse_duration(text, field=document.where(key))


def _warn_unusual(key: str, duration_ns: int, most_s: int, document: Document) -> None:
    if not SECOND_NS <= duration_ns <= most_s * SECOND_NS:
        document.warn(key, f"is outside 1s to {most_s}s, which libocr allows outside development")


def _address(key: str, text: str, document: Document) -> str:
    address = checksum_address(parse_address(text, document.where(key)))
    if address != text:
        document.warn(key, f"has no checksum, so a mistyped digit goes unnoticed; write {address}")
    return address


def _chain_id(value: int | str, document: Document) -> int:
    digits = str(value)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20 and 0 < int(digits) <= _MAX_UINT64):
        raise document.error(
            "relayConfig.chainID", value, "is no chain id", "write a positive number, as in chainID = 1"
        )
    return int(digits)


def _uuid(text: str | None, document: Document) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        fix = "write 8-4-4-4-12 hexadecimal digits, or remove the key"
        raise document.error("externalJobID", text, "is no UUID", fix) from None


def _bootstrappers(texts: list[str], document: Document) -> tuple[str, ...]:
    field = document.where("p2pv2Bootstrappers")
    found = (address for text in texts for address in bootstrapper_multiaddrs(text, field=field))
    return tuple(dict.fromkeys(found))
