"""Job files: what is read, what is warned about, what is refused, and what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_peer.errors import InputError
from ocr_peer.job import Job, JuelsPerFeeCoinCache, bootstrapper_multiaddrs, job_toml, load_job, parse_job
from ocr_peer.job.document import Document
from ocr_peer.pipeline import parse_pipeline
from ocr_peer.protocol.config import ReportFormat

PEER = "12D3KooWGKhStcrvCr5RBYKaSRNX4ojrxHcmpJuFmHWenT6aAQAY"
CONTRACT = "0x613a38AC1659769640aaE063C651F48E0250454C"
PUBLISHED = f'''\
type = "offchainreporting2"
pluginType = "median"
schemaVersion = 1
name = "ETH / USD"
externalJobID = "0eec7e1d-d0d2-476c-a1a8-72dfb6633f06"
relay = "evm"
contractID = "{CONTRACT}"
forwardingAllowed = false
maxTaskDuration = "10s"
ocrKeyBundleID = "4ee612467c3caea7bdab57ab62937adfc4d195516c30139a737f85098b35d9af"
transmitterID = "0xF67D0290337bca0847005C7ffD1BC75BA9AAE6e4"
p2pv2Bootstrappers = ["{PEER}@boot.example.org:6690"]
blockchainTimeout = "20s"
contractConfigConfirmations = 3
contractConfigTrackerPollInterval = "1m"
observationSource = """
  ds1       [type="http" method=POST url="https://adapter.example/coingecko" timeout="4s"
             requestData="{{\\\\"data\\\\":{{\\\\"from\\\\":\\\\"ETH\\\\",\\\\"to\\\\":\\\\"USD\\\\"}}}}"];
  ds1_parse [type="jsonparse" path="data,result"];
  ds1_mult  [type="multiply" times=100000000];
  ds2       [type="http" method=GET url="https://api.exchange.coinbase.com/products/ETH-USD/ticker" timeout="4s"];
  ds2_parse [type="jsonparse" path="price"];
  ds2_mult  [type="multiply" times=100000000];
  ds3       [type="http" method=GET url="https://api.kraken.com/0/public/Ticker?pair=ETHUSD" timeout="4s"];
  ds3_parse [type="jsonparse" path="result,XETHZUSD,c,0"];
  ds3_mult  [type="multiply" times=100000000];
  ds1 -> ds1_parse -> ds1_mult -> answer;
  ds2 -> ds2_parse -> ds2_mult -> answer;
  ds3 -> ds3_parse -> ds3_mult -> answer;
  answer [type="median" allowedFaults=1 index=0];
"""
[relayConfig]
chainID = 1337
fromBlock = 1
[pluginConfig]
juelsPerFeeCoinSource = """
  j [type="memo" value="5000000000000000"]; jm [type="multiply" times=1]; j -> jm;
"""
gasPriceSubunitsSource = """
  g [type="memo" value="1000000000"]; gm [type="multiply" times=1]; g -> gm;
