//! What a chain starts from.

use alloy_primitives::{Address, U256};
use std::fmt;

/// Timestamps stay below this, far enough from overflow for any number of blocks.
pub const MAX_TIMESTAMP: u64 = 1 << 40;

/// The highest base fee that a block starts from, in wei per gas.
pub const MAX_BASE_FEE: u64 = 1_000_000_000_000_000_000;

/// The least and the most gas per block.
pub const GAS_LIMITS: (u64, u64) = (100_000, 1_000_000_000);

/// What a chain starts from.
#[derive(Clone, Debug)]
pub struct Config {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Gas per block.
    pub block_gas_limit: u64,
    /// Base fee of the genesis block, in wei per gas.
    pub base_fee: u64,
    /// Timestamp of the genesis block, in seconds.
    pub genesis_timestamp: u64,
    /// A chain from before London: no base fee, and no EIP-1559 transactions.
    pub legacy: bool,
    /// How many blocks back the state can be read, and blocks be taken back.
    pub history: usize,
    /// How many blocks `safe` and `finalized` stay behind the newest.
    pub finality_depth: u64,
    /// The most transactions the mempool holds.
    pub pool_limit: usize,
    /// Whether every transaction gets a block of its own at once.
    pub automine: bool,
    /// Prefunded accounts, in wei.
    pub accounts: Vec<(Address, U256)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chain_id: 1337,
            block_gas_limit: 30_000_000,
            base_fee: 1_000_000_000,
            legacy: false,
            history: 128,
            genesis_timestamp: 0,
            finality_depth: 0,
            pool_limit: 4096,
            automine: false,
            accounts: Vec::new(),
        }
    }
}

/// A [`Config`] that no chain can start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let bounds: [(&str, u64, u64, u64); 6] = [
            // Above this the `v` of a legacy signature overflows.
            ("chain_id", self.chain_id, 1, (u64::MAX - 36) / 2),
            (
                "block_gas_limit",
                self.block_gas_limit,
                GAS_LIMITS.0,
                GAS_LIMITS.1,
            ),
            ("base_fee", self.base_fee, 0, MAX_BASE_FEE),
            ("history", self.history as u64, 1, 10_000),
            ("pool_limit", self.pool_limit as u64, 1, 1_000_000),
            (
                "genesis_timestamp",
                self.genesis_timestamp,
                0,
                MAX_TIMESTAMP,
            ),
        ];
        for (name, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return Err(ConfigError(format!(
                    "{name} must be between {low} and {high}, not {value}"
                )));
            }
        }
        let total = self
            .accounts
            .iter()
            .try_fold(U256::ZERO, |sum, (_, n)| sum.checked_add(*n));
        if total.is_none_or(|total| total > U256::from(u128::MAX)) {
            return Err(ConfigError(
                "accounts: the balances sum up to more than 2^128 wei".into(),
            ));
        }
        Ok(())
    }
}
