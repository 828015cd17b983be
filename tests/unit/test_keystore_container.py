"""The V3 container against the published vectors and against eth-account."""

from __future__ import annotations

import copy

import pytest
from eth_account import Account

from ocr_peer.keystore import container

# Test vectors of the Web3 Secret Storage Definition.
PASSWORD = "testpassword"
SECRET = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")
PBKDF2 = {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    "kdf": "pbkdf2",
    "kdfparams": {
        "c": 262144,
        "dklen": 32,
        "prf": "hmac-sha256",
        "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
    },
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
}
SCRYPT = {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
    "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    "kdf": "scrypt",
    "kdfparams": {
        "dklen": 32,
        "n": 262144,
        "p": 8,
        "r": 1,
        "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
    },
    "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
}


@pytest.mark.parametrize("vector", [PBKDF2, SCRYPT], ids=["pbkdf2", "scrypt"])
def test_the_published_vectors_decrypt(vector: dict[str, object]) -> None:
    assert container.decrypt(vector, PASSWORD) == SECRET


def test_what_is_encrypted_decrypts() -> None:
    encrypted = container.encrypt(SECRET, "pässword", 2)
    assert container.decrypt(encrypted, "pässword") == SECRET
    with pytest.raises(container.WrongPasswordError):
        container.decrypt(encrypted, "password")
    assert encrypted != container.encrypt(SECRET, "pässword", 2)


def test_eth_account_reads_ours_and_we_read_its() -> None:
    document = {"crypto": container.encrypt(SECRET, "pässword", 4), "version": 3}
    assert Account.decrypt(document, "pässword") == SECRET
    for kdf in ("scrypt", "pbkdf2"):
        theirs = Account.encrypt(SECRET, "pässword", kdf=kdf, iterations=4)
        assert container.decrypt(theirs["crypto"], "pässword") == SECRET


def test_an_altered_ciphertext_is_detected() -> None:
    encrypted = container.encrypt(SECRET, "p", 2)
    encrypted["ciphertext"] = "00" * 32
    with pytest.raises(container.WrongPasswordError):
        container.decrypt(encrypted, "p")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("cipher", "aes-128-cbc", "cipher is not"),
        ("ciphertext", "00", "ciphertext is not 32 bytes"),
        ("ciphertext", "zz" * 32, "ciphertext is not 32 bytes"),
        ("cipherparams", None, "cipherparams is missing"),
        ("cipherparams.iv", 7, "iv is not 16 bytes"),
        ("mac", "", "mac is not"),
        ("kdf", "argon2", "'argon2' is unknown"),
        ("kdfparams", [], "kdfparams is missing"),
        ("kdfparams.dklen", 64, "dklen is not 32"),
        ("kdfparams.salt", "", "salt is not 8 to 64 bytes"),
        ("kdfparams.n", 3, "scrypt parameters are invalid"),
        ("kdfparams.n", 1 << 21, "more than 1 GiB"),
        ("kdfparams.n", True, "n is not a positive number"),
        ("kdfparams.p", 17, "scrypt parameters"),
        ("kdfparams.r", 0, "r is not a positive number"),
    ],
)
def test_other_containers_are_refused_before_any_work(path: str, value: object, problem: str) -> None:
    vector = copy.deepcopy(container.encrypt(SECRET, "p", 2))
    *parents, last = path.split(".")
    target = vector
    for parent in parents:
        inner = target[parent]
        assert isinstance(inner, dict)
        target = inner
    target[last] = value
    with pytest.raises(container.MalformedContainerError, match=problem):
        container.decrypt(vector, "p")


@pytest.mark.parametrize(("name", "value"), [("c", 10_000_001), ("prf", "hmac-sha1"), ("c", "1")])
def test_other_pbkdf2_parameters_are_refused(name: str, value: object) -> None:
    vector = copy.deepcopy(PBKDF2)
    parameters = vector["kdfparams"]
    assert isinstance(parameters, dict)
    parameters[name] = value
    with pytest.raises(container.MalformedContainerError):
        container.decrypt(vector, PASSWORD)
