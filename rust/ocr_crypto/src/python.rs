//! The extension module `ocr_crypto._native`: converts arguments and results, and decides nothing.
//!
//! What each function takes and gives is said in `_native.pyi`. The GIL is released around
//! everything that takes more than about 5 µs; arguments are immutable `bytes`, so they may be
//! read meanwhile.

#![allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "PyO3 hands converted arguments over by value, and signatures follow the stub"
)]

mod arguments;
mod committee;
mod median;
mod packed;
mod primitives;
mod signers;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use self::arguments::{
    ChainId, ConfigCount, ConfigVersion, ContractFaulty, Epoch, Oracles, Round, StageSize,
};
use crate::ed25519::{OffchainSigner, PublicKey};
use crate::error::{Error, each_exactly, exactly, hexadecimal};
use crate::proto::{Malformed, Value};
use crate::secp256k1::OnchainSigner;
use crate::{config, hash, permutation as permutations, proto, schedule};
use crate::{secp256k1, shared_secret, x25519 as exchange};

type Bytes<'py> = Bound<'py, PyBytes>;

/// Below this many bytes a hash takes less than 5 µs, and the GIL is kept.
const LONG_INPUT: usize = 1024;

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::committee::{BuiltReport, Committee, RefusedReportRequest};
    #[pymodule_export]
    use super::median::{
        decode_observation, decode_report, encode_observation, encode_report, inputs_hash,
        median_packed, report_context, report_signing_hash,
    };
    #[pymodule_export]
    use super::packed::{
        compact_signature, decode_packed_report, encode_packed_report, packed_signing_hash,
    };
    #[pymodule_export]
    use super::primitives::BarePrimitives;
    #[pymodule_export]
    use super::signers::{OffchainSigner, OnchainSigner};
    #[pymodule_export]
    use super::{
        blake3, build_info, decrypt_shared_secret, derive_shared_secret_keys, ed25519_key_weakness,
        ed25519_public_key, ed25519_sign, ed25519_verify, encrypt_shared_secret, evm_config_digest,
        keccak256, leader, permutation, proto_fields, proto_varints, recover_address,
        secp256k1_address, secp256k1_sign, transmission_delay_stages, x25519, x25519_public_key,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::committee::declare_attributes(module.py())
    }
}

#[pyfunction]
fn build_info() -> std::collections::BTreeMap<&'static str, String> {
    crate::build_info::build_info().into_iter().collect()
}

/// Releases the GIL for `work` only if the input is long enough to be worth it.
fn hashed<'py>(py: Python<'py>, data: &[u8], work: fn(&[u8]) -> hash::Hash) -> Bytes<'py> {
    let digest = if data.len() > LONG_INPUT {
        py.detach(|| work(data))
    } else {
        work(data)
    };
    PyBytes::new(py, &digest)
}

#[pyfunction]
fn keccak256<'py>(py: Python<'py>, data: &[u8]) -> Bytes<'py> {
    hashed(py, data, |data| hash::keccak256(&[data]))
}

#[pyfunction]
fn blake3<'py>(py: Python<'py>, data: &[u8]) -> Bytes<'py> {
    hashed(py, data, hash::blake3)
}

#[pyfunction]
fn ed25519_public_key<'py>(py: Python<'py>, seed: &[u8]) -> PyResult<Bytes<'py>> {
    let seed = exactly("seed", seed)?;
    let key = py.detach(|| OffchainSigner::new(seed).public_key());
    Ok(PyBytes::new(py, &key))
}

#[pyfunction]
fn ed25519_sign<'py>(py: Python<'py>, seed: &[u8], message: &[u8]) -> PyResult<Bytes<'py>> {
    let seed = exactly("seed", seed)?;
    let signature = py.detach(|| OffchainSigner::new(seed).sign(message));
    Ok(PyBytes::new(py, &signature))
}

#[pyfunction]
fn ed25519_verify(
    py: Python<'_>,
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> PyResult<bool> {
    let key = *exactly("public_key", public_key)?;
    Ok(py.detach(|| PublicKey::new(key).verify(message, signature)))
}

#[pyfunction]
fn ed25519_key_weakness(py: Python<'_>, public_key: &[u8]) -> PyResult<Option<&'static str>> {
    let key = *exactly("public_key", public_key)?;
    let weakness = py.detach(|| PublicKey::new(key).weakness());
    Ok(weakness.map(crate::ed25519::Weakness::name))
}

#[pyfunction]
fn x25519_public_key<'py>(py: Python<'py>, secret: &[u8]) -> PyResult<Bytes<'py>> {
    let secret = exactly("secret", secret)?;
    let key = py.detach(|| exchange::public_key(secret));
    Ok(PyBytes::new(py, &key))
}

#[pyfunction]
fn x25519<'py>(py: Python<'py>, secret: &[u8], point: &[u8]) -> PyResult<Bytes<'py>> {
    let (secret, point) = (exactly("secret", secret)?, exactly("point", point)?);
    let shared = py
        .detach(|| exchange::shared_point(secret, point))
        .ok_or_else(|| Error::LowOrder {
            field: "point",
            value: hexadecimal(point),
        })?;
    Ok(PyBytes::new(py, &*shared))
}

#[pyfunction]
fn secp256k1_address<'py>(py: Python<'py>, secret: &[u8]) -> PyResult<Bytes<'py>> {
    let secret = exactly("secret", secret)?;
    let signer = py.detach(|| OnchainSigner::new(secret))?;
    Ok(PyBytes::new(py, signer.address()))
}

