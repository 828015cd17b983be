//! The committee and a follower's answer, for Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::arguments::{
    Epoch, Faulty, Need, Observer, Round, SignedTuple, Signer, signed_observations,
};
use crate::committee;
use crate::error::{exactly, hexadecimal};
use crate::follower::{self, Refusal, verify_and_build_report};
use crate::format::ReportFormat;
use crate::observation::{SignedMessage, SignedObservation};

pyo3::create_exception!(
    ocr_crypto,
    RefusedReportRequest,
    PyValueError,
    "A leader's report request that breaks a rule."
);

/// The exception for a refusal, with the attributes `oracle` and `rule`.
fn refused(py: Python<'_>, refusal: &Refusal) -> PyErr {
    let error = RefusedReportRequest::new_err(refusal.to_string());
    let value = error.value(py);
    let named = value
        .setattr("oracle", refusal.oracle())
        .and_then(|()| value.setattr("rule", refusal.rule()));
    named.err().unwrap_or(error)
}

/// Attributes of the class itself, so that they exist whoever raises it.
pub fn declare_attributes(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<RefusedReportRequest>();
    class.setattr("oracle", py.None())?;
    class.setattr("rule", "")
}

#[pyclass(frozen, module = "ocr_crypto")]
pub struct BuiltReport(follower::BuiltReport);

#[pymethods]
impl BuiltReport {
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.report)
    }

    #[getter]
    fn extra_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.extra_hash)
    }

    #[getter]
    fn signing_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.signing_hash)
    }

    #[getter]
    fn median24<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.median.to_be_bytes())
    }

    #[getter]
    fn juels24<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.juels_per_fee_coin.to_be_bytes())
    }

    #[getter]
    const fn observations_timestamp(&self) -> u32 {
        self.0.timestamp
    }

    #[getter]
    fn left_out(&self) -> Vec<u16> {
        // Not Vec<u8>, which Python would see as bytes.
        self.0.left_out.iter().copied().map(u16::from).collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "BuiltReport(report=0x{}, extra_hash=0x{}, left_out={:?})",
            hexadecimal(&self.0.report),
            hexadecimal(&self.0.extra_hash),
            self.0.left_out,
        )
    }
}

#[pyclass(frozen, module = "ocr_crypto")]
pub struct Committee(committee::Committee);

#[pymethods]
impl Committee {
    #[new]
    #[pyo3(
        signature = (
            config_digest, f, offchain_public_keys, onchain_addresses, *,
            report_format=ReportFormat::Ocr2
        ),
        text_signature = "(config_digest, f, offchain_public_keys, onchain_addresses, *, report_format='ocr2')"
    )]
    fn new(
        config_digest: &[u8],
        f: Faulty,
        offchain_public_keys: Vec<PyBackedBytes>,
        onchain_addresses: Vec<PyBackedBytes>,
        report_format: ReportFormat,
    ) -> PyResult<Self> {
        let digest = *exactly("config_digest", config_digest)?;
        let committee =
            committee::Committee::new(digest, f.0, &offchain_public_keys, &onchain_addresses)?;
        Ok(Self(committee.with_report_format(report_format)))
    }

    #[getter]
    const fn report_format(&self) -> &'static str {
        self.0.report_format().name()
    }

    #[getter]
    fn config_digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.config_digest())
    }

    #[getter]
    const fn f(&self) -> usize {
        self.0.f()
    }

    #[getter]
    const fn n(&self) -> usize {
        self.0.n()
    }

    #[getter]
    fn weak_keys(&self, py: Python<'_>) -> Vec<(usize, &'static str)> {
        let weak = py.detach(|| self.0.weak_keys());
        weak.into_iter()
            .map(|(oracle, weakness)| (oracle, weakness.name()))
            .collect()
    }

    fn verify_observation(
        &self,
        py: Python<'_>,
        epoch: Epoch,
        round: Round,
        query: &[u8],
        observation: &[u8],
        observer: Observer,
        signature: &[u8],
    ) -> bool {
        let signed = SignedObservation {
            observation,
            signature,
            observer: observer.0,
        };
        py.detach(|| {
            let message = SignedMessage::new(self.0.config_digest(), epoch.0, round.0, query);
            self.0.verify_observation(&message, &signed)
        })
    }

    fn verify_observations(
        &self,
        py: Python<'_>,
        epoch: Epoch,
        round: Round,
        query: &[u8],
        observations: Vec<SignedTuple>,
    ) -> Vec<bool> {
        py.detach(|| {
            let message = SignedMessage::new(self.0.config_digest(), epoch.0, round.0, query);
            self.0
                .verify_observations(&message, &signed_observations(&observations))
        })
    }

    fn verify_and_build_report(
        &self,
        py: Python<'_>,
        epoch: Epoch,
        round: Round,
        query: &[u8],
        observations: Vec<SignedTuple>,
    ) -> PyResult<BuiltReport> {
        let built = py.detach(|| {
            let signed = signed_observations(&observations);
            verify_and_build_report(&self.0, epoch.0, round.0, query, &signed)
        });
        built
            .map(BuiltReport)
            .map_err(|refusal| refused(py, &refusal))
    }

    fn verify_report_signature(
        &self,
        py: Python<'_>,
        signing_hash: &[u8],
        signer: Signer,
        signature: &[u8],
    ) -> PyResult<bool> {
        let hash = exactly("signing_hash", signing_hash)?;
        Ok(py.detach(|| self.0.verify_report_signature(hash, signer.0, signature)))
    }

    #[expect(clippy::type_complexity, reason = "the stub spells out what it means")]
    fn verify_report_signatures(
        &self,
        py: Python<'_>,
        signing_hash: &[u8],
        signatures: Vec<(PyBackedBytes, Signer)>,
        need: Need,
    ) -> PyResult<(Vec<u16>, Vec<(usize, &'static str)>)> {
        let hash = exactly("signing_hash", signing_hash)?;
        let found = py.detach(|| {
            let signatures = signatures
                .iter()
                .map(|(bytes, signer)| (&**bytes, signer.0));
            self.0.verify_report_signatures(hash, signatures, need.0)
        });
        let signers = found.signers.into_iter().map(u16::from).collect();
        let refused = found.refused.into_iter();
        Ok((
            signers,
            refused
                .map(|(position, fault)| (position, fault.rule()))
                .collect(),
        ))
    }
}
