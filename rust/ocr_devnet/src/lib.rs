//! A development EVM chain in process: real transactions, blocks, receipts and logs, a mempool,
//! and the JSON-RPC of a node, without a network, a consensus or a disk. It serves local
//! committees and tests; nothing about it is fit for funds.
//!
//! [`Chain`] is the chain. [`rpc::handle`] answers one JSON-RPC request body over it. Neither
//! reads a clock: who calls says what time it is. The feature `python` adds the binding.

mod block;
mod builder;
mod by_hand;
mod chain;
mod clock;
mod config;
mod exec;
mod journal;
mod ledger;
mod pool;
#[cfg(feature = "python")]
mod python;
mod queue;
mod reorg;
pub mod rpc;
mod snapshots;
mod state;
mod stored;
mod tx;
mod view;

pub use chain::Chain;
pub use config::{Config, ConfigError};
pub use reorg::ReorgError;
pub use stored::StateError;
pub use tx::TxError;
