"""The five key files: created privately, loaded strictly, interoperable where Ethereum has a format."""

from __future__ import annotations

import json
from pathlib import Path

import nacl.public
import nacl.signing
import pytest
from eth_account import Account
from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.peer.id import ID

from ocr_peer.errors import InputError, OperatingError
from ocr_peer.keystore import (
    PASSWORD_VARIABLE,
    Keyring,
    container,
    create_keyring,
    create_password_file,
    generate_keyring,
    keyring,
    list_key_files,
    load_keyring,
    peer_id_text,
    public_identity,
    read_password,
    read_public_identity,
    save_keyring,
    unlock_keyring,
)

FILES = ["ocr2_config.json", "ocr2_offchain.json", "ocr2_onchain.json", "p2p.json", "transmitter.json"]
CHEAP = 2
KEYS = Keyring(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32, b"\x05" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_keyring(KEYS, tmp_path / "keys", "password", kdf_n=CHEAP)
    return tmp_path / "keys"


def edit(path: Path, **changes: object) -> None:
    document = json.loads(path.read_text())
    for name, value in changes.items():
        if value is None:
            del document[name]
        else:
            document[name] = value
    path.write_text(json.dumps(document))


def test_created_keys_are_private_and_load_again(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "keys"
    keys = create_keyring(directory, "password", kdf_n=CHEAP)
    assert sorted(path.name for path in directory.iterdir()) == FILES
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert load_keyring(directory, "password") == keys


def test_generated_keys_differ_from_each_other_and_from_the_next() -> None:
    first, second = generate_keyring(), generate_keyring()
    values = [getattr(keys, name) for keys in (first, second) for name in Keyring.__slots__]
    assert len(set(values)) == 10
    assert {len(value) for value in values} == {32}


def test_secrets_stay_out_of_repr_and_out_of_the_files(folder: Path) -> None:
    assert repr(KEYS) == "Keyring(…)"
    text = "".join(path.read_text() for path in folder.iterdir())
    assert not any(f"{byte:02x}" * 32 in text for byte in range(1, 6))


async def test_unlocking_on_trio_gives_the_same(folder: Path) -> None:
    assert await unlock_keyring(folder, "password") == KEYS


def test_the_standard_cost_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []

    def encrypt(secret: bytes, password: str, n: int) -> dict[str, object]:
        costs.append(n)
        return container.encrypt(secret, password, CHEAP)

    monkeypatch.setattr(keyring, "encrypt", encrypt)
    create_keyring(tmp_path / "keys", "password")
    assert costs == [2**18] * 5


def test_keys_are_never_overwritten(folder: Path) -> None:
    (folder / "p2p.json").unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"it holds ocr2_offchain\.json already; keep these keys"):
        create_keyring(folder, "password", kdf_n=CHEAP)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_failing_disk_leaves_no_half_keystore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target.name == "ocr2_onchain.json":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OperatingError, match=r"cannot write .*ocr2_onchain\.json: No space left on device"):
        create_keyring(tmp_path / "keys", "password", kdf_n=CHEAP)
    assert list((tmp_path / "keys").iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    with pytest.raises(InputError, match="File exists; name a folder"):
        create_keyring(tmp_path / "keys", "password", kdf_n=CHEAP)
    with pytest.raises(InputError, match="not a folder"):
        load_keyring(tmp_path / "keys", "password")


def test_a_wrong_password_names_the_file(folder: Path) -> None:
    with pytest.raises(InputError, match=r"p2p\.json: the password does not fit; mend password_file under"):
        load_keyring(folder, "wrong")


def test_a_missing_keystore_names_init(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory; run `ocr-peer init`"):
        load_keyring(tmp_path / "keys", "password")


def test_a_missing_file_names_the_backup(folder: Path) -> None:
    (folder / "transmitter.json").unlink()
    with pytest.raises(InputError, match=r"transmitter\.json: no such file; restore it from your backup"):
        load_keyring(folder, "password")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(folder: Path, mode: int) -> None:
    path = folder / "ocr2_onchain.json"
    path.chmod(mode)
    with pytest.raises(InputError, match=rf"others can read it \(mode {mode:04o}\); chmod 600 {path}"):
        load_keyring(folder, "password")
    path.chmod(0o400)
    assert load_keyring(folder, "password") == KEYS


def test_a_folder_that_others_can_write_is_refused(folder: Path) -> None:
    folder.chmod(0o770)
    with pytest.raises(InputError, match=f"others can put files there .*; chmod 700 {folder}"):
        load_keyring(folder, "password")


def test_damaged_files_are_named(folder: Path) -> None:
    path = folder / "p2p.json"
    intact = path.read_text()
    for damage, problem in [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{}", "not a version 3 key file"),
        ('{"version": 3, "type": "ocr-peer/p2p"}', 'no "crypto" object'),
        (intact.replace('"aes-128-ctr"', '"rot13"'), "the cipher is not aes-128-ctr"),
        (intact.replace('"public_key": "', '"public_key": "00'), "public_key is not 32 bytes in hex"),
        (" " * 70_000, "larger than 64 KiB"),
    ]:
        path.write_text(damage)
        with pytest.raises(InputError, match=rf"p2p\.json: (damaged: )?{problem}"):
            load_keyring(folder, "password")
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="not a JSON object"):
        load_keyring(folder, "password")


def test_a_public_part_of_another_key_is_noticed(folder: Path) -> None:
    edit(folder / "ocr2_offchain.json", public_key="00" * 32)
    with pytest.raises(InputError, match="public_key belongs to another key; restore it"):
        load_keyring(folder, "password")


def test_files_do_not_change_places(folder: Path) -> None:
    (folder / "ocr2_offchain.json").write_bytes((folder / "p2p.json").read_bytes())
    with pytest.raises(InputError, match="it holds ocr-peer/p2p, not ocr-peer/ocr2-offchain; put the right"):
        load_keyring(folder, "password")
    (folder / "ocr2_offchain.json").write_bytes((folder / "transmitter.json").read_bytes())
    with pytest.raises(InputError, match="it holds an Ethereum key, not ocr-peer/ocr2-offchain"):
        load_keyring(folder, "password")


def test_ethereum_tools_read_our_ethereum_files(folder: Path) -> None:
    for name, secret in [("ocr2_onchain.json", b"\x04" * 32), ("transmitter.json", b"\x05" * 32)]:
        document = json.loads((folder / name).read_text())
        assert set(document) == {"address", "crypto", "id", "version"}
        assert Account.decrypt(document, "password") == secret
        assert document["address"] == Account.from_key(secret).address[2:].lower()


def test_we_read_the_files_of_ethereum_tools(folder: Path) -> None:
    account = Account.create()
    theirs = Account.encrypt(account.key, "password", kdf="scrypt", iterations=CHEAP)
    (folder / "transmitter.json").write_text(json.dumps(theirs))
    assert load_keyring(folder, "password").transmitter_secret == account.key
    theirs["Crypto"] = theirs.pop("crypto")
    del theirs["address"]
    (folder / "transmitter.json").write_text(json.dumps(theirs))
    assert load_keyring(folder, "password").transmitter_secret == account.key
    with pytest.raises(InputError, match=r"transmitter\.json = \(missing\): no address; add it"):
        read_public_identity(folder)


def test_an_ethereum_file_must_hold_a_secp256k1_key(folder: Path) -> None:
    edit(folder / "transmitter.json", crypto=container.encrypt(b"\xff" * 32, "password", CHEAP))
    with pytest.raises(InputError, match=r"transmitter\.json: damaged: "):
        load_keyring(folder, "password")


def test_the_public_identity_is_what_other_implementations_derive(folder: Path) -> None:
    identity = public_identity(KEYS)
    peer_key = bytes(nacl.signing.SigningKey(KEYS.peer_seed).verify_key)
    assert identity.peer_id == str(ID.from_pubkey(Ed25519PublicKey.from_bytes(peer_key)))
    assert identity.peer_id.startswith("12D3KooW")
    assert identity.offchain_public_key == bytes(nacl.signing.SigningKey(KEYS.offchain_seed).verify_key)
    x25519 = nacl.public.PrivateKey(KEYS.config_encryption_secret).public_key
    assert identity.config_encryption_public_key == bytes(x25519)
    onchain, transmitter = (Account.from_key(key).address for key in (b"\x04" * 32, b"\x05" * 32))
    assert identity.onchain_signing_address == bytes.fromhex(onchain[2:])
    assert identity.transmitter_address == bytes.fromhex(transmitter[2:])
    assert len(bytes.fromhex(identity.ocr_key_bundle_id)) == 32
    assert read_public_identity(folder) == identity


def test_the_list_needs_no_password(folder: Path) -> None:
    listed = [(file.path.name, file.type, len(file.public_part)) for file in list_key_files(folder)]
    assert listed == [
        ("p2p.json", "ocr-peer/p2p", 32),
        ("ocr2_offchain.json", "ocr-peer/ocr2-offchain", 32),
        ("ocr2_config.json", "ocr-peer/ocr2-config", 32),
        ("ocr2_onchain.json", "ethereum", 20),
        ("transmitter.json", "ethereum", 20),
    ]


def test_peer_ids_match_libp2p_for_edge_keys() -> None:
    for public_key in (bytes(32), b"\xff" * 32, bytes(range(32))):
        protobuf = b"\x08\x01\x12\x20" + public_key
        assert peer_id_text(public_key) == ID(b"\x00\x24" + protobuf).to_base58()


def test_the_password_comes_from_the_variable_or_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_text("from file \r\nsecond line\n")
    path.chmod(0o600)
    assert read_password(path, {}) == "from file "
    assert read_password(path, {PASSWORD_VARIABLE: "from variable"}) == "from variable"
    assert read_password(None, {PASSWORD_VARIABLE: "x"}) == "x"
    assert read_password(path, {PASSWORD_VARIABLE: ""}) == "from file "
    with pytest.raises(InputError, match=r"keystore.password_file = \(missing\): no password for the keys"):
        read_password(None, {})


def test_an_unsafe_or_useless_password_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    with pytest.raises(InputError, match="no such file; create it, or set the variable OCR_PEER_KEYSTORE_PA"):
        read_password(path, {})
    path.write_text("secret")
    path.chmod(0o644)
    with pytest.raises(InputError, match=f"others can read it .mode 0644.; chmod 600 {path}") as caught:
        read_password(path, {})
    assert "secret" not in str(caught.value)
    path.chmod(0o600)
    path.write_text("\nsecond")
    with pytest.raises(InputError, match="its first line is empty"):
        read_password(path, {})
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_password(path, {})
    with pytest.raises(InputError, match="Is a directory"):
        read_password(tmp_path, {})


def test_a_created_password_file_is_private_and_random(tmp_path: Path) -> None:
    path = tmp_path / "a" / "password.txt"
    password = create_password_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_password(path, {}) == password
    assert len(password) >= 43
    assert create_password_file(tmp_path / "b.txt") != password
    with pytest.raises(InputError, match="exists already; keep it"):
        create_password_file(path)