"""
[pluginConfig.juelsPerFeeCoinCache]
updateInterval = "1m"
'''
BOOTSTRAP = f"""\
type = "bootstrap"
schemaVersion = 1
relay = "evm"
contractID = "{CONTRACT}"
[relayConfig]
chainID = 1337
"""
SECOND = 10**9


def changed(old: str, new: str, text: str = PUBLISHED) -> str:
    assert old in text
    return text.replace(old, new, 1)


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_job(text, source="feed.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def warnings(text: str) -> list[str]:
    return parse_job(text, source="feed.toml")[1]


def test_the_published_format_is_read_without_a_warning() -> None:
    job, remarks = parse_job(PUBLISHED)
    assert remarks == []
    assert job.observation_source is not None
    assert job.observation_source.finals == ("answer",)
    assert job.juels_per_fee_coin_source is not None
    assert job.gas_price_subunits_source is not None
    pipelines = dict.fromkeys(
        ("observation_source", "juels_per_fee_coin_source", "gas_price_subunits_source"), None
    )
    assert replace(job, **pipelines) == Job(
        name="ETH / USD",
        contract_id=CONTRACT,
        chain_id=1337,
        external_job_id=UUID("0eec7e1d-d0d2-476c-a1a8-72dfb6633f06"),
        from_block=1,
        transmitter_id="0xF67D0290337bca0847005C7ffD1BC75BA9AAE6e4",
        ocr_key_bundle_id="4ee612467c3caea7bdab57ab62937adfc4d195516c30139a737f85098b35d9af",
        p2p_v2_bootstrappers=(f"/dns/boot.example.org/tcp/6690/p2p/{PEER}",),
        blockchain_timeout_ns=20 * SECOND,
        contract_config_confirmations=3,
        contract_config_tracker_poll_interval_ns=60 * SECOND,
        max_task_duration_ns=10 * SECOND,
        juels_per_fee_coin_cache=JuelsPerFeeCoinCache(60 * SECOND),
    )


def test_unique_reports_are_asked_for_in_the_plugins_table() -> None:
    job, remarks = parse_job(PUBLISHED.replace("[pluginConfig]", "[pluginConfig]\nuniqueReports = true"))
    assert job.unique_reports
    assert remarks == []
    assert not parse_job(PUBLISHED)[0].unique_reports
    wrong = refused(PUBLISHED.replace("[pluginConfig]", "[pluginConfig]\nuniqueReports = 1"))
    assert "pluginConfig.uniqueReports" in wrong
    assert "uniqueReports = true in [pluginConfig]" in wrong


@pytest.mark.parametrize(
    ("written", "expected"),
    [('"packed"', ReportFormat.PACKED), ('"ocr2"', ReportFormat.OCR2), ('""', ReportFormat.OCR2)],
)
def test_the_report_format_is_named_in_the_plugins_table(written: str, expected: ReportFormat) -> None:
    job, remarks = parse_job(PUBLISHED.replace("[pluginConfig]", f"[pluginConfig]\nreportFormat = {written}"))
    assert job.report_format is expected
    assert remarks == []


@pytest.mark.parametrize("written", ['"Packed"', '"B"', '"abi"'])
def test_a_format_that_is_none_is_refused(written: str) -> None:
    wrong = refused(PUBLISHED.replace("[pluginConfig]", f"[pluginConfig]\nreportFormat = {written}"))
    assert f"pluginConfig.reportFormat = {written.strip(chr(34))}: is no format of reports" in wrong
    assert 'write "packed" for a PackedAggregator, or "ocr2" for any other aggregator' in wrong


def test_a_format_that_is_no_text_is_refused() -> None:
    wrong = refused(PUBLISHED.replace("[pluginConfig]", "[pluginConfig]\nreportFormat = 2"))
    assert "pluginConfig.reportFormat" in wrong
    assert 'reportFormat = "packed" in [pluginConfig]' in wrong


def test_a_bootstrap_job_needs_little() -> None:
    job, remarks = parse_job(BOOTSTRAP)
    assert remarks == []
    assert job == Job(name=CONTRACT, contract_id=CONTRACT, chain_id=1337, type="bootstrap")


def test_zero_and_absent_durations_mean_the_defaults() -> None:
    text = changed('blockchainTimeout = "20s"', 'blockchainTimeout = "0s"')
    text = changed('maxTaskDuration = "10s"', 'maxTaskDuration = "0s"', text)
    text = changed("contractConfigConfirmations = 3", "contractConfigConfirmations = 0", text)
    job, _ = parse_job(changed('contractConfigTrackerPollInterval = "1m"\n', "", text))
    assert (job.blockchain_timeout_ns, job.max_task_duration_ns) == (20 * SECOND, None)
    assert (job.contract_config_confirmations, job.contract_config_tracker_poll_interval_ns) == (
        3,
        60 * SECOND,
    )


def test_chain_ids_may_be_texts() -> None:
    assert parse_job(changed("chainID = 1337", 'chainID = "1337"'))[0].chain_id == 1337


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('type = "offchainreporting2"', 'type = "offchainreporting"', ["line 1: type", '"bootstrap"']),
        ('type = "offchainreporting2"', "type = 2", ["line 1: type = 2"]),
        ('type = "offchainreporting2"\n', "", ["type = (missing)", 'write type = "offchainreporting2"']),
        ("schemaVersion = 1", "schemaVersion = 2", ["line 3: schemaVersion = 2", "write schemaVersion = 1"]),
        ("schemaVersion = 1", "schemaVersion = true", ["line 3: schemaVersion = True"]),
        ('relay = "evm"', 'relay = "solana"', ["line 6: relay = solana", '"evm"']),
        ('pluginType = "median"', 'pluginType = "mercury"', ["line 2: pluginType", '"median"']),
        ("contractID", "contractId", ["contractID = (missing)", "write contractID, not contractId"]),
        (CONTRACT, CONTRACT[:-1], ["line 7: contractID", "40 hex digits"]),
        ("0x613a38AC", "0x613A38AC", ["line 7: contractID", "checksum", CONTRACT]),
        ("0xF67D", "0xf67D", ["line 11: transmitterID", "checksum"]),
        ('"0eec7e1d', '"0eec', ["line 5: externalJobID", "no UUID"]),
        (
            'maxTaskDuration = "10s"',
            "maxTaskDuration = 10",
            ["line 9", "wrong type", 'maxTaskDuration = "10s"'],
        ),
        (
            'maxTaskDuration = "10s"',
            'maxTaskDuration = "10"',
            ["line 9: maxTaskDuration = 10", "not a duration"],
        ),
        ("contractConfigConfirmations = 3", "contractConfigConfirmations = 101", ["line 14", "1 to 100"]),
        ("contractConfigConfirmations = 3", "contractConfigConfirmations = -1", ["line 14", "1 to 100"]),
        (f'["{PEER}', f'[3, "{PEER}', ["line 12: p2pv2Bootstrappers = 3", "element 1"]),
        (PEER, PEER[:-1], ["line 12: p2pv2Bootstrappers", "peer id"]),
        (":6690", ":66900", ["line 12: p2pv2Bootstrappers", "port"]),
        ('name = "ETH / USD"', 'name = "ETH\\nUSD"', ["line 4: name", "one line"]),
        ("chainID = 1337\n", "", ["relayConfig.chainID = (missing)"]),
        ("chainID = 1337", "chainID = 1.5", ["relayConfig.chainID = 1.5", "wrong type"]),
        ("chainID = 1337", "chainID = 0", ["relayConfig.chainID = 0", "no chain id"]),
        ("chainID = 1337", f"chainID = {2**64}", ["no chain id"]),
        ("chainID = 1337", "chainID = true", ["relayConfig.chainID"]),
        ("fromBlock = 1", "fromBlock = -1", ["relayConfig.fromBlock = -1"]),
        ("[relayConfig]", "[relayConfg]", ["relayConfig = (missing)", "write relayConfig, not relayConfg"]),
        ("[pluginConfig]", "[[pluginConfig]]", ["wrong type", "a table [pluginConfig]"]),
        ('relay = "evm"', "relay = ", ["is not TOML", "line 6"]),
        ("answer [type=", "answr [type=", ["line 16: observationSource, line 11", "did you mean answr?"]),
        ('type="median"', 'type="medain"', ["observationSource, line 14, column 11", "did you mean median?"]),
        ('ds1       [type="http"', 'ds1       [type="bridge"', ["task type 'bridge' is not supported yet"]),
        (
            "answer [type=",
            'z [type="memo" value=1 index=1] answer [type=',
            ["answer, z: are all final tasks"],
        ),
        (
            "j -> jm;",
            "j -> jn;",
            ["pluginConfig.juelsPerFeeCoinSource, line 1", "jn: is no task declared here"],
        ),
        ('updateInterval = "1m"', 'updateInterval = "10s"', ["updateInterval = 10s", "30s to 20m"]),
        ('updateInterval = "1m"', "disable = 1", ["juelsPerFeeCoinCache.disable = 1", "disable = false"]),
    ],
)
def test_errors_name_key_value_line_and_fix(old: str, new: str, parts: list[str]) -> None:
    message = refused(changed(old, new))
    for part in parts:
        assert part in message


def test_an_observation_source_is_required() -> None:
    start, _, rest = PUBLISHED.partition("observationSource")
    assert "observationSource = (missing)" in refused(start + rest[rest.index('"""\n[relay') + 4 :])
    assert "observationSource = (missing)" in refused(
        start + 'observationSource = " "\n' + "[relayConfig]\nchainID=1"
    )


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("forwardingAllowed = false", "forwardingAllowed = true", "line 8: forwardingAllowed has no effect"),
        (
            "forwardingAllowed = false",
            "forwardingAlowed = false",
            "line 8: forwardingAlowed is unknown and ignored",
        ),
        (
            "maxTaskDuration",
            "maxTaskDuraton",
            "line 9: maxTaskDuraton is unknown and ignored; did you mean maxTask",
        ),
        (
            "fromBlock = 1",
            "fromBlok = 1",
            "relayConfig.fromBlok is unknown and ignored; did you mean fromBlock?",
        ),
        ("fromBlock = 1", 'sendingKeys = ["0x0"]', "relayConfig.sendingKeys has no effect"),
        ("updateInterval", "updateIntervall", "juelsPerFeeCoinCache.updateIntervall is unknown"),
        (
            CONTRACT,
            CONTRACT.lower(),
            f"line 7: contractID has no checksum, so a mistyped digit goes unnoticed; write {CONTRACT}",
        ),
        ('blockchainTimeout = "20s"', 'blockchainTimeout = "30s"', "blockchainTimeout is outside 1s to 20s"),
        ('Interval = "1m"', 'Interval = "500ms"', "PollInterval is outside 1s to 120s"),
        ("allowedFaults=1 ", "", "line 16: observationSource task answer: without allowedFaults"),
        ("juelsPerFeeCoinSource", "deviationFunc", "pluginConfig.deviationFunc has no effect"),
    ],
)
def test_warnings_never_stop_a_job(old: str, new: str, warning: str) -> None:
    found = warnings(changed(old, new))
    assert any(warning in text for text in found)
    assert all(text.startswith("feed.toml") and "\n" not in text for text in found)


