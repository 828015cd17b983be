"""The native module against other implementations of the same primitives, on random input."""

from __future__ import annotations

import hashlib

import blake3
import coincurve
import nacl.bindings
import nacl.exceptions
import ocr_crypto  # noqa: TID251  the module itself is under test, not the facade
import sha3  # type: ignore[import-not-found, import-untyped, unused-ignore]
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
SCALARS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
BYTES32 = st.binary(min_size=32, max_size=32)
INT192 = st.integers(-(2**191), 2**191 - 1) | st.integers(-3, 3)
UINT32 = st.integers(0, 2**32 - 1)


def packed(number: int) -> bytes:
    return number.to_bytes(24, "big", signed=True)


def number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


@given(st.binary(max_size=3000))
def test_keccak256(data: bytes) -> None:
    assert ocr_crypto.keccak256(data) == sha3.keccak_256(data).digest()


@given(BYTES32, st.binary(max_size=100))
def test_ed25519_signatures(seed: bytes, message: bytes) -> None:
    key = SigningKey(seed)
    signature = ocr_crypto.ed25519_sign(seed, message)
    assert ocr_crypto.ed25519_public_key(seed) == bytes(key.verify_key)
    assert signature == key.sign(message).signature
    assert ocr_crypto.ed25519_verify(bytes(key.verify_key), message, signature)
    assert ocr_crypto.ed25519_key_weakness(bytes(key.verify_key)) is None


@given(BYTES32, st.binary(max_size=100), st.integers(0, 511))
def test_ed25519_refuses_a_changed_signature(seed: bytes, message: bytes, bit: int) -> None:
    # With an honest key and no small order about, libsodium and Go agree.
    changed = bytearray(ocr_crypto.ed25519_sign(seed, message))
    changed[bit // 8] ^= 1 << bit % 8
    key = ocr_crypto.ed25519_public_key(seed)
    try:
        nacl.bindings.crypto_sign_open(bytes(changed) + message, key)
        expected = True
    except nacl.exceptions.BadSignatureError:
        expected = False
    assert ocr_crypto.ed25519_verify(key, message, bytes(changed)) == expected


@given(BYTES32, BYTES32)
def test_x25519(secret: bytes, other: bytes) -> None:
    point = nacl.bindings.crypto_scalarmult_base(other)
    assert ocr_crypto.x25519_public_key(other) == point
    assert ocr_crypto.x25519(secret, point) == nacl.bindings.crypto_scalarmult(secret, point)


@given(SCALARS, BYTES32)
def test_secp256k1_signatures(secret: bytes, digest: bytes) -> None:
    key = coincurve.PrivateKey(secret)
    signature = ocr_crypto.secp256k1_sign(secret, digest)
    assert signature == key.sign_recoverable(digest, hasher=None)
    public = key.public_key.format(compressed=False)
    address = sha3.keccak_256(public[1:]).digest()[12:]
    assert ocr_crypto.secp256k1_address(secret) == address
    assert ocr_crypto.recover_address(digest, signature) == address


@given(SCALARS, BYTES32, st.integers(0, 519))
def test_recovery_of_changed_signatures(secret: bytes, digest: bytes, bit: int) -> None:
    changed = bytearray(ocr_crypto.secp256k1_sign(secret, digest))
    changed[bit // 8] ^= 1 << bit % 8
    expected = None
    if changed[64] < 2:
        try:
            key = coincurve.PublicKey.from_signature_and_message(bytes(changed), digest, hasher=None)
            expected = sha3.keccak_256(key.format(compressed=False)[1:]).digest()[12:]
        except Exception:  # noqa: BLE001  coincurve raises a bare Exception if there is no key
            expected = None
    assert ocr_crypto.recover_address(digest, bytes(changed)) == expected


@given(SCALARS, BYTES32)
def test_high_s_has_the_same_signer(secret: bytes, digest: bytes) -> None:
    signature = ocr_crypto.secp256k1_sign(secret, digest)
    s = ORDER - int.from_bytes(signature[32:64], "big")
    high = signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 1])
    assert ocr_crypto.recover_address(digest, high) == ocr_crypto.secp256k1_address(secret)


@given(BYTES32, UINT32, st.integers(0, 255), st.binary(max_size=40), st.binary(max_size=120))
def test_hash_of_an_observation(
    digest: bytes, epoch: int, round_: int, query: bytes, observation: bytes
) -> None:
    signer = ocr_crypto.OffchainSigner(b"\7" * 32)
    message = hashlib.sha256(
        digest
        + epoch.to_bytes(4, "big")
        + bytes([round_])
        + len(query).to_bytes(8, "big")
        + query
        + len(observation).to_bytes(8, "big")
        + observation
    ).digest()
    signature = signer.sign_observation(digest, epoch, round_, query, observation)
    assert signature == ocr_crypto.ed25519_sign(b"\7" * 32, message)


@given(st.binary(max_size=40), st.lists(st.tuples(st.binary(max_size=120), st.integers(0, 255)), max_size=31))
def test_inputs_hash(query: bytes, observations: list[tuple[bytes, int]]) -> None:
    text = len(query).to_bytes(8, "big") + query + len(observations).to_bytes(8, "big")
    for observation, observer in observations:
        text += len(observation).to_bytes(8, "big") + observation + bytes([observer])
    assert ocr_crypto.inputs_hash(query, observations) == hashlib.sha256(text).digest()


