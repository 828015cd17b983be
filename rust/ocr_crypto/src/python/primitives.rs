//! The bare primitives of a follower step, for benches in Python.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::primitives;

#[pyclass(frozen, module = "ocr_crypto")]
pub struct BarePrimitives(primitives::BarePrimitives);

#[pymethods]
impl BarePrimitives {
    #[new]
    fn new(
        observations: Vec<(PyBackedBytes, PyBackedBytes, PyBackedBytes)>,
        report: &[u8],
        onchain_secret: &[u8],
    ) -> PyResult<Self> {
        let observations = observations
            .iter()
            .map(|(key, preimage, signature)| (&**key, &**preimage, &**signature));
        Ok(Self(primitives::BarePrimitives::new(
            observations,
            report,
            onchain_secret,
        )?))
    }

    fn run(&self, py: Python<'_>) -> bool {
        py.detach(|| std::hint::black_box(self.0.run()).is_some())
    }
}