def test_without_a_juels_source_zero_is_observed_with_a_warning() -> None:
    text = PUBLISHED[: PUBLISHED.index("[pluginConfig]")]
    job, remarks = parse_job(text)
    assert (job.juels_per_fee_coin_source, job.juels_per_fee_coin_cache) == (None, None)
    assert len(remarks) == 1
    assert "pluginConfig.juelsPerFeeCoinSource is missing: 0 is observed" in remarks[0]


def test_feed_keys_have_no_effect_in_bootstrap_jobs() -> None:
    job, remarks = parse_job('observationSource = "nonsense"\n' + BOOTSTRAP)
    assert job.observation_source is None
    assert remarks == ["job line 1: observationSource has no effect in a bootstrap job"]


def test_key_lines_are_found() -> None:
    lines = Document.of(PUBLISHED, "feed.toml").lines
    text = PUBLISHED.splitlines()
    assert text[lines["pluginConfig.gasPriceSubunitsSource"] - 1].startswith("gasPriceSubunitsSource")
    assert text[lines["relayConfig.fromBlock"] - 1] == "fromBlock = 1"
    assert text[lines["pluginConfig.juelsPerFeeCoinCache"] - 1] == "[pluginConfig.juelsPerFeeCoinCache]"
    assert "ds1" not in lines


