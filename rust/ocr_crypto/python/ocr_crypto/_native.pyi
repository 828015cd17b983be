# ruff: noqa: A002  `round` is the protocol's word
"""The extension module. Import from `ocr_crypto`, not from here.

Shapes: `digest`, `hash` and keys are 32 bytes, addresses 20, int192 values 24 bytes of big-endian
two's complement. A byte string of another length raises `ValueError` naming the argument and both
lengths, an integer out of range `ValueError` naming argument, value and range, anything else
`TypeError`. Bytes that came from peers never raise: their verdict is `False` or `None`, except
where a function says otherwise.
"""

from collections.abc import Sequence
from typing import final

__all__ = [
    "BarePrimitives",
    "BuiltReport",
    "Committee",
    "OffchainSigner",
    "OnchainSigner",
    "RefusedReportRequest",
    "blake3",
    "build_info",
    "compact_signature",
    "decode_observation",
    "decode_packed_report",
    "decode_report",
    "decrypt_shared_secret",
    "derive_shared_secret_keys",
    "ed25519_key_weakness",
    "ed25519_public_key",
    "ed25519_sign",
    "ed25519_verify",
    "encode_observation",
    "encode_packed_report",
    "encode_report",
    "encrypt_shared_secret",
    "evm_config_digest",
    "inputs_hash",
    "keccak256",
    "leader",
    "median_packed",
    "packed_signing_hash",
    "permutation",
    "proto_fields",
    "proto_varints",
    "recover_address",
    "report_context",
    "report_signing_hash",
    "secp256k1_address",
    "secp256k1_sign",
    "transmission_delay_stages",
    "x25519",
    "x25519_public_key",
]

def build_info() -> dict[str, str]:
    """Facts about the build.

    `version`, `rustc`, `target`; `target_features` that the compiler took for granted and
    `cpu_features` that this processor has, joined by commas; `curve25519_backend`, the selected
    one ("default" if the build did not see `.cargo/config.toml`, which makes verification 1.7
    times slower), and `curve25519_backend_in_use` on this processor.
    """

# Hashes

def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it, 32 bytes."""

def blake3(data: bytes) -> bytes:
    """BLAKE3, 32 bytes."""

# Ed25519 with exactly the verdict of Go's crypto/ed25519

def ed25519_public_key(seed: bytes) -> bytes:
    """The public key of a 32-byte seed."""

def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message` by the key of a 32-byte seed (RFC 8032)."""

