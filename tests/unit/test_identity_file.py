"""Identity files: what is written is read back, and nothing altered is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.keystore import Keyring, peer_id_public_key, peer_id_text, public_identity
from ocr_peer.owner.identity_file import IdentityFile, sign_identity, signed_text
from ocr_peer.owner.identity_reading import (
    MAX_FILE_BYTES,
    parse_identity_file,
    read_distinct_identities,
    read_identity_file,
)

TIME = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
SECRETS = ("peer_seed", "offchain_seed", "config_encryption_secret", "onchain_secret", "transmitter_secret")
SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64)


def keyring(number: int = 0) -> Keyring:
    return Keyring(*(crypto.keccak256(f"{number} {role}".encode()) for role in SECRETS))


FILE = sign_identity(keyring(), name="Alice’s node", created_at=TIME)


def document(file: IdentityFile = FILE) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(file.encode())
    return parsed


def parse(table: object) -> IdentityFile:
    return parse_identity_file(json.dumps(table).encode(), "alice.json")


def refused(content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        parse_identity_file(content, "alice.json")
    assert "alice.json" in str(caught.value)
    return str(caught.value)


@given(NAMES | st.none(), st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)), st.integers(0, 99))  # noqa: DTZ001 - made aware below
def test_what_is_written_is_read_back(name: str | None, created_at: datetime, number: int) -> None:
    file = sign_identity(keyring(number), name=name, created_at=created_at.replace(tzinfo=UTC))
    assert parse_identity_file(file.encode(), "file") == file
    assert file.identity == public_identity(keyring(number))


def test_nothing_secret_is_written() -> None:
    content = FILE.encode()
    for name in SECRETS:
        secret: bytes = getattr(keyring(), name)
        assert secret.hex().encode() not in content
        assert secret not in content


@given(st.data())
def test_any_changed_character_of_any_value_is_refused(data: st.DataObject) -> None:
    table = document()
    signed = [key for key in table if key != "signatures"]
    key = data.draw(st.sampled_from([*signed, *(f"signatures.{name}" for name in table["signatures"])]))
    target = table["signatures"] if key.startswith("signatures.") else table
    name = key.removeprefix("signatures.")
    value = str(target[name])
    position = data.draw(st.integers(0, len(value) - 1))
    replacement = data.draw(st.characters().filter(lambda letter: letter != value[position]))
    changed = value[:position] + replacement + value[position + 1 :]
    target[name] = int(changed) if name == "version" and changed.isdecimal() else changed
    message = refused(json.dumps(table).encode())
    assert name in message or "signatures" in message


@given(st.data())
def test_any_changed_bit_of_what_is_signed_is_refused(data: st.DataObject) -> None:
    """Values that are in order by themselves: then it is the signatures that refuse."""
    table = document()
    key = data.draw(st.sampled_from([*document()["signatures"], "offchain_public_key", "peer_id", "name",
                                     "created_at", "config_encryption_public_key", "onchain_signing_address",
                                     "transmitter_address"]))  # fmt: skip
    bit = data.draw(st.integers(0, 8 * 20 - 1))
    flip = 1 << bit
    if key in table["signatures"]:
        octets = bytes.fromhex(table["signatures"][key][2:])
        table["signatures"][key] = "0x" + (int.from_bytes(octets) ^ flip).to_bytes(len(octets)).hex()
    elif key.endswith("_key"):
        table[key] = "0x" + (int(table[key], 16) ^ flip).to_bytes(32).hex()
    elif key.endswith("_address"):
        table[key] = checksum_address((int(table[key], 16) ^ flip).to_bytes(20))
    elif key == "peer_id":
        public_key = peer_id_public_key(table[key])
        assert public_key is not None
        table[key] = peer_id_text((int.from_bytes(public_key) ^ flip).to_bytes(32))
    elif key == "name":
        table[key] += "x"
    else:
        table[key] = "2026-01-31T23:59:58Z"
    refused(json.dumps(table).encode())


def test_signatures_cannot_be_put_together_of_two_files() -> None:
    other = document(sign_identity(keyring(1), name="Alice’s node", created_at=TIME))
    for key in ("peer_id", "offchain_public_key", "onchain_signing_address", "transmitter_address"):
        signature = {"peer_id": "peer", "offchain_public_key": "offchain"}.get(key, key.split("_")[0])
        mixed = document()
        mixed[key] = other[key]
        mixed["signatures"][signature] = other["signatures"][signature]
        assert "put together" in refused(json.dumps(mixed).encode())


def test_foreign_encryption_key_is_refused_though_it_cannot_sign() -> None:
    table = document()
    table["config_encryption_public_key"] = document(sign_identity(keyring(1)))[
        "config_encryption_public_key"
    ]
    assert "signatures.peer" in refused(json.dumps(table).encode())


def test_encryption_key_that_everybody_could_decrypt_for_is_refused() -> None:
    """The owner's program signs what it likes with its own keys; a low-order point must be refused all the same."""
    table = document()
    table["config_encryption_public_key"] = "0x" + bytes(32).hex()
    assert "low order" in refused(json.dumps(table).encode())