def test_files_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text(PUBLISHED, encoding="utf-8")
    assert load_job(path) == parse_job(PUBLISHED)


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "cannot be read"), (b"\xff", "not UTF-8"), (b"#" * (1024 * 1024 + 1), "longer than 1 MiB")],
)
def test_unreadable_files_are_refused(tmp_path: Path, content: bytes | None, part: str) -> None:
    path = tmp_path / "feed.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=part):
        load_job(path)


@pytest.mark.parametrize(
    ("text", "multiaddrs"),
    [
        (f"{PEER}@boot.example.org:6690", [f"/dns/boot.example.org/tcp/6690/p2p/{PEER}"]),
        (f"{PEER}@192.0.2.1:1", [f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}"]),
        (f"{PEER}@[2001:db8::1]:65535", [f"/ip6/2001:db8::1/tcp/65535/p2p/{PEER}"]),
        (f"{PEER}@a:1/b:2", [f"/dns/a/tcp/1/p2p/{PEER}", f"/dns/b/tcp/2/p2p/{PEER}"]),
        (f"/ip4/192.0.2.1/tcp/6690/p2p/{PEER}", [f"/ip4/192.0.2.1/tcp/6690/p2p/{PEER}"]),
        (f"/dns4/boot.example.org/tcp/6690/p2p/{PEER}", [f"/dns4/boot.example.org/tcp/6690/p2p/{PEER}"]),
    ],
)
def test_bootstrappers_become_multiaddresses(text: str, multiaddrs: list[str]) -> None:
    assert list(bootstrapper_multiaddrs(text, field="p2pv2Bootstrappers")) == multiaddrs
    for multiaddr in multiaddrs:
        assert bootstrapper_multiaddrs(multiaddr, field="p2pv2Bootstrappers") == (multiaddr,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "boot.example.org:6690",
        PEER,
        f"{PEER}@",
        f"{PEER}@host",
        f"{PEER}@host:0",
        f"{PEER}@host:x",
        f"{PEER}@a:1/",
        f"{PEER}@a:1/b",
        f"{PEER[:-1]}@host:1",
        f"{PEER}Z@host:1",
        f"1{PEER}@host:1",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N@host:1",
        f"{PEER.replace('o', '0', 1)}@host:1",
        f"{PEER}@300.0.0.1:1",
        f"{PEER}@ho st:1",
        f"{PEER}@[::1:1",
        f"/ip4/192.0.2.1/udp/6690/p2p/{PEER}",
        f"/ip4/host/tcp/6690/p2p/{PEER}",
        "/ip4/192.0.2.1/tcp/6690",
        f"{PEER}@" + "/".join(["a:1"] * 300),
    ],
)
def test_other_bootstrappers_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="p2pv2Bootstrappers"):
        bootstrapper_multiaddrs(text, field="p2pv2Bootstrappers")


