//! Observations and reports of a median feed, for Python.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::Bytes;
use super::arguments::{Epoch, Observer, Round, Timestamp};
use crate::error::{Error, exactly};
use crate::int192::{self, INT192_LENGTH, Int192};
use crate::observation::Observation;
use crate::report::{self, AttributedObservation, build_report, sort_as_should_report};

fn int192_argument(field: &'static str, bytes: &[u8]) -> Result<Int192, Error> {
    exactly(field, bytes).copied().map(Int192::from_be_bytes)
}

pub fn int192_result(py: Python<'_>, value: Int192) -> Bytes<'_> {
    PyBytes::new(py, &value.to_be_bytes())
}

#[pyfunction]
#[pyo3(signature = (timestamp, value, juels_per_fee_coin, gas_price_subunits=None))]
pub fn encode_observation<'py>(
    py: Python<'py>,
    timestamp: Timestamp,
    value: &[u8],
    juels_per_fee_coin: &[u8],
    gas_price_subunits: Option<&[u8]>,
) -> PyResult<Bytes<'py>> {
    let observation = Observation {
        timestamp: timestamp.0,
        value: int192_argument("value", value)?,
        juels_per_fee_coin: int192_argument("juels_per_fee_coin", juels_per_fee_coin)?,
        gas_price_subunits: gas_price_subunits
            .map(|gas| int192_argument("gas_price_subunits", gas))
            .transpose()?,
    };
    Ok(PyBytes::new(py, &observation.encode()))
}

pub type ObservationTuple<'py> = (u32, Bytes<'py>, Bytes<'py>, Option<Bytes<'py>>);

#[pyfunction]
pub fn decode_observation<'py>(py: Python<'py>, data: &[u8]) -> Option<ObservationTuple<'py>> {
    let read = Observation::decode(data)?;
    Some((
        read.timestamp,
        int192_result(py, read.value),
        int192_result(py, read.juels_per_fee_coin),
        read.gas_price_subunits.map(|gas| int192_result(py, gas)),
    ))
}

/// Timestamp, value, juels per fee coin and observer.
pub type AttributedTuple = (Timestamp, PyBackedBytes, PyBackedBytes, Observer);

/// The same, with its numbers checked.
pub fn attributed_observations(
    tuples: &[AttributedTuple],
) -> Result<Vec<AttributedObservation>, Error> {
    let attributed = tuples.iter().map(|(timestamp, value, juels, observer)| {
        Ok(AttributedObservation {
            timestamp: timestamp.0,
            value: int192_argument("value", value)?,
            juels_per_fee_coin: int192_argument("juels_per_fee_coin", juels)?,
            observer: observer.0,
        })
    });
    attributed.collect()
}

#[pyfunction]
#[pyo3(signature = (observations, *, codec_only=false))]
pub fn encode_report(
    py: Python<'_>,
    observations: Vec<AttributedTuple>,
    codec_only: bool,
) -> PyResult<Bytes<'_>> {
    let mut attributed = attributed_observations(&observations)?;
    if !codec_only {
        sort_as_should_report(&mut attributed);
    }
    Ok(PyBytes::new(py, &build_report(&mut attributed)?.bytes))
}

pub type ReportTuple<'py> = (u32, Bytes<'py>, Vec<Bytes<'py>>, Bytes<'py>);

#[pyfunction]
pub fn decode_report<'py>(py: Python<'py>, data: &[u8]) -> PyResult<ReportTuple<'py>> {
    let read = report::decode_report(data)?;
    let observations = read.observations.into_iter();
    Ok((
        read.timestamp,
        PyBytes::new(py, &read.observers),
        observations.map(|value| int192_result(py, value)).collect(),
        int192_result(py, read.juels_per_fee_coin),
    ))
}

#[pyfunction]
pub fn median_packed(py: Python<'_>, values: Vec<PyBackedBytes>) -> PyResult<Bytes<'_>> {
    let packed = values.iter().map(|value| {
        let bytes: &[u8; INT192_LENGTH] = exactly("value", value)?;
        Ok(Int192::from_be_bytes(*bytes))
    });
    let mut packed = packed.collect::<Result<Vec<_>, Error>>()?;
    Ok(int192_result(py, int192::median(&mut packed)?))
}

#[pyfunction]
pub fn inputs_hash<'py>(
    py: Python<'py>,
    query: &[u8],
    observations: Vec<(PyBackedBytes, Observer)>,
) -> Bytes<'py> {
    let digest = py.detach(|| {
        let inputs = observations.iter();
        report::inputs_hash(
            query,
            inputs.map(|(bytes, observer)| (&**bytes, observer.0)),
        )
    });
    PyBytes::new(py, &digest)
}

#[pyfunction]
pub fn report_context<'py>(
    py: Python<'py>,
    config_digest: &[u8],
    epoch: Epoch,
    round: Round,
    extra_hash: &[u8],
) -> PyResult<Bytes<'py>> {
    let digest = exactly("config_digest", config_digest)?;
    let extra_hash = exactly("extra_hash", extra_hash)?;
    let context = report::report_context(digest, epoch.0, round.0, extra_hash);
    Ok(PyBytes::new(py, context.as_flattened()))
}

#[pyfunction]
pub fn report_signing_hash<'py>(
    py: Python<'py>,
    config_digest: &[u8],
    epoch: Epoch,
    round: Round,
    extra_hash: &[u8],
    report: &[u8],
) -> PyResult<Bytes<'py>> {
    let digest = exactly("config_digest", config_digest)?;
    let extra_hash = exactly("extra_hash", extra_hash)?;
    let context = report::report_context(digest, epoch.0, round.0, extra_hash);
    let hash = py.detach(|| report::signing_hash(&context, report));
    Ok(PyBytes::new(py, &hash))
}
