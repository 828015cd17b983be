"""The tables of a job file as TOML has them, and where each key stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr_peer.errors import InputError

__all__ = ["Document", "JobFile", "JuelsCacheTable", "PluginTable", "RelayTable"]

_EXAMPLES = {
    "type": 'type = "offchainreporting2"',
    "schemaVersion": "schemaVersion = 1",
    "pluginType": 'pluginType = "median"',
    "name": 'name = "EUR / USD"',
    "externalJobID": 'externalJobID = "0eec7e1d-d0d2-476c-a1a8-72dfb6633f06"',
    "relay": 'relay = "evm"',
    "contractID": 'contractID = "0x…", the aggregator\'s address',
    "ocrKeyBundleID": 'ocrKeyBundleID = "…", an id that `ocr-peer keys` shows',
    "transmitterID": 'transmitterID = "0x…", an address that `ocr-peer keys` shows',
    "p2pv2Bootstrappers": 'p2pv2Bootstrappers = ["12D3KooW…@host:port"]',
    "blockchainTimeout": 'blockchainTimeout = "20s"',
    "contractConfigConfirmations": "contractConfigConfirmations = 3",
    "contractConfigTrackerPollInterval": 'contractConfigTrackerPollInterval = "1m"',
    "maxTaskDuration": 'maxTaskDuration = "10s"',
    "observationSource": 'observationSource = """ … """, with tasks in it',
    "relayConfig": "a table [relayConfig] with chainID in it",
    "relayConfig.chainID": "chainID = 1337 in [relayConfig]",
    "relayConfig.fromBlock": "fromBlock = 1 in [relayConfig]",
    "pluginConfig": "a table [pluginConfig]",
    "pluginConfig.juelsPerFeeCoinSource": 'juelsPerFeeCoinSource = """ … """ in [pluginConfig]',
    "pluginConfig.gasPriceSubunitsSource": 'gasPriceSubunitsSource = """ … """ in [pluginConfig]',
    "pluginConfig.uniqueReports": "uniqueReports = true in [pluginConfig]",
    "pluginConfig.reportFormat": 'reportFormat = "packed" in [pluginConfig]',
    "pluginConfig.juelsPerFeeCoinCache": "a table [pluginConfig.juelsPerFeeCoinCache]",
    "pluginConfig.juelsPerFeeCoinCache.updateInterval": 'updateInterval = "1m"',
    "pluginConfig.juelsPerFeeCoinCache.stalenessAlertThreshold": 'stalenessAlertThreshold = "24h"',
    "pluginConfig.juelsPerFeeCoinCache.disable": "disable = false",
}
"""Every key that means something here, with how to write it."""

_ELSEWHERE = frozenset(
    {
        "adaptiveSendSpec",
        "allowNoBootstrappers",
        "captureAutomationCustomTelemetry",
        "captureEATelemetry",
        "chainID",
        "evmChainID",
        "feedID",
        "forwardingAllowed",
        "gasLimit",
        "maxTaskRuns",
        "monitoringEndpoint",
        "onchainSigningStrategy",
        "p2pBootstrapPeers",
        "p2pPeerID",
        "pluginConfig.deviationFunc",
        "relayConfig.chainReader",
        "relayConfig.chainWriter",
        "relayConfig.codec",
        "relayConfig.defaultTransactionQueueDepth",
        "relayConfig.dualTransmission",
        "relayConfig.effectiveTransmitterAddress",
        "relayConfig.enableDualTransmission",
        "relayConfig.enableTriggerCapability",
        "relayConfig.feedID",
        "relayConfig.lloDonID",
        "relayConfig.providerType",
        "relayConfig.sendingKeys",
        "relayConfig.simulateTransactions",
        "streamID",
    }
)
"""Keys that mean something to the Chainlink node only."""

_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_.\s-]+?)\s*\]")
_KEY = re.compile(r"""\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*|"[^"]*"|'[^']*')\s*=""")


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class RelayTable(_Table):
    """`[relayConfig]`."""

    chain_id: int | str = Field(alias="chainID")
    from_block: int = Field(default=0, alias="fromBlock")


class JuelsCacheTable(_Table):
    """`[pluginConfig.juelsPerFeeCoinCache]`."""

    update_interval: str | None = Field(default=None, alias="updateInterval")
    staleness_alert_threshold: str | None = Field(default=None, alias="stalenessAlertThreshold")
    disable: bool = False


class PluginTable(_Table):
    """`[pluginConfig]` of the median plugin."""

    juels_per_fee_coin_source: str | None = Field(default=None, alias="juelsPerFeeCoinSource")
    gas_price_subunits_source: str | None = Field(default=None, alias="gasPriceSubunitsSource")
    juels_per_fee_coin_cache: JuelsCacheTable | None = Field(default=None, alias="juelsPerFeeCoinCache")
    unique_reports: bool = Field(default=False, alias="uniqueReports")
    report_format: str | None = Field(default=None, alias="reportFormat")