#[pyfunction]
fn secp256k1_sign<'py>(py: Python<'py>, secret: &[u8], digest: &[u8]) -> PyResult<Bytes<'py>> {
    let (secret, digest) = (exactly("secret", secret)?, exactly("digest", digest)?);
    let signature = py.detach(|| OnchainSigner::new(secret)?.sign(digest))?;
    Ok(PyBytes::new(py, &signature))
}

#[pyfunction]
fn recover_address<'py>(
    py: Python<'py>,
    digest: &[u8],
    signature: &[u8],
) -> PyResult<Option<Bytes<'py>>> {
    let digest = exactly("digest", digest)?;
    let address = py.detach(|| secp256k1::recover_address(digest, signature));
    Ok(address.map(|address| PyBytes::new(py, &address)))
}

#[pyfunction]
fn permutation(py: Python<'_>, n: Oracles, key: &[u8]) -> PyResult<Vec<u32>> {
    let key = exactly("key", key)?;
    Ok(py.detach(|| permutations::permutation(n.0, key))?)
}

#[pyfunction]
fn leader(leader_key: &[u8], epoch: Epoch, n: Oracles) -> PyResult<u8> {
    let key = exactly("leader_key", leader_key)?;
    Ok(schedule::leader(key, epoch.0, n.0)?)
}

#[pyfunction]
fn transmission_delay_stages(
    py: Python<'_>,
    transmission_key: &[u8],
    config_digest: &[u8],
    epoch: Epoch,
    round: Round,
    n: Oracles,
    stage_sizes: Vec<StageSize>,
) -> PyResult<Vec<Option<usize>>> {
    let key = exactly("transmission_key", transmission_key)?;
    let digest = exactly("config_digest", config_digest)?;
    let sizes: Vec<_> = stage_sizes.into_iter().map(|size| size.0).collect();
    let stages =
        py.detach(|| schedule::transmission_stages(key, digest, epoch.0, round.0, n.0, &sizes))?;
    Ok(stages)
}

#[pyfunction]
fn derive_shared_secret_keys<'py>(
    py: Python<'py>,
    secret: &[u8],
) -> PyResult<(Bytes<'py>, Bytes<'py>)> {
    let secret = exactly("secret", secret)?;
    Ok((
        PyBytes::new(py, &shared_secret::leader_key(secret)),
        PyBytes::new(py, &shared_secret::transmission_key(secret)),
    ))
}

#[pyfunction]
fn encrypt_shared_secret<'py>(
    py: Python<'py>,
    secret: &[u8],
    ephemeral_secret: &[u8],
    public_keys: Vec<PyBackedBytes>,
) -> PyResult<(Bytes<'py>, Bytes<'py>, Vec<Bytes<'py>>)> {
    let secret = exactly("secret", secret)?;
    let ephemeral = exactly("ephemeral_secret", ephemeral_secret)?;
    let keys = each_exactly("config encryption key", &public_keys)?;
    let encrypted = py.detach(|| shared_secret::encrypt(secret, ephemeral, &keys))?;
    let encryptions = encrypted.encryptions.iter();
    Ok((
        PyBytes::new(py, &encrypted.diffie_hellman_point),
        PyBytes::new(py, &encrypted.shared_secret_hash),
        encryptions.map(|block| PyBytes::new(py, block)).collect(),
    ))
}

#[pyfunction]
fn decrypt_shared_secret<'py>(
    py: Python<'py>,
    own_secret: &[u8],
    diffie_hellman_point: &[u8],
    shared_secret_hash: &[u8],
    encryption: &[u8],
) -> PyResult<Bytes<'py>> {
    let own = exactly("own_secret", own_secret)?;
    let point = exactly("diffie_hellman_point", diffie_hellman_point)?;
    let hash = exactly("shared_secret_hash", shared_secret_hash)?;
    let encryption = exactly("encryption", encryption)?;
    let secret = py.detach(|| shared_secret::decrypt(own, point, hash, encryption))?;
    Ok(PyBytes::new(py, &*secret))
}

#[pyfunction]
fn evm_config_digest<'py>(
    py: Python<'py>,
    chain_id: ChainId,
    contract: &[u8],
    config_count: ConfigCount,
    signers: Vec<PyBackedBytes>,
    transmitters: Vec<PyBackedBytes>,
    f: ContractFaulty,
    onchain_config: &[u8],
    offchain_config_version: ConfigVersion,
    offchain_config: &[u8],
) -> PyResult<Bytes<'py>> {
    let signers = each_exactly("signer", &signers)?;
    let transmitters = each_exactly("transmitter", &transmitters)?;
    let config = config::EvmConfig {
        chain_id: chain_id.0,
        contract: *exactly("contract", contract)?,
        config_count: config_count.0,
        signers: &signers,
        transmitters: &transmitters,
        f: f.0,
        onchain_config,
        offchain_config_version: offchain_config_version.0,
        offchain_config,
    };
    let digest = py.detach(|| config.digest());
    Ok(PyBytes::new(py, &digest))
}

type FieldTuple<'py> = (u32, u8, Bound<'py, PyAny>);

#[pyfunction]
fn proto_fields<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Option<Vec<FieldTuple<'py>>>> {
    let Ok(fields) = proto::fields(data).collect::<Result<Vec<_>, Malformed>>() else {
        return Ok(None);
    };
    let mut tuples = Vec::with_capacity(fields.len());
    for field in fields {
        let value = match field.value {
            Value::Varint(number) | Value::Fixed64(number) => number.into_pyobject(py)?.into_any(),
            Value::Fixed32(number) => number.into_pyobject(py)?.into_any(),
            Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Value::Group => continue,
        };
        tuples.push((field.number, field.value.wire_type(), value));
    }
    Ok(Some(tuples))
}

#[pyfunction]
fn proto_varints(data: &[u8]) -> Option<Vec<u64>> {
    proto::packed_varints(data).ok()
}