def test_second_form_of_a_signature_is_refused() -> None:
    table = document()
    octets = bytes.fromhex(table["signatures"]["onchain"][2:])
    twin = (
        octets[:32] + (SECP256K1_ORDER - int.from_bytes(octets[32:64])).to_bytes(32) + bytes([octets[64] ^ 1])
    )
    digest = crypto.keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text())).encode() + text())
    assert crypto.recover_address(digest, twin) == FILE.identity.onchain_signing_address
    table["signatures"]["onchain"] = "0x" + twin.hex()
    assert "signatures.onchain" in refused(json.dumps(table).encode())


def text() -> bytes:
    return signed_text(FILE.identity, FILE.name, FILE.created_at)


def test_wallets_sign_the_same_hash() -> None:
    """eth-account's `personal_sign`: whoever holds a key elsewhere can make the signature there."""
    signed = Account.sign_message(encode_defunct(text()), keyring().transmitter_secret)
    signature = bytes(signed.signature)
    assert FILE.signatures.transmitter == signature[:64] + bytes([signature[64] - 27])


def test_what_is_signed_is_nothing_else_that_these_keys_sign() -> None:
    assert len(text()) > 128
    assert text().startswith(b"ocr-peer/identity 1\n")
    assert b"no transaction, no report and no observation" in text()


def test_remote_transmitter_signs_nothing() -> None:
    account = bytes(range(20))
    file = sign_identity(keyring(), created_at=TIME, remote_transmitter=account)
    assert file.signatures.transmitter is None
    assert parse_identity_file(file.encode(), "file") == file
    assert document(file)["transmitter_address"] == checksum_address(account)
    mixed = document(file)
    mixed["signatures"]["transmitter"] = document()["signatures"]["transmitter"]
    assert "signatures.transmitter" in refused(json.dumps(mixed).encode())


@pytest.mark.parametrize("key", [key for key in document() if key != "name"])
def test_missing_key(key: str) -> None:
    table = document()
    del table[key]
    assert key in refused(json.dumps(table).encode())


@pytest.mark.parametrize("key", ["peer", "offchain", "onchain"])
def test_missing_signature(key: str) -> None:
    table = document()
    del table["signatures"][key]
    assert f"signatures: {key} = (missing)" in refused(json.dumps(table).encode())


def test_name_taken_away_or_added_is_refused() -> None:
    table = document()
    del table["name"]
    assert "signatures.peer" in refused(json.dumps(table).encode())


def test_unknown_key_names_the_nearest() -> None:
    table = document() | {"transmiter_address": "0x"}
    assert "transmitter_address" in refused(json.dumps(table).encode())
    table = document()
    table["signatures"]["config"] = "0x"
    assert "unknown key" in refused(json.dumps(table).encode())


def test_key_that_stands_twice() -> None:
    content = FILE.encode().replace(b'"version": 1,', b'"version": 1, "version": 1,')
    assert "'version'" in refused(content)
    assert "twice" in refused(content)


def test_foreign_version_and_format() -> None:
    assert "reads version 1" in refused(json.dumps(document() | {"version": 2}).encode())
    assert "reads version 1" in refused(json.dumps(document() | {"version": True}).encode())
    assert "reads version 1" in refused(json.dumps(document() | {"version": 1.0}).encode())
    assert "no identity file" in refused(json.dumps(document() | {"format": "x"}).encode())