SOURCES = st.sampled_from(
    [
        'a [type=memo value="1"]',
        '\n\n  a [type=memo value=<{"x": "\'\'\'"}>];\n',
        'a [type="memo" value="\\"\\\\t\\u00e9\\""]\r\n// \x7f\x0b',
        "a [type=memo value=1] // it's '",
        "a [type=memo value=1] // '''",
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@settings(deadline=None)
@given(
    name=TEXTS,
    source=SOURCES,
    chain_id=st.integers(1, 2**64 - 1),
    durations=st.tuples(*[st.integers(1, 2**62)] * 3),
    key_bundle=st.none() | TEXTS,
    uuid=st.none() | st.uuids(),
    cache=st.none()
    | st.builds(JuelsPerFeeCoinCache, st.none() | st.integers(30 * SECOND, 1200 * SECOND), st.booleans()),
)
def test_written_jobs_read_back_the_same(
    *,
    name: str,
    source: str,
    chain_id: int,
    durations: tuple[int, int, int],
    key_bundle: str | None,
    uuid: UUID | None,
    cache: JuelsPerFeeCoinCache | None,
) -> None:
    pipeline = parse_pipeline(source)
    job = Job(
        name=name,
        contract_id=CONTRACT,
        chain_id=chain_id,
        observation_source=pipeline,
        external_job_id=uuid,
        from_block=chain_id - 1,
        transmitter_id=CONTRACT if cache else None,
        ocr_key_bundle_id=key_bundle,
        p2p_v2_bootstrappers=(f"/dns/a/tcp/1/p2p/{PEER}", f"/ip6/::1/tcp/2/p2p/{PEER}")[: chain_id % 3],
        blockchain_timeout_ns=durations[0],
        contract_config_confirmations=chain_id % 100 + 1,
        contract_config_tracker_poll_interval_ns=durations[1],
        max_task_duration_ns=durations[2],
        juels_per_fee_coin_source=pipeline if cache else None,
        juels_per_fee_coin_cache=cache,
        unique_reports=cache is not None and cache.disabled,
        report_format=ReportFormat.PACKED if cache else ReportFormat.OCR2,
        gas_price_subunits_source=None if cache else pipeline,
    )
    assert parse_job(job_toml(job))[0] == job


def test_written_bootstrap_jobs_read_back_the_same() -> None:
    job = Job(name="boot", contract_id=CONTRACT, chain_id=1, type="bootstrap")
    assert parse_job(job_toml(job)) == (job, [])


@settings(deadline=None)
@given(st.data())
def test_damaged_files_are_refused_with_a_line_of_advice(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(PUBLISHED)))
    end = data.draw(st.integers(start, min(len(PUBLISHED), start + 40)))
    put = data.draw(
        st.text(max_size=8) | st.sampled_from(['"', "'''", "1", "true", "[]", "{}", "\n", "[x]", "="])
    )
    try:
        _, remarks = parse_job(PUBLISHED[:start] + put + PUBLISHED[end:])
    except InputError as error:
        remarks = [str(error)]
    assert all("\n" not in remark for remark in remarks)
