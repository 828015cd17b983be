"""`node.toml`: what loads, what is refused, and how the refusal is worded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import SECOND, Duration
from ocr_peer.settings import (
    BalanceMonitorSettings,
    ChainSettings,
    GasEstimatorSettings,
    KeystoreSettings,
    LogSettings,
    NodePoolSettings,
    P2PSettings,
    P2PV2Settings,
    RemoteSignerSettings,
    RpcNodeSettings,
    Settings,
    TransactionSettings,
    load_settings,
    render_node_toml,
)
from ocr_peer.settings.environment import LIST_VARIABLES, SCALAR_VARIABLES
from ocr_peer.settings.load import _known_options

PEER = "12D3KooWGKhStcrvCr5RBYKaSRNX4ojrxHcmpJuFmHWenT6aAQAY"

FULL = f"""\
data_dir = "state"
jobs = [
  "feed.toml",   # relative to this file
  "/etc/ocr/other.toml",
]

[Log]
Level = "debug"
JSONConsole = true

[keystore]
directory = "k"
password_file = "secret/password.txt"
kdf = "light"

[P2P.V2]
ListenAddresses = ["0.0.0.0:6690", "/ip6/::/tcp/6691", "[::1]:0"]
AnnounceAddresses = ["node.example.org:6690"]
DefaultBootstrappers = ["{PEER}@boot.example.org:6690", "/ip4/203.0.113.7/tcp/1/p2p/{PEER}"]
DeltaReconcile = "1m30s"

[[EVM]]
ChainID = "1337"
FinalityDepth = 12
NoNewHeadsThreshold = "1m30s"

[[EVM.Nodes]]
Name = "primary"
HTTPURL = "https://rpc.example.org/v3/key"

[[EVM.Nodes]]
Name = "second"
HTTPURL = "http://127.0.0.1:8545"
WSURL = "ws://127.0.0.1:8546"
SendOnly = true
Order = 7

[EVM.NodePool]
PollInterval = "4s"
PollFailureThreshold = 2
SyncThreshold = 0
quorum = 3

[EVM.GasEstimator]
EIP1559DynamicFees = false
PriceMax = "1.5 ether"
FeeCapDefault = "70 gwei"
TipCapDefault = "2 gwei"
TipCapMin = "3 wei"
LimitMax = 600000
BumpThreshold = 5
BumpPercent = 25

[EVM.Transactions]
MaxInFlight = 8
daily_budget = "0.2 ether"
private_relay_url = "https://relay.example.org/access-key"
private_relay_blocks = 0

[EVM.BalanceMonitor]
Enabled = false
min_transmissions = 20

[EVM.remote_signer]
url = "https://user:secret@signer.example.org:9000"
address = "0xF67D0290337bca0847005C7ffD1BC75BA9AAE6e4"
timeout = "2s"

[[EVM]]
ChainID = 1

[[EVM.Nodes]]
Name = "mainnet"
HTTPURL = "http://127.0.0.1:8546"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load_settings(written(folder, text), environment or {})
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{folder}/", "")


def test_every_option_is_read(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, FULL), {})
    assert settings == Settings(
        data_dir=tmp_path / "state",
        jobs=(tmp_path / "feed.toml", Path("/etc/ocr/other.toml")),
        log=LogSettings(level="debug", json_console=True),
        keystore=KeystoreSettings(tmp_path / "k", tmp_path / "secret/password.txt", "light"),
        p2p=P2PSettings(
            P2PV2Settings(
                listen_addresses=("/ip4/0.0.0.0/tcp/6690", "/ip6/::/tcp/6691", "/ip6/::1/tcp/0"),
                announce_addresses=("/dns/node.example.org/tcp/6690",),
                default_bootstrappers=(
                    f"/dns/boot.example.org/tcp/6690/p2p/{PEER}",
                    f"/ip4/203.0.113.7/tcp/1/p2p/{PEER}",
                ),
                delta_reconcile=P2PV2Settings().delta_reconcile.__class__(90_000_000_000),
            )
        ),
        evm=(
            ChainSettings(
                1337,
                (
                    RpcNodeSettings("primary", "https://rpc.example.org/v3/key"),
                    RpcNodeSettings("second", "http://127.0.0.1:8545", "ws://127.0.0.1:8546", True, 7),
                ),
                GasEstimatorSettings(
                    15 * 10**17,
                    2 * 10**9,
                    5,
                    25,
                    dynamic_fees=False,
                    fee_cap_default=70 * 10**9,
                    tip_cap_min=3,
                    limit_max=600_000,
                ),
                TransactionSettings(8, 2 * 10**17, "https://relay.example.org/access-key", 0),
                BalanceMonitorSettings(enabled=False, min_transmissions=20),
                RemoteSignerSettings(
                    "https://user:secret@signer.example.org:9000",
                    bytes.fromhex("f67d0290337bca0847005c7ffd1bc75ba9aae6e4"),
                    Duration(2 * SECOND),
                ),
                finality_depth=12,
                no_new_heads_threshold=Duration(90 * SECOND),
                node_pool=NodePoolSettings(Duration(4 * SECOND), 2, 0, 3),
            ),
            ChainSettings(1, (RpcNodeSettings("mainnet", "http://127.0.0.1:8546"),)),
        ),
    )
    assert settings.chain(1) is settings.evm[1]
    assert settings.chain(5) is None