def test_wrong_checksum_is_named() -> None:
    table = document()
    table["transmitter_address"] = table["transmitter_address"].swapcase().replace("0X", "0x")
    message = refused(json.dumps(table).encode())
    assert "transmitter_address" in message
    assert "mistyped" in message
    table["transmitter_address"] = table["transmitter_address"].lower()
    assert "without its checksum" in refused(json.dumps(table).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"3",
        b"null",
        b"\xff\xfe",
        b"{",
        b'{"format": "ocr-peer/identity", "version": 1, "signatures": {"peer": {"a": 1}}}',
        b"[" * 100_000,
        b" " * (MAX_FILE_BYTES + 1),
        b'{"version": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_identity_file(content: bytes) -> None:
    refused(content)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    refused(content)


@given(
    st.dictionaries(
        st.sampled_from([*document(), "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.none()),
        min_size=1,
    )
)
def test_any_other_values_are_refused_in_words(replaced: dict[str, Any]) -> None:
    table = document() | replaced
    if table != document():
        refused(json.dumps(table).encode())


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a\u202eb", "a\x1b[31m", "x" * 65])
def test_names_that_hide_something_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        sign_identity(keyring(), name=name)
    assert "name" in refused(json.dumps(document() | {"name": name}).encode())


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "alice.json"
    path.write_bytes(FILE.encode())
    assert read_identity_file(path) == FILE
    with pytest.raises(InputError, match=r"bob\.json"):
        read_identity_file(tmp_path / "bob.json")
    with pytest.raises(InputError, match="identity file"):
        read_identity_file(tmp_path)


@given(st.binary(min_size=32, max_size=32))
def test_peer_ids_spell_out_their_key(public_key: bytes) -> None:
    assert peer_id_public_key(peer_id_text(public_key)) == public_key


@given(st.text(max_size=80))
def test_other_texts_are_no_peer_ids(text: str) -> None:
    assert peer_id_public_key(text) is None


def test_two_files_must_not_share_a_key(tmp_path: Path) -> None:
    alice, bob, again = (tmp_path / name for name in ("alice.json", "bob.json", "again.json"))
    alice.write_bytes(FILE.encode())
    bob.write_bytes(sign_identity(keyring(1)).encode())
    again.write_bytes(FILE.encode())
    assert [file.name for file in read_distinct_identities([alice, bob])] == ["Alice’s node", None]
    for paths in ([alice, bob, again], [alice, alice]):
        with pytest.raises(InputError, match=r"peer_id.*alice\.json has the same"):
            read_distinct_identities(paths)


@pytest.mark.parametrize("role", SECRETS)
def test_one_shared_key_is_enough(role: str, tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice.json", tmp_path / "bob.json"
    alice.write_bytes(FILE.encode())
    shared = replace(keyring(1), **{role: getattr(keyring(), role)})
    bob.write_bytes(sign_identity(shared).encode())
    with pytest.raises(InputError, match=r"bob\.json.*alice\.json has the same"):
        read_distinct_identities([alice, bob])


@pytest.mark.parametrize(
    ("role", "of", "words"),
    [
        ("transmitter_secret", "onchain_secret", r"transmitter_address.*as its onchain_signing_address"),
        ("offchain_seed", "peer_seed", r"offchain_public_key.*as its peer_id"),
    ],
)
def test_key_of_another_oracle_in_another_role_is_refused(
    role: str, of: str, words: str, tmp_path: Path
) -> None:
    alice, bob = tmp_path / "alice.json", tmp_path / "bob.json"
    alice.write_bytes(FILE.encode())
    bob.write_bytes(sign_identity(replace(keyring(1), **{role: getattr(keyring(), of)})).encode())
    with pytest.raises(InputError, match=words):
        read_distinct_identities([alice, bob])


def test_one_oracle_may_sign_and_transmit_with_one_key(tmp_path: Path) -> None:
    """As the contract allows."""
    keys = replace(keyring(), transmitter_secret=keyring().onchain_secret)
    (tmp_path / "alice.json").write_bytes(sign_identity(keys).encode())
    assert read_distinct_identities([tmp_path / "alice.json"])
