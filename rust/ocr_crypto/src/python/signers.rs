//! Signing keys that Python holds without seeing them.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arguments::{Epoch, Round};
use crate::ed25519;
use crate::error::{exactly, hexadecimal};
use crate::secp256k1;

#[pyclass(frozen, module = "ocr_crypto")]
pub struct OffchainSigner(ed25519::OffchainSigner);

#[pymethods]
impl OffchainSigner {
    #[new]
    fn new(seed: &[u8]) -> PyResult<Self> {
        Ok(Self(ed25519::OffchainSigner::new(exactly("seed", seed)?)))
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public_key())
    }

    fn sign_observation<'py>(
        &self,
        py: Python<'py>,
        config_digest: &[u8],
        epoch: Epoch,
        round: Round,
        query: &[u8],
        observation: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let digest = exactly("config_digest", config_digest)?;
        let signature = py.detach(|| {
            self.0
                .sign_observation(digest, epoch.0, round.0, query, observation)
        });
        Ok(PyBytes::new(py, &signature))
    }

    fn __repr__(&self) -> String {
        format!(
            "OffchainSigner(public_key=0x{})",
            hexadecimal(&self.0.public_key())
        )
    }
}

#[pyclass(frozen, module = "ocr_crypto")]
pub struct OnchainSigner(secp256k1::OnchainSigner);

#[pymethods]
impl OnchainSigner {
    #[new]
    fn new(secret: &[u8]) -> PyResult<Self> {
        Ok(Self(secp256k1::OnchainSigner::new(exactly(
            "secret", secret,
        )?)?))
    }

    #[getter]
    fn address<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.address())
    }

    fn sign_report<'py>(
        &self,
        py: Python<'py>,
        config_digest: &[u8],
        epoch: Epoch,
        round: Round,
        extra_hash: &[u8],
        report: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let digest = exactly("config_digest", config_digest)?;
        let extra_hash = exactly("extra_hash", extra_hash)?;
        let signature = py.detach(|| {
            self.0
                .sign_report(digest, epoch.0, round.0, extra_hash, report)
        })?;
        Ok(PyBytes::new(py, &signature))
    }

    fn sign_packed_report<'py>(
        &self,
        py: Python<'py>,
        config_digest: &[u8],
        epoch: Epoch,
        round: Round,
        report: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let digest = exactly("config_digest", config_digest)?;
        let signature =
            py.detach(|| self.0.sign_packed_report(digest, epoch.0, round.0, report))?;
        Ok(PyBytes::new(py, &signature))
    }

    fn __repr__(&self) -> String {
        format!("OnchainSigner(address=0x{})", hexadecimal(self.0.address()))
    }
}
