"""Where the owner's key comes from, and that it is never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.keystore.container import encrypt
from ocr_peer.owner.account import KEY_VARIABLE, PASSWORD_VARIABLE, create_key_file, owner_signer

KEY = b"\x11" * 32
ADDRESS = crypto.secp256k1_address(KEY)


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def refused(*arguments: object, **variables: str) -> str:
    with pytest.raises(InputError) as caught:
        owner_signer(*arguments, variables)  # type: ignore[arg-type] - paths or None
    assert KEY.hex() not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text", [KEY.hex(), f"0x{KEY.hex()}", f" {KEY.hex().upper()}\n"])
def test_key_in_hex(text: str, tmp_path: Path) -> None:
    assert owner_signer(private(tmp_path / "key", text.encode()), None, {}).address == ADDRESS
    assert owner_signer(None, None, {KEY_VARIABLE: text}).address == ADDRESS


def test_keystore_file(tmp_path: Path) -> None:
    document = {"version": 3, "Crypto": encrypt(KEY, "secret", 2)}
    key = private(tmp_path / "key.json", json.dumps(document).encode())
    password = private(tmp_path / "password", b"secret\n")
    assert owner_signer(key, password, {}).address == ADDRESS
    assert owner_signer(key, None, {PASSWORD_VARIABLE: "secret"}).address == ADDRESS
    assert "the password does not fit" in refused(key, None, **{PASSWORD_VARIABLE: "other"})
    assert "encrypted" in refused(key, None)


@pytest.mark.parametrize(
    "content", [b"", b"11", b"{", b"{}", b"zz" * 32, b"00" * 32, b"ff" * 32, b'{"version": 3}', b"{" * 5000,
                b'{"version": 3, "crypto": {}}', b"\xff" * 64]
)  # fmt: skip
def test_what_is_no_key(content: bytes, tmp_path: Path) -> None:
    line = refused(private(tmp_path / "key", content), None, **{PASSWORD_VARIABLE: "x"})
    assert line.startswith("--key-file = ")


def test_missing_and_readable_by_others(tmp_path: Path) -> None:
    assert "--key-file = (missing)" in refused(None, None)
    assert "no such file" in refused(tmp_path / "key", None)
    open_to_all = private(tmp_path / "key", KEY.hex().encode())
    open_to_all.chmod(0o644)
    assert "chmod 600" in refused(open_to_all, None)
    assert refused(None, None, **{KEY_VARIABLE: KEY.hex()[:-1]}).startswith(f"{KEY_VARIABLE} = (hidden)")


def test_new_key_file(tmp_path: Path) -> None:
    path = tmp_path / "owner.key"
    create_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(owner_signer(path, None, {}).address) == 20
    for wrong in (path, tmp_path / "nowhere" / "key"):
        with pytest.raises(InputError, match="--key-file"):
            create_key_file(wrong)
