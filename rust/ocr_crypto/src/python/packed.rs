//! Aggregator B's reports, for Python.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Bytes;
use super::arguments::{Epoch, Round};
use super::median::{AttributedTuple, attributed_observations, int192_result};
use crate::error::exactly;
use crate::packed;
use crate::report::sort_as_should_report;
use crate::secp256k1;

#[pyfunction]
pub fn encode_packed_report(
    py: Python<'_>,
    observations: Vec<AttributedTuple>,
) -> PyResult<Bytes<'_>> {
    let mut attributed = attributed_observations(&observations)?;
    sort_as_should_report(&mut attributed);
    let report = packed::build_packed_report(&mut attributed)?;
    Ok(PyBytes::new(py, &report.bytes))
}

pub type PackedReportTuple<'py> = (u32, Bytes<'py>, Vec<Bytes<'py>>);

#[pyfunction]
pub fn decode_packed_report<'py>(py: Python<'py>, data: &[u8]) -> PyResult<PackedReportTuple<'py>> {
    let read = packed::decode_packed_report(data)?;
    let observations = read.observations.into_iter();
    Ok((
        read.timestamp,
        PyBytes::new(py, &read.observers),
        observations.map(|value| int192_result(py, value)).collect(),
    ))
}

#[pyfunction]
pub fn packed_signing_hash<'py>(
    py: Python<'py>,
    config_digest: &[u8],
    epoch: Epoch,
    round: Round,
    report: &[u8],
) -> PyResult<Bytes<'py>> {
    let digest = exactly("config_digest", config_digest)?;
    let hash = py.detach(|| packed::packed_signing_hash(digest, epoch.0, round.0, report));
    Ok(PyBytes::new(py, &hash))
}

#[pyfunction]
pub fn compact_signature<'py>(py: Python<'py>, signature: &[u8]) -> Option<Bytes<'py>> {
    let compact = secp256k1::compact_signature(signature)?;
    Some(PyBytes::new(py, &compact))
}
