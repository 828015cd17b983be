"""Job files from descriptions, for `ocr-peer demo` and `ocr-peer init`."""

from __future__ import annotations

import json

from ocr_peer.job.description import Job
from ocr_peer.pipeline import Pipeline, format_duration
from ocr_peer.protocol.config import ReportFormat

__all__ = ["job_toml"]


def job_toml(job: Job) -> str:
    """A job file that `parse_job` reads back to an equal `Job`; pipelines keep their source as written."""
    lines = [_pair("type", job.type)]
    if job.type == "offchainreporting2":
        lines.append(_pair("pluginType", "median"))
    lines += ["schemaVersion = 1", _pair("name", job.name)]
    if job.external_job_id is not None:
        lines.append(_pair("externalJobID", str(job.external_job_id)))
    lines += [_pair("relay", "evm"), _pair("contractID", job.contract_id)]
    if job.ocr_key_bundle_id is not None:
        lines.append(_pair("ocrKeyBundleID", job.ocr_key_bundle_id))
    if job.transmitter_id is not None:
        lines.append(_pair("transmitterID", job.transmitter_id))
    if job.p2p_v2_bootstrappers:
        addresses = ", ".join(_quoted(address) for address in job.p2p_v2_bootstrappers)
        lines.append(f"p2pv2Bootstrappers = [{addresses}]")
    lines += [
        _pair("blockchainTimeout", format_duration(job.blockchain_timeout_ns)),
        f"contractConfigConfirmations = {job.contract_config_confirmations}",
        _pair(
            "contractConfigTrackerPollInterval",
            format_duration(job.contract_config_tracker_poll_interval_ns),
        ),
    ]
    if job.max_task_duration_ns is not None:
        lines.append(_pair("maxTaskDuration", format_duration(job.max_task_duration_ns)))
    lines += _pipeline("observationSource", job.observation_source)
    lines += ["", "[relayConfig]", f"chainID = {job.chain_id}", f"fromBlock = {job.from_block}"]
    if job.type == "offchainreporting2":
        lines += ["", *_plugin_config(job)]
    return "\n".join(lines) + "\n"


def _plugin_config(job: Job) -> list[str]:
    lines = [
        "[pluginConfig]",
        *_pipeline("juelsPerFeeCoinSource", job.juels_per_fee_coin_source),
        *_pipeline("gasPriceSubunitsSource", job.gas_price_subunits_source),
    ]
    if job.unique_reports:
        lines.append("uniqueReports = true")
    if job.report_format is not ReportFormat.OCR2:
        lines.append(_pair("reportFormat", job.report_format.value))
    cache = job.juels_per_fee_coin_cache
    if cache is not None:
        lines += ["", "[pluginConfig.juelsPerFeeCoinCache]"]
        if cache.update_interval_ns is not None:
            lines.append(_pair("updateInterval", format_duration(cache.update_interval_ns)))
        lines.append(f"disable = {json.dumps(cache.disabled)}")
    return lines


def _pipeline(key: str, pipeline: Pipeline | None) -> list[str]:
    if pipeline is None:
        return []
    source = pipeline.source
    plain = all(character in "\n\t" or character.isprintable() for character in source)
    if plain and "'''" not in source and not source.endswith("'"):
        return [f"{key} = '''\n{source}'''"]
    return [_pair(key, source)]


def _pair(key: str, value: str) -> str:
    return f"{key} = {_quoted(value)}"


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's; only DEL, which JSON lets pass, needs one more.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