def test_an_empty_file_gives_defaults_beside_it(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, ""), {})
    assert settings == Settings(
        data_dir=tmp_path / "data", keystore=KeystoreSettings(directory=tmp_path / "keys")
    )


def test_rendering_loads_back_to_the_same(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, FULL), {})
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert load_settings(written(moved, render_node_toml(settings)), {}) == settings
    assert load_settings(written(tmp_path, render_node_toml(settings, tmp_path)), {}) == settings


def test_relative_rendering_follows_a_moved_folder(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, ""), {})
    moved = tmp_path / "moved"
    moved.mkdir()
    assert load_settings(written(moved, render_node_toml(settings, tmp_path)), {}).data_dir == moved / "data"


def test_strings_that_need_escapes_survive(tmp_path: Path) -> None:
    node = RpcNodeSettings('a "quoted" \\ \t \x7f é \u2028', "http://h")
    settings = Settings(
        data_dir=tmp_path / "d",
        keystore=KeystoreSettings(tmp_path / "k"),
        evm=(ChainSettings(1, (node,)),),
    )
    assert load_settings(written(tmp_path, render_node_toml(settings)), {}) == settings


def test_a_missing_file_names_init(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; run `ocr-peer init`"):
        load_settings(tmp_path / "node.toml", {})


def test_what_is_not_a_readable_text_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        load_settings(tmp_path, {})
    path = tmp_path / "node.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        load_settings(path, {})
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InputError, match="larger than 1 MiB"):
        load_settings(path, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \n", "node.toml:1 = a =: not valid TOML: invalid value; mend the line"),
        ('x = "', "node.toml:1 = x =" + ' ": not valid TOML: '),
        ("\nfoo = 1", "node.toml:2: foo = 1: unknown option; remove it; known here are EVM, Log, P2P, "),
        ("data_dri = 'd'", "node.toml:1: data_dri = d: unknown option; did you mean data_dir?"),
        (
            "[P2P.V2]\n\nListenAdresses = []",
            "node.toml:3: P2P.V2.ListenAdresses = []: unknown option; did you mean ListenAddresses?",
        ),
        ("[log]\nlevel = 'info'", "node.toml:1: log = …: unknown option; did you mean Log?"),
        (
            "DefaultBootstrappers = []",
            "node.toml:1: DefaultBootstrappers = []: unknown option; did you mean P2P.V2.DefaultBoot",
        ),
        ("data_dir = 3", "node.toml:1: data_dir = 3: not a string; write a string"),
        ("jobs = 'feed.toml'", "node.toml:1: jobs = feed.toml: not an array; write an array"),
        ("jobs = [\n'a',\n1]", "node.toml:1: jobs[1] = 1: not a string; write a string"),
        ("jobs = ['a', './a']", "a occurs twice; keep one of the two"),
        ("Log = 1", "node.toml:1: Log = 1: not a table; write a table"),
        ("[Log]\nJSONConsole = 1", "node.toml:2: Log.JSONConsole = 1: not true or false; write true or"),
        ("[Log]\nLevel='loud'", "Log.Level = loud: not one of the choices; set one of 'debug', 'info'"),
        ("[P2P.V2]\nDeltaReconcile = '15'", "P2P.V2.DeltaReconcile = 15: is not a duration"),
        ("[P2P.V2]\nDeltaReconcile = 15", "P2P.V2.DeltaReconcile = 15: not a string; write a string"),
        ("[P2P.V2]\nListenAddresses=['x:1']", "P2P.V2.ListenAddresses[0] = x:1: a host name cannot be lis"),
        ("[P2P.V2]\nDefaultBootstrappers=['h:1']", "DefaultBootstrappers[0] = h:1: no peer id; write it as"),
        ("[[EVM]]\nChainID='1'", "node.toml:1: EVM[0].Nodes = (missing): required; add Nodes"),
        ("[[EVM]]\nChainID='1'\nNodes=[]", "node.toml:3: EVM[0].Nodes = []: no endpoint; add an [[EVM.Nod"),
        ("[EVM]\nChainID='1'", "node.toml:1: EVM = …: not an array; write an array"),
        ("[[EVM]]\nChainID='one'\nNodes=[]", "node.toml:2: EVM[0].ChainID = one: not a chain id; write a po"),
    ],
)
def test_wrong_input_names_line_option_value_and_fix(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


EVM = "[[EVM]]\nChainID='1'\n[[EVM.Nodes]]\nName='a'\nHTTPURL='http://h'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            EVM + "[[EVM.Nodes]]\nName='b'\nHTTPURL='http://h'\nHttpUri='x'",
            "node.toml:9: EVM[0].Nodes[1].HttpUri = …: unknown option; did you mean HTTPURL?",
        ),
        (EVM + "[[EVM.Nodes]]\nName='a'\nHTTPURL='http://h'", 'two endpoints are named "a"; give each its'),
        (EVM + "SendOnly = true", "every endpoint is SendOnly; add one that can be asked"),
        (EVM + "Order = 0", "Order = 0: too small; set at least 1"),
        (EVM + "SendOnly = 1", "SendOnly = 1: not true or false; write true or false"),
        (
            EVM + "WSURL = 'http://user:secret@h'",
            "node.toml:6: EVM[0].Nodes[0].WSURL = …: the scheme is not ws or wss; write a URL such as",
        ),
        (EVM + "[EVM.NodePool]\nPollInterval = '0s'", "PollInterval = 0s: not positive; write a duration"),
        (EVM + "[EVM.NodePool]\nSyncTreshold = 5", "unknown option; did you mean SyncThreshold?"),
        (EVM + "[EVM.NodePool]\nquorum = -1", "quorum = -1: too small; set at least 0"),
        (EVM + EVM, "two tables for chain 1; merge them into one [[EVM]] table"),
        (
            EVM.replace("http://h", "ftp://user:secret@h"),
            "node.toml:5: EVM[0].Nodes[0].HTTPURL = …: the scheme is not http or https; write a URL such as",
        ),
        (EVM + "[EVM.GasEstimator]\nBumpPercent = 5", "BumpPercent = 5: too small; set at least 10"),
        (EVM + "[EVM.GasEstimator]\nBumpThreshold = 1.5", "BumpThreshold = 1.5: not a whole number; write"),
        (EVM + "[EVM.GasEstimator]\nPriceMax = '20'", "PriceMax = 20: not an amount of ether; write a num"),
        (
            EVM + "[EVM.GasEstimator]\nPriceMax = '1 wei'",
            "node.toml:6: EVM[0].GasEstimator = …: TipCapDefault is above PriceMax; lower TipCapDefault or",
        ),
        (
            EVM + "[EVM.GasEstimator]\nLimitMax = 16777217",
            "LimitMax = 16777217: too large; set at most 16777216",
        ),
        (EVM + "[EVM.GasEstimator]\nTipCapMin = '501 gwei'", "TipCapMin is above PriceMax; lower TipCapMin"),
        (EVM + "[EVM.GasEstimator]\nEIP1559DynamicFees = 1", "EIP1559DynamicFees = 1: not true or false"),
        (EVM + "[EVM.Transactions]\nDailyBudget = '1 ether'", "unknown option; did you mean daily_budget?"),
        (EVM + "[EVM.Transactions]\ndaily_budget = '0 wei'", "a daily_budget of nothing; remove it for no"),
        (
            EVM + "[EVM.Transactions]\nprivate_relay_url = 'ftp://key@h'",
            "private_relay_url = …: the scheme is not http or https",
        ),
        (
            EVM + "[EVM.remote_signer]\nurl = 'http://h'",
            "remote_signer.address = (missing): required; add addr",
        ),
        (
            EVM + "[EVM.remote_signer]\nurl='http://h'\naddress='0xF67D0290337bca0847005C7ffD1BC75BA9AAE6E4'",
            "the checksum of its letters is wrong, so it was mistyped; write 0xF67D0290337bca0847005C7ffD1BC75BA9A",
        ),
        (EVM.replace("'1'", "'1'\nFinalityDepth=-1"), "FinalityDepth = -1: too small; set at least 0"),
        (
            EVM + EVM.replace("'1'", "'2'") + "[EVM.GasEstimator]\nBumpTreshold = 5",
            "node.toml:12: EVM[1].GasEstimator.BumpTreshold = 5: unknown option; did you mean BumpThreshold?",
        ),
    ],
)
def test_wrong_chains_are_named(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


def test_the_first_of_several_errors_is_reported(tmp_path: Path) -> None:
    assert "node.toml:2: data_dir" in refused(tmp_path, "\ndata_dir = 1\njobs = 1\nzzz = 1")


def test_the_environment_takes_precedence(tmp_path: Path) -> None:
    environment = {
        "OCR_PEER_DATA_DIR": "/var/lib/ocr",
        "OCR_PEER_LOG_LEVEL": "warn",
        "OCR_PEER_LOG_JSON": "false",
        "OCR_PEER_KEYSTORE_DIRECTORY": "envkeys",
        "OCR_PEER_KEYSTORE_PASSWORD_FILE": "/run/secrets/password",
        "OCR_PEER_JOBS": "a.toml, b.toml",
        "OCR_PEER_P2P_LISTEN_ADDRESSES": "127.0.0.1:1",
        "OCR_PEER_P2P_ANNOUNCE_ADDRESSES": "h:2",
        "OCR_PEER_P2P_BOOTSTRAPPERS": f"{PEER}@h:3",
        "OCR_PEER_EVM_1337_HTTPURL": "http://other",
        "OCR_PEER_EVM_1337_WSURL": "ws://other",
        "OCR_PEER_EVM_1_HTTPURL": "http://third",
        "OCR_PEER_PORT": "tcp://10.0.0.1:6690",
    }
    settings = load_settings(written(tmp_path, FULL), environment)
    assert settings.data_dir == Path("/var/lib/ocr")
    assert settings.log == LogSettings("warn", json_console=False)
    assert settings.keystore == KeystoreSettings(tmp_path / "envkeys", Path("/run/secrets/password"), "light")
    assert settings.jobs == (tmp_path / "a.toml", tmp_path / "b.toml")
    assert settings.p2p.v2.listen_addresses == ("/ip4/127.0.0.1/tcp/1",)
    assert settings.p2p.v2.announce_addresses == ("/dns/h/tcp/2",)
    assert settings.p2p.v2.default_bootstrappers == (f"/dns/h/tcp/3/p2p/{PEER}",)
    assert settings.evm[0].nodes[0].http_url == "http://other"
    assert settings.evm[0].nodes[0].ws_url == "ws://other"
    assert settings.evm[0].nodes[1].http_url == "http://127.0.0.1:8545"
    assert settings.evm[1].nodes[0].http_url == "http://third"
    assert load_settings(written(tmp_path, ""), {"OCR_PEER_DATA_DIR": ""}).data_dir == tmp_path / "data"


def test_an_error_from_the_environment_names_the_variable(tmp_path: Path) -> None:
    assert refused(tmp_path, "", {"OCR_PEER_LOG_LEVEL": "x"}).startswith("OCR_PEER_LOG_LEVEL = x: not one of")
    assert refused(tmp_path, "", {"OCR_PEER_LOG_JSON": "x"}).startswith("OCR_PEER_LOG_JSON = x: neither true")
    wrong_list = {"OCR_PEER_P2P_LISTEN_ADDRESSES": "0.0.0.0:1,x"}
    assert refused(tmp_path, "", wrong_list).startswith("OCR_PEER_P2P_LISTEN_ADDRESSES = x: no port")
    assert "no [[EVM]] table for chain 5" in refused(tmp_path, EVM, {"OCR_PEER_EVM_5_HTTPURL": "http://h"})
    wrong_url = {"OCR_PEER_EVM_1_HTTPURL": "h"}
    assert refused(tmp_path, EVM, wrong_url).startswith("OCR_PEER_EVM_1_HTTPURL = …: the scheme is not")
    assert "Log = 1: not a table" in refused(tmp_path, "Log = 1", {"OCR_PEER_LOG_LEVEL": "info"})


def test_an_endpoint_may_come_from_the_environment_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "[[EVM]]\nChainID='1'")
    settings = load_settings(path, {"OCR_PEER_EVM_1_HTTPURL": "http://h"})
    assert settings.evm[0].nodes == (RpcNodeSettings("environment", "http://h"),)


def test_access_keys_stay_out_of_repr(tmp_path: Path) -> None:
    shown = repr(load_settings(written(tmp_path, FULL), {}))
    assert not [secret for secret in ("v3/key", "access-key", "secret@") if secret in shown]


def test_the_guide_describes_every_option_and_variable() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "node.md").read_text()
    for path in _known_options():
        assert f"`{path[-1]}`" in guide or f"[{'.'.join(path)}" in guide, path
    for variable in (*SCALAR_VARIABLES, *LIST_VARIABLES):
        assert f"`{variable}`" in guide, variable


def test_the_guides_sample_loads(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "node.md").read_text()
    sample = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert sample is not None
    settings = load_settings(written(tmp_path, sample[1]), {})
    assert settings.evm
    assert settings.jobs