@given(st.lists(INT192, min_size=1, max_size=40))
def test_median(values: list[int]) -> None:
    assert (
        number(ocr_crypto.median_packed([packed(value) for value in values]))
        == sorted(values)[len(values) // 2]
    )


@given(st.lists(st.tuples(UINT32, INT192, INT192, st.integers(0, 255)), min_size=1, max_size=32))
def test_report_is_plain_abi(observations: list[tuple[int, int, int, int]]) -> None:
    report = ocr_crypto.encode_report(
        [
            (timestamp, packed(value), packed(juels), observer)
            for timestamp, value, juels, observer in observations
        ]
    )
    middle = len(observations) // 2
    timestamp, observers, values, juels = decode(["uint32", "bytes32", "int192[]", "int192"], report)
    assert timestamp == sorted(item[0] for item in observations)[middle]
    assert juels == sorted(item[2] for item in observations)[middle]
    assert list(values) == sorted(item[1] for item in observations)
    pairs = sorted((item[1], item[3]) for item in observations)
    assert sorted(zip(values, observers, strict=False)) == pairs
    assert (
        encode(["uint32", "bytes32", "int192[]", "int192"], [timestamp, observers, values, juels]) == report
    )
    assert ocr_crypto.decode_report(report) == (
        timestamp,
        observers[: len(values)],
        [packed(value) for value in values],
        packed(juels),
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 2)), min_size=1, max_size=12))
def test_up_to_twelve_observations_ties_are_stable(fields: list[tuple[int, int, int]]) -> None:
    observations = [(*item, observer) for observer, item in enumerate(fields)]
    order = sorted(observations, key=lambda item: item[1])
    for index in (0, 2, 1):
        order.sort(key=lambda item: item[index])
    _, observers, _, _ = ocr_crypto.decode_report(
        ocr_crypto.encode_report([(t, packed(v), packed(j), o) for t, v, j, o in observations])
    )
    assert list(observers) == [item[3] for item in order]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_a_value_error(data: bytes) -> None:
    try:
        timestamp, _, values, _ = ocr_crypto.decode_report(data)
    except ValueError:
        return
    try:
        read = decode(["uint32", "bytes32", "int192[]", "int192"], data, strict=False)
    except DecodingError:
        return
    assert (timestamp, values) == (read[0], [packed(value) for value in read[2]])


@given(
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 255),
    st.lists(st.binary(min_size=20, max_size=20), max_size=5),
    st.tuples(st.binary(max_size=70), st.binary(max_size=70)),
)
def test_config_digest(
    chain_id: int, count: int, f: int, addresses: list[bytes], configs: tuple[bytes, bytes]
) -> None:
    contract, (onchain, offchain) = b"\xcc" * 20, configs
    digest = ocr_crypto.evm_config_digest(
        chain_id, contract, count, addresses, addresses[::-1], f, onchain, 2, offchain
    )
    types = ["uint256", "address", "uint64", "address[]", "address[]", "uint8", "bytes", "uint64", "bytes"]
    text = [f"0x{address.hex()}" for address in addresses]
    values = [chain_id, f"0x{contract.hex()}", count, text, text[::-1], f, onchain, 2, offchain]
    assert digest == b"\0\1" + sha3.keccak_256(encode(types, values)).digest()[2:]


@given(UINT32, INT192, INT192, st.none() | INT192)
def test_observations_round_trip(timestamp: int, value: int, juels: int, gas: int | None) -> None:
    fields = timestamp, packed(value), packed(juels), None if gas is None else packed(gas)
    assert ocr_crypto.decode_observation(ocr_crypto.encode_observation(*fields)) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    fields = ocr_crypto.proto_fields(data)
    assert fields is None or all(1 <= number_ < 2**29 for number_, _, _ in fields)
    assert fields is not None or ocr_crypto.decode_observation(data) is None


@given(st.binary(max_size=5000))
def test_blake3(data: bytes) -> None:
    assert ocr_crypto.blake3(data) == blake3.blake3(data).digest()


@given(st.integers(1, 255), st.binary(min_size=16, max_size=16), UINT32)
def test_leader(n: int, key: bytes, epoch: int) -> None:
    digest = sha3.keccak_256(key + epoch.to_bytes(8, "little")).digest()
    assert ocr_crypto.leader(key, epoch, n) == int.from_bytes(digest, "big") % n


@given(st.integers(0, 40), st.lists(st.integers(0, 9), max_size=12), st.binary(min_size=16, max_size=16))
def test_stages_share_out_the_oracles(n: int, sizes: list[int], key: bytes) -> None:
    stages = ocr_crypto.transmission_delay_stages(key, bytes(32), 1, 2, n, sizes)
    expected = [stage for stage, size in enumerate(sizes) for _ in range(size)][:n]
    assert sorted(stage for stage in stages if stage is not None) == expected
    assert stages.count(None) == n - len(expected)
