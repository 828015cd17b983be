//! What Python hands in, converted and named.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::format::ReportFormat;
use crate::observation::SignedObservation;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

/// Integers of a named field: `PyO3`'s own error for a number out of range names no argument.
macro_rules! bounded {
    ($(#[doc = $doc:literal] $name:ident($type:ty) = $field:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy)]
        pub struct $name(pub $type);

        impl<'py> FromPyObject<'_, 'py> for $name {
            type Error = PyErr;

            fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
                value.extract::<$type>().map(Self).map_err(|error| {
                    let rule = format!("an integer from 0 to {}", <$type>::MAX);
                    named(&error, &value, $field, &rule)
                })
            }
        }
    )*};
}

bounded! {
    /// An epoch.
    Epoch(u32) = "epoch";
    /// A round within an epoch.
    Round(u8) = "round";
    /// Index of the oracle behind an observation.
    Observer(u8) = "observer";
    /// Index of the oracle behind a report signature.
    Signer(u8) = "signer";
    /// Seconds since 1970.
    Timestamp(u32) = "timestamp";
    /// Number of oracles.
    Oracles(usize) = "n";
    /// Number of faulty oracles tolerated, as a committee takes it.
    Faulty(usize) = "f";
    /// The same as the contract holds it.
    ContractFaulty(u8) = "f";
    /// Number of signatures needed.
    Need(usize) = "need";
    /// Oracles in one transmission stage.
    StageSize(usize) = "stage size";
    /// Number of configurations a contract has had.
    ConfigCount(u64) = "config_count";
    /// Version of the off-chain configuration.
    ConfigVersion(u64) = "offchain_config_version";
}

impl<'py> FromPyObject<'_, 'py> for ReportFormat {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let rule = "\"ocr2\" or \"packed\"";
        let name: &str = value
            .extract()
            .map_err(|error| named(&error, &value, "report_format", rule))?;
        Self::named(name).ok_or_else(|| {
            let value = format!("\"{}\"", name.escape_debug());
            Error::Range {
                field: "report_format",
                value,
                rule,
            }
            .into()
        })
    }
}

/// A chain id as the word that it is on chain.
pub struct ChainId(pub [u8; 32]);

impl<'py> FromPyObject<'_, 'py> for ChainId {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let word = value
            .call_method1("to_bytes", (32, "big"))
            .map_err(|error| named(&error, &value, "chain_id", "an integer from 0 to 2^256-1"))?;
        let word = word.cast::<PyBytes>()?;
        Ok(Self(*crate::error::exactly("chain_id", word.as_bytes())?))
    }
}

fn named(error: &PyErr, value: &Bound<'_, PyAny>, field: &str, rule: &str) -> PyErr {
    let message = format!("{field} is {value}, must be {rule}");
    if error.is_instance_of::<PyOverflowError>(value.py()) {
        PyValueError::new_err(message)
    } else {
        PyTypeError::new_err(message)
    }
}

/// An observation, its signature and its observer.
pub type SignedTuple = (PyBackedBytes, PyBackedBytes, Observer);

/// The same, borrowed.
pub fn signed_observations(tuples: &[SignedTuple]) -> Vec<SignedObservation<'_>> {
    tuples
        .iter()
        .map(|(observation, signature, observer)| SignedObservation {
            observation,
            signature,
            observer: observer.0,
        })
        .collect()
}