class JobFile(_Table):
    """The whole file; types only, no meaning yet."""

    type: str
    schema_version: int = Field(alias="schemaVersion")
    relay: str
    plugin_type: str | None = Field(default=None, alias="pluginType")
    name: str | None = None
    external_job_id: str | None = Field(default=None, alias="externalJobID")
    contract_id: str = Field(alias="contractID")
    ocr_key_bundle_id: str | None = Field(default=None, alias="ocrKeyBundleID")
    transmitter_id: str | None = Field(default=None, alias="transmitterID")
    bootstrappers: list[str] = Field(default=[], alias="p2pv2Bootstrappers")
    blockchain_timeout: str | None = Field(default=None, alias="blockchainTimeout")
    confirmations: int = Field(default=0, alias="contractConfigConfirmations")
    tracker_poll_interval: str | None = Field(default=None, alias="contractConfigTrackerPollInterval")
    max_task_duration: str | None = Field(default=None, alias="maxTaskDuration")
    observation_source: str | None = Field(default=None, alias="observationSource")
    relay_config: RelayTable = Field(alias="relayConfig")
    plugin_config: PluginTable | None = Field(default=None, alias="pluginConfig")


@dataclass(slots=True)
class Document:
    """One job file's name and key positions, and the warnings about it so far."""

    source: str
    lines: Mapping[str, int]
    """Line of each dotted key, from 1; a key that cannot be found by scanning has none."""
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, text: str, source: str) -> Document:
        """Scan a text that is TOML."""
        return cls(source, dict(_key_lines(text)))

    def where(self, key: str) -> str:
        """`file line 7: key`, or the file and key alone if the line is not known."""
        line = self.lines.get(key)
        return f"{self.source}: {key}" if line is None else f"{self.source} line {line}: {key}"

    def error(self, key: str, value: object, problem: str, fix: str) -> InputError:
        """An `InputError` about one key."""
        return InputError(self.where(key), value, problem, fix)

    def missing(self, key: str, present: Mapping[str, object]) -> InputError:
        """An `InputError` about a key that is not there, naming one that may have been meant for it."""
        prefix, _, name = key.rpartition(".")
        unknown = [found for found in present if f"{prefix}.{found}".strip(".") not in _EXAMPLES]
        close = difflib.get_close_matches(name, unknown, n=1, cutoff=0.75)
        fix = f"write {name}, not {close[0]}" if close else f"write {_EXAMPLES[key]}"
        return self.error(key, None, "is required", fix)

    def warn(self, key: str, text: str) -> None:
        """Add a warning about one key."""
        self.warnings.append(f"{self.where(key)} {text}")

    def validation_error(self, error: ValidationError) -> InputError:
        """The first complaint of pydantic in our terms."""
        first = error.errors(include_url=False)[0]
        key = ""
        item = ""
        for part in first["loc"]:
            dotted = f"{key}.{part}" if key else str(part)
            if dotted in _EXAMPLES:
                key = dotted
            elif isinstance(part, int):
                item = str(part + 1)
        if first["type"] == "missing":
            return self.missing(key, first["input"] if isinstance(first["input"], dict) else {})
        problem = "has the wrong type" if not item else f"holds something of the wrong type in element {item}"
        return self.error(key, first["input"], problem, f"write {_EXAMPLES[key]}")

    def warn_unused(self, file: JobFile) -> None:
        """Warn about every key that this node does nothing with."""
        plugin = file.plugin_config
        tables: list[tuple[str, BaseModel | None]] = [
            ("", file),
            ("relayConfig.", file.relay_config),
            ("pluginConfig.", plugin),
            ("pluginConfig.juelsPerFeeCoinCache.", plugin and plugin.juels_per_fee_coin_cache),
        ]
        for prefix, table in tables:
            for name, value in (table.model_extra or {} if table else {}).items():
                self._warn_extra(prefix, name, value)

    def _warn_extra(self, prefix: str, name: str, value: object) -> None:
        key = prefix + name
        if key in _ELSEWHERE:
            if value not in (False, "", 0, [], {}):
                self.warn(key, "has no effect in this node")
            return
        siblings = [
            known.removeprefix(prefix)
            for known in _EXAMPLES
            if known.startswith(prefix) and "." not in known.removeprefix(prefix)
        ]
        close = difflib.get_close_matches(name, siblings, n=1, cutoff=0.6)
        self.warn(key, "is unknown and ignored" + (f"; did you mean {close[0]}?" if close else ""))


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """Each dotted key with its line. Only keys at the start of a line are found: job files are written so."""
    table = ""
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        rest = line
        if not quote:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header:
                table = "".join(header[1].split()) + "."
                yield table[:-1], number
            elif key:
                yield table + "".join(key[1].split()).strip("\"'"), number
                rest = line[key.end() :]
        for delimiter in re.findall(r'"""|\'\'\'', rest):
            if not quote:
                quote = delimiter
            elif quote == delimiter:
                quote = ""