def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is good: cofactorless, s < L, R compared by its bytes.

    A signature of another length than 64 is merely not good; neither is any signature by a public
    key that is no point. Keys of small order are not refused.
    """

def ed25519_key_weakness(public_key: bytes) -> str | None:
    """Why no honest oracle generates this public key: "undecodable", "small order", "torsion"."""

# X25519

def x25519_public_key(secret: bytes) -> bytes:
    """The public key of a 32-byte secret."""

def x25519(secret: bytes, point: bytes) -> bytes:
    """The shared point, 32 bytes. `ValueError` if it is all zero, as in Go."""

# secp256k1 signatures of 65 bytes: r, s, and v in {0, 1}

def secp256k1_address(secret: bytes) -> bytes:
    """The address of a 32-byte secret. `ValueError` if that is no secret key."""

def secp256k1_sign(secret: bytes, digest: bytes) -> bytes:
    """Signs a digest: nonce by RFC 6979, low s. `ValueError` if `secret` is no secret key."""

def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """The signer's address.

    `None` if the signature is not 65 bytes long, v is neither 0 nor 1, or no key fits. A high s is
    accepted, as by the EVM's ecrecover.
    """

def compact_signature(signature: bytes) -> bytes | None:
    """The signature of the same signer in 64 bytes: r, then s with v as its highest bit (EIP-2098).

    A high s is replaced by the low one. `None` if the signature is not 65 bytes long, v is neither
    0 nor 1, or r or s are out of range.
    """

# Schedule

def permutation(n: int, key: bytes) -> list[int]:
    """The permutation of 0 … n-1 (n at most 65535) under a 16-byte key."""

def leader(leader_key: bytes, epoch: int, n: int) -> int:
    """The oracle that leads `epoch` (uint32) among n = 1 … 255, under a 16-byte key."""

def transmission_delay_stages(
    transmission_key: bytes,
    config_digest: bytes,
    epoch: int,
    round: int,
    n: int,
    stage_sizes: Sequence[int],
) -> list[int | None]:
    """The stage in which each oracle transmits, by oracle; `None` for one that never does.

    The delay is the stage times delta_stage. `stage_sizes` is S of the configuration and may add
    up to more or less than n.
    """

# Configuration

def derive_shared_secret_keys(secret: bytes) -> tuple[bytes, bytes]:
    """The leader key and the transmission key, 16 bytes each, of a 16-byte shared secret."""

def encrypt_shared_secret(
    secret: bytes, ephemeral_secret: bytes, public_keys: Sequence[bytes]
) -> tuple[bytes, bytes, list[bytes]]:
    """Encrypts a 16-byte secret to X25519 keys, in the order of the oracles.

    Returns the Diffie-Hellman point (32 bytes), the hash of the secret (32) and one encryption
    (16) for each key. `ValueError` names an oracle whose key has a low order or a wrong length.
    """

def decrypt_shared_secret(
    own_secret: bytes, diffie_hellman_point: bytes, shared_secret_hash: bytes, encryption: bytes
) -> bytes:
    """Decrypts one oracle's 16-byte copy of the shared secret.

    `ValueError` says which rule is broken: the point has a low order, or what was decrypted does
    not have the configuration's hash.
    """

def evm_config_digest(
    chain_id: int,
    contract: bytes,
    config_count: int,
    signers: Sequence[bytes],
    transmitters: Sequence[bytes],
    f: int,
    onchain_config: bytes,
    offchain_config_version: int,
    offchain_config: bytes,
) -> bytes:
    """The digest of a configuration on an EVM chain, 32 bytes that begin with 0x0001.

    chain_id is a uint256, config_count and offchain_config_version are uint64, f is a uint8;
    contract, signers and transmitters are addresses.
    """

# Observations and reports of a median feed

def encode_observation(
    timestamp: int,
    value: bytes,
    juels_per_fee_coin: bytes,
    gas_price_subunits: bytes | None = None,
) -> bytes:
    """The body of an observation; timestamp is a uint32 in seconds, the rest are int192."""

def decode_observation(data: bytes) -> tuple[int, bytes, bytes, bytes | None] | None:
    """Reads a body: timestamp, value, juels per fee coin, gas price in subunits or `None`.

    `None` exactly when libocr leaves the observation out of the report.
    """

def encode_report(
    observations: Sequence[tuple[int, bytes, bytes, int]], *, codec_only: bool = False
) -> bytes:
    """The report over (timestamp, value, juels per fee coin, observer), 1 to 32 of them.

    Ties stand as Go's unstable sort leaves them after four sorts, the first of which is the
    plugin's should-report. With `codec_only` that first one is left out, as when libocr's
    `BuildReport` is called alone.
    """

def decode_report(data: bytes) -> tuple[int, bytes, list[bytes], bytes]:
    """Reads a report: timestamp, observers (one byte each), observations, juels per fee coin.

    `ValueError` names the part at fault and its value. As lenient as go-ethereum's decoder, except
    that a number beyond int192 and more than 32 observations are refused.
    """

def median_packed(values: Sequence[bytes]) -> bytes:
    """The int192 at index ⌊k/2⌋ of the sorted values. `ValueError` if there are none."""

def inputs_hash(query: bytes, observations: Sequence[tuple[bytes, int]]) -> bytes:
    """The extra hash h of a report over (observation, observer) in the order of the request."""

def report_context(config_digest: bytes, epoch: int, round: int, extra_hash: bytes) -> bytes:
    """The three words of the report context, 96 bytes; epoch is a uint32, round a uint8."""

def report_signing_hash(
    config_digest: bytes, epoch: int, round: int, extra_hash: bytes, report: bytes
) -> bytes:
    """What oracles sign for the contract: keccak256(keccak256(report) ‖ context)."""

# Reports of aggregator B (docs/contract-b.md of the project)

def encode_packed_report(observations: Sequence[tuple[int, bytes, bytes, int]]) -> bytes:
    """The packed report over (timestamp, value, juels per fee coin, observer), 1 to 31 of them.

    Observations stand in the order that `encode_report` gives them. Juels decide about ties alone.
    """

def decode_packed_report(data: bytes) -> tuple[int, bytes, list[bytes]]:
    """Reads a packed report: timestamp, observers (one byte each), observations.

    The answer is the observation at index ⌊k/2⌋. As lenient as the contract: numbers may be wider
    than they need be and stand in any order. `ValueError` names the part at fault and its value;
    an observation beyond int192 is a fault too.
    """

def packed_signing_hash(config_digest: bytes, epoch: int, round: int, report: bytes) -> bytes:
    """What oracles sign for aggregator B: keccak256(digest ‖ epoch, 4 bytes ‖ round, 1 ‖ report)."""

# Protocol buffers, read as leniently as by Go

def proto_fields(data: bytes) -> list[tuple[int, int, int | bytes]] | None:
    """The fields of a message in order, as (number, wire type, value); `None` if malformed.

    Values of wire types 0, 1 and 5 are unsigned integers, of wire type 2 bytes; groups are checked
    and left out. To read as Go does: ignore a field whose wire type is not that of the schema,
    truncate a varint to the field's width, let the last scalar win, concatenate the bytes of a
    repeated embedded message. Two bytes of input can become one tuple: bound the length first.
    """

def proto_varints(data: bytes) -> list[int] | None:
    """The varints of a packed list; `None` if the bytes do not end with a whole one."""

@final
class OffchainSigner:
    """An oracle's ed25519 key for observations. Never shows the seed; zeroized when dropped."""

    def __new__(cls, seed: bytes) -> OffchainSigner:
        """From the 32-byte seed."""

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""

    def sign_observation(
        self, config_digest: bytes, epoch: int, round: int, query: bytes, observation: bytes
    ) -> bytes:
        """The 64-byte signature of an observation for a round (epoch uint32, round uint8)."""

