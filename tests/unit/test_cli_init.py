"""`ocr-peer init` and `ocr-peer keys` on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ocr_peer.cli import main
from ocr_peer.evm.address import checksum_address
from ocr_peer.job import load_job
from ocr_peer.keystore import PASSWORD_VARIABLE, load_keyring, public_identity, read_password
from ocr_peer.settings import load_settings

PEER = "12D3KooWGKhStcrvCr5RBYKaSRNX4ojrxHcmpJuFmHWenT6aAQAY"
CONTRACT = "0x613a38AC1659769640aaE063C651F48E0250454C"


@pytest.fixture(autouse=True)
def _no_password_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


def cli(*arguments: str, password: str | None = None) -> Result:
    return CliRunner(env={PASSWORD_VARIABLE: password}).invoke(main, arguments, prog_name="ocr-peer")


def init(directory: Path, *arguments: str, password: str | None = None) -> Result:
    return cli("init", "--directory", str(directory), "--kdf", "light", *arguments, password=password)


def test_a_new_node_is_complete(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "node"
    result = init(
        directory,
        *(
            "--chain-id",
            "11155111",
            "--rpc-url",
            "https://rpc.example.org/key",
            "--contract",
            CONTRACT.lower(),
        ),
        *("--bootstrap", f"{PEER}@boot.example.org:6690", "--listen", "127.0.0.1:7001"),
        *("--announce", "node.example.org:7001"),
    )
    assert result.exit_code == 0, result.output
    settings = load_settings(directory / "node.toml", {})
    assert settings.data_dir == directory / "data"
    assert settings.evm[0].chain_id == 11155111
    assert settings.evm[0].nodes[0].http_url == "https://rpc.example.org/key"
    assert settings.p2p.v2.listen_addresses == ("/ip4/127.0.0.1/tcp/7001",)
    assert settings.p2p.v2.announce_addresses == ("/dns/node.example.org/tcp/7001",)
    assert settings.p2p.v2.default_bootstrappers == (f"/dns/boot.example.org/tcp/6690/p2p/{PEER}",)
    keyring = load_keyring(settings.keystore.directory, read_password(settings.keystore.password_file, {}))
    identity = public_identity(keyring)
    job, _warnings = load_job(settings.jobs[0])
    assert (job.contract_id, job.chain_id) == (CONTRACT, 11155111)
    assert job.transmitter_id == checksum_address(identity.transmitter_address)
    assert job.ocr_key_bundle_id == identity.ocr_key_bundle_id
    assert identity.peer_id in result.stdout
    assert identity.offchain_public_key.hex() in result.stdout
    assert f"ocr-peer run --config {directory / 'node.toml'}" in result.stdout
    private = [directory / "node.toml", directory / "feed.toml", directory / "password.txt"]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert (directory / "password.txt").read_text().strip() not in result.output


def test_the_sample_feed_raises_no_warning_of_its_own_making(tmp_path: Path) -> None:
    result = init(tmp_path / "node")
    assert "set contractID and the data sources" in result.stdout
    _job, warnings = load_job(tmp_path / "node" / "feed.toml")
    assert all("juelsPerFeeCoinSource" in warning for warning in warnings)


def test_nothing_is_overwritten_by_accident(tmp_path: Path) -> None:
    assert init(tmp_path).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = init(tmp_path, "--chain-id", "5")
    assert result.exit_code == 2
    assert (
        f"--directory = {tmp_path}: it holds node.toml already; name another folder, or add" in result.stderr
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_force_replaces_files_but_never_keys(tmp_path: Path) -> None:
    assert init(tmp_path).exit_code == 0
    keys = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    result = init(tmp_path, "--force", "--chain-id", "5")
    assert result.exit_code == 0
    assert "The keys stay as they were" in result.stdout
    assert load_settings(tmp_path / "node.toml", {}).evm[0].chain_id == 5
    assert {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == keys
    assert cli("keys", "show", "--verify", "--config", str(tmp_path / "node.toml")).exit_code == 0


def test_a_password_variable_is_used_and_not_written(tmp_path: Path) -> None:
    result = init(tmp_path, password="correct horse")
    assert result.exit_code == 0
    assert not (tmp_path / "password.txt").exists()
    assert load_settings(tmp_path / "node.toml", {}).keystore.password_file is None
    load_keyring(tmp_path / "keys", "correct horse")
    shown = ("keys", "show", "--verify", "--config", str(tmp_path / "node.toml"))
    assert cli(*shown, password="correct horse").exit_code == 0
    assert "the password does not fit" in cli(*shown, password="wrong").stderr
    assert "no password for the keys" in cli(*shown).stderr


def test_a_password_file_that_lies_ready_is_used(tmp_path: Path) -> None:
    (tmp_path / "password.txt").write_text("mine\n")
    (tmp_path / "password.txt").chmod(0o600)
    assert init(tmp_path).exit_code == 0
    load_keyring(tmp_path / "keys", "mine")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--bootstrap", "h:1", "--bootstrap = h:1: no peer id; write it as"),
        ("--listen", "h:1", "--listen = h:1: a host name cannot be listened on; write an IP"),
        ("--announce", "0.0.0.0:1", "--announce = 0.0.0.0:1: 0.0.0.0 cannot be dialled; write"),
        ("--rpc-url", "key@host", "--rpc-url = …: the scheme is not http or https; write a URL"),
        ("--contract", "0x12", "--contract = 0x12: not an address; write 0x and 40 hex digits"),
        ("--chain-id", "0", "invalid value for '--chain-id': 0 is not in the range"),
    ],
)
def test_a_wrong_option_changes_nothing(tmp_path: Path, option: str, value: str, message: str) -> None:
    result = init(tmp_path / "node", option, value)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"ocr-peer: error: {message}")
    assert not (tmp_path / "node").exists()


def test_keys_are_shown_without_the_password(tmp_path: Path) -> None:
    init(tmp_path)
    identity = public_identity(load_keyring(tmp_path / "keys", read_password(tmp_path / "password.txt", {})))
    (tmp_path / "password.txt").unlink()
    config = ("--config", str(tmp_path / "node.toml"))
    shown = json.loads(cli("keys", "show", "--json", *config).stdout)
    assert shown == {
        "peer_id": identity.peer_id,
        "offchain_public_key": "0x" + identity.offchain_public_key.hex(),
        "config_encryption_public_key": "0x" + identity.config_encryption_public_key.hex(),
        "onchain_signing_address": checksum_address(identity.onchain_signing_address),
        "transmitter_address": checksum_address(identity.transmitter_address),
        "ocr_key_bundle_id": identity.ocr_key_bundle_id,
    }
    text = cli("keys", "show", *config).stdout
    assert all(value in text for value in shown.values())
    listed = json.loads(cli("keys", "list", "--json", *config).stdout)
    assert [Path(row["file"]).name for row in listed] == [
        "p2p.json",
        "ocr2_offchain.json",
        "ocr2_config.json",
        "ocr2_onchain.json",
        "transmitter.json",
    ]
    assert str(tmp_path / "keys" / "p2p.json") in cli("keys", "list", *config).stdout


def test_identity_file_is_written_and_verified(tmp_path: Path) -> None:
    init(tmp_path / "node")
    config, out = str(tmp_path / "node" / "node.toml"), tmp_path / "alice.json"
    written = cli("keys", "identity", "--config", config, "--out", str(out), "--name", "Alice")
    assert written.exit_code == 0, written.output
    assert "no secret" in written.stderr
    shown = json.loads(cli("keys", "show", "--config", config, "--json").stdout)
    verified = cli("keys", "verify", "--json", str(out))
    assert verified.exit_code == 0, verified.output
    (row,) = json.loads(verified.stdout)
    assert {key: row[key] for key in shown} == shown
    assert (row["name"], row["transmitter_signed"]) == ("Alice", True)
    told = cli("keys", "verify", str(out)).stdout
    assert "sound, the identity of Alice" in told
    assert shown["peer_id"] in told

    again = cli("keys", "identity", "--config", config, "--out", str(out))
    assert (again.exit_code, out.exists()) == (2, True)
    assert "--force" in again.stderr
    assert cli("keys", "identity", "--config", config, "--out", str(out), "--force").exit_code == 0
    key = tmp_path / "node" / "keys" / "p2p.json"
    before = key.read_bytes()
    into_keys = cli("keys", "identity", "--config", config, "--out", str(key), "--force")
    assert into_keys.exit_code == 2
    assert key.read_bytes() == before
    printed = cli("keys", "identity", "--config", config)
    assert json.loads(printed.stdout)["peer_id"] == shown["peer_id"]


def test_altered_identity_file_is_refused_with_its_name(tmp_path: Path) -> None:
    init(tmp_path / "node")
    out = tmp_path / "alice.json"
    account = "0x" + "11" * 20
    config = str(tmp_path / "node" / "node.toml")
    written = cli("keys", "identity", "--config", config, "--out", str(out), "--transmitter", account)
    assert "has not signed it" in written.stderr
    assert "nothing shows that this oracle holds its key" in cli("keys", "verify", str(out)).stdout
    out.write_text(out.read_text().replace('"created_at": "2', '"created_at": "3'))
    refused = cli("keys", "verify", str(out))
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"ocr-peer: error: {out}: signatures.peer")
    assert cli("keys", "verify", str(out), str(out)).exit_code == 2
