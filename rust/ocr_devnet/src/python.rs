//! The Python binding.

use alloy_primitives::{Address, U256};
use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{Connection, Devnet};
}

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::types::{PyBytes, PyDict};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::MAX_TIMESTAMP;
use crate::rpc::Subscriptions;
use crate::{Chain, Config, rpc};

/// A development EVM chain in this process. Every method may be called from any thread; they
/// take turns, and none holds the interpreter's lock while it works.
#[pyclass(frozen, module = "ocr_devnet")]
struct Devnet {
    chain: Mutex<Chain>,
    /// The chain's, to be read while somebody works on it.
    sequence: AtomicU64,
}

/// A client's connection, which the chain can tell of things.
#[pyclass(frozen, module = "ocr_devnet")]
struct Connection {
    devnet: Py<Devnet>,
    subscriptions: Mutex<Subscriptions>,
}

fn system_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn broken() -> PyErr {
    PyRuntimeError::new_err("the chain failed in an earlier call and may be inconsistent")
}

impl Devnet {
    fn lock(&self) -> PyResult<MutexGuard<'_, Chain>> {
        // Poisoned by a panic under the lock.
        self.chain.lock().map_err(|_| broken())
    }

    /// Works on the chain without the interpreter's lock. A panic, which nothing is known to
    /// cause, becomes an error and disables the chain.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut Chain) -> T + Send,
    ) -> PyResult<T> {
        py.detach(|| {
            catch_unwind(AssertUnwindSafe(|| {
                let mut chain = self.lock()?;
                let result = job(&mut chain);
                self.sequence.store(chain.sequence(), Ordering::Release);
                Ok(result)
            }))
            .unwrap_or_else(|_| Err(broken()))
        })
    }
}

fn accounts(given: &Bound<'_, PyDict>) -> PyResult<Vec<(Address, U256)>> {
    given
        .iter()
        .map(|(address, balance)| {
            let address: [u8; 20] = address.extract().map_err(|_| {
                PyValueError::new_err("accounts: every key must be an address of 20 bytes")
            })?;
            let balance: u128 = balance.extract().map_err(|_| {
                PyValueError::new_err("accounts: every balance must be an int from 0 to 2**128 - 1")
            })?;
            Ok((Address::new(address), U256::from(balance)))
        })
        .collect()
}

fn new_devnet(chain: Chain) -> Devnet {
    Devnet {
        sequence: AtomicU64::new(chain.sequence()),
        chain: Mutex::new(chain),
    }
}

#[pymethods]
impl Devnet {
    #[new]
    #[pyo3(signature = (chain_id, accounts, *, block_gas_limit=30_000_000, base_fee=1_000_000_000,
                        genesis_timestamp=None, finality_depth=0, pool_limit=4096, automine=false,
                        legacy=false, history=128, state=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        chain_id: u64,
        accounts: &Bound<'_, PyDict>,
        block_gas_limit: u64,
        base_fee: u64,
        genesis_timestamp: Option<u64>,
        finality_depth: u64,
        pool_limit: usize,
        automine: bool,
        legacy: bool,
        history: usize,
        state: Option<&[u8]>,
    ) -> PyResult<Self> {
        let config = Config {
            chain_id,
            block_gas_limit,
            base_fee,
            legacy,
            history,
            genesis_timestamp: genesis_timestamp.unwrap_or_else(system_time),
            finality_depth,
            pool_limit,
            automine,
            accounts: self::accounts(accounts)?,
        };
        let refused = |error: &dyn std::error::Error| PyValueError::new_err(error.to_string());
        let chain = match state {
            None => Chain::new(config).map_err(|error| refused(&error))?,
            Some(state) => py
                .detach(|| Chain::load(state, config))
                .map_err(|error| refused(&error))?,
        };
        Ok(new_devnet(chain))
    }

    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.work(py, |chain| chain.save())?;
        Ok(PyBytes::new(py, &state))
    }

    fn connect(slf: Py<Self>) -> Connection {
        Connection {
            devnet: slf,
            subscriptions: Mutex::default(),
        }
    }

    #[getter]
    fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    #[pyo3(signature = (request, timestamp=None))]
    fn rpc<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        timestamp: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = timestamp.unwrap_or_else(system_time);
        let answer = self.work(py, |chain| rpc::handle(chain, request, now))?;
        Ok(PyBytes::new(py, &answer))
    }

    #[pyo3(signature = (timestamp=None))]
    fn mine(&self, py: Python<'_>, timestamp: Option<u64>) -> PyResult<u64> {
        let now = timestamp.unwrap_or_else(system_time);
        if now > MAX_TIMESTAMP {
            return Err(PyValueError::new_err(format!(
                "timestamp must be at most {MAX_TIMESTAMP}"
            )));
        }
        self.work(py, |chain| chain.mine(now))
    }

    #[getter]
    fn chain_id(&self, py: Python<'_>) -> PyResult<u64> {
        self.work(py, |chain| chain.chain_id())
    }

    #[getter]
    fn block_number(&self, py: Python<'_>) -> PyResult<u64> {
        self.work(py, |chain| chain.height())
    }

    #[getter]
    fn pending_count(&self, py: Python<'_>) -> PyResult<usize> {
        let (pending, queued) = self.work(py, |chain| chain.pool_status())?;
        Ok(pending + queued)
    }

    #[getter]
    fn automine(&self, py: Python<'_>) -> PyResult<bool> {
        self.work(py, |chain| chain.automine())
    }

    #[setter]
    fn set_automine(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        self.work(py, |chain| chain.set_automine(on))
    }

    #[getter]
    fn block_time(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let interval = self.work(py, |chain| chain.interval())?;
        Ok(interval.map(|interval| interval.as_secs_f64()))
    }

    #[setter]
    fn set_block_time(&self, py: Python<'_>, seconds: Option<f64>) -> PyResult<()> {
        let interval = seconds
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("block_time: {error}")))?
            .filter(|interval| !interval.is_zero());
        self.work(py, |chain| chain.set_interval(interval))
    }
}

impl Connection {
    fn lock(&self) -> PyResult<MutexGuard<'_, Subscriptions>> {
        self.subscriptions.lock().map_err(|_| broken())
    }
}

#[pymethods]
impl Connection {
    #[pyo3(signature = (request, timestamp=None))]
    fn rpc<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        timestamp: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = timestamp.unwrap_or_else(system_time);
        let answer = self.devnet.get().work(py, |chain| {
            let mut subscriptions = self.lock()?;
            Ok::<_, PyErr>(rpc::handle_connection(
                chain,
                &mut subscriptions,
                request,
                now,
            ))
        })??;
        Ok(PyBytes::new(py, &answer))
    }

    #[pyo3(signature = (limit=256))]
    fn notifications<'py>(
        &self,
        py: Python<'py>,
        limit: usize,
    ) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
        let bodies = self.devnet.get().work(py, |chain| {
            Ok::<_, PyErr>(self.lock()?.notifications(chain, limit))
        })??;
        Ok(bodies.map(|bodies| bodies.iter().map(|body| PyBytes::new(py, body)).collect()))
    }

    #[getter]
    fn subscribed(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| Ok(!self.lock()?.is_empty()))
    }
}