@final
class OnchainSigner:
    """An oracle's secp256k1 key for reports. Never shows the secret; erased when dropped."""

    def __new__(cls, secret: bytes) -> OnchainSigner:
        """From a 32-byte big-endian scalar. `ValueError` if it is 0 or too large."""

    @property
    def address(self) -> bytes:
        """The address, 20 bytes."""

    def sign_report(
        self, config_digest: bytes, epoch: int, round: int, extra_hash: bytes, report: bytes
    ) -> bytes:
        """The 65-byte signature of a report in its context (epoch uint32, round uint8)."""

    def sign_packed_report(self, config_digest: bytes, epoch: int, round: int, report: bytes) -> bytes:
        """The 65-byte signature of a packed report (epoch uint32, round uint8)."""

class RefusedReportRequest(ValueError):  # noqa: N818
    """A leader's report request that breaks a rule; the message says it in words.

    Rules: "too_few_observations", "too_many_observations", "observer_out_of_range",
    "duplicate_observer", "invalid_signature", "query_not_empty", "too_few_decodable".
    """

    oracle: int | None
    """The observer that the rule is about, if it is about one."""
    rule: str
    """Name of the broken rule."""

@final
class BuiltReport:
    """The report that a request leads to. Made by `Committee.verify_and_build_report`."""

    @property
    def report(self) -> bytes:
        """The bytes, in the committee's format."""

    @property
    def extra_hash(self) -> bytes:
        """h, 32 bytes, over all observations of the request; zero in the packed format."""

    @property
    def signing_hash(self) -> bytes:
        """The hash that `OnchainSigner` signs and the contract recovers from."""

    @property
    def median24(self) -> bytes:
        """The answer as an int192."""

    @property
    def juels24(self) -> bytes:
        """The median price of the fee coin in juels as an int192."""

    @property
    def observations_timestamp(self) -> int:
        """The median timestamp in seconds."""

    @property
    def left_out(self) -> list[int]:
        """Observers whose bodies do not decode, in the order of the request."""

@final
class Committee:
    """The public keys of one configuration, and the verdict on signatures made with them."""

    def __new__(
        cls,
        config_digest: bytes,
        f: int,
        offchain_public_keys: Sequence[bytes],
        onchain_addresses: Sequence[bytes],
        *,
        report_format: str = "ocr2",
    ) -> Committee:
        """Keys by oracle index; `report_format` is "ocr2" or "packed", and decides what reports are.

        `ValueError` names an oracle whose key is another's too or has a wrong length, and refuses
        lists of different lengths, n = 0, n > 31 and n <= 3f.
        """

    @property
    def config_digest(self) -> bytes:
        """The digest that observations of this committee are signed for."""

    @property
    def n(self) -> int:
        """Number of oracles."""

    @property
    def f(self) -> int:
        """Number of faulty oracles tolerated."""

    @property
    def report_format(self) -> str:
        """How reports are laid out and signed, "ocr2" or "packed"."""

    @property
    def weak_keys(self) -> list[tuple[int, str]]:
        """Oracles with off-chain keys that no honest oracle generates, and what is wrong with them.

        The words are those of `ed25519_key_weakness`. Verdicts do not depend on it.
        """

    def verify_observation(
        self,
        epoch: int,
        round: int,
        query: bytes,
        observation: bytes,
        observer: int,
        signature: bytes,
    ) -> bool:
        """Whether `observer` (uint8) signed `observation`; an index without oracle signs nothing."""

    def verify_observations(
        self,
        epoch: int,
        round: int,
        query: bytes,
        observations: Sequence[tuple[bytes, bytes, int]],
    ) -> list[bool]:
        """The verdict on each (observation, signature, observer), in order."""

    def verify_and_build_report(
        self,
        epoch: int,
        round: int,
        query: bytes,
        observations: Sequence[tuple[bytes, bytes, int]],
    ) -> BuiltReport:
        """A follower's work on a report request: (observation, signature, observer) in its order.

        Refused with `RefusedReportRequest` unless there are more than 2f observations by distinct
        oracles, all signatures are good, the query is empty and at least f+1 bodies decode.
        Whether to report at all is not asked here.
        """

    def verify_report_signature(self, signing_hash: bytes, signer: int, signature: bytes) -> bool:
        """Whether `signer` (uint8) made `signature`; an index without oracle signs nothing."""

    def verify_report_signatures(
        self, signing_hash: bytes, signatures: Sequence[tuple[bytes, int]], need: int
    ) -> tuple[list[int], list[tuple[int, str]]]:
        """Looks through (signature, signer) until `need` distinct oracles are found to have signed.

        Returns the oracles that have, at most `need` of them, in the order they were found; there
        are enough if there are `need`. And the position of each signature that was looked at and
        refused, with the rule: "signer_out_of_range", "duplicate_signer" (the first signature
        attributed to an oracle counts, good or not), "invalid_signature".
        """

# The measure for benches

@final
class BarePrimitives:
    """The library calls that a follower step cannot do without, with their inputs prepared."""

    def __new__(
        cls,
        observations: Sequence[tuple[bytes, bytes, bytes]],
        report: bytes,
        onchain_secret: bytes,
    ) -> BarePrimitives:
        """From (public key, preimage of the signed hash, signature), the report and the key that signs it.

        `ValueError` names an argument that has a wrong length or is no key.
        """

    def run(self) -> bool:
        """Hashes and verifies one by one, hashes the report twice, signs; whether all was good."""
