//! Running transactions in the EVM.

use alloy_consensus::Header;
use alloy_primitives::U256;
use revm::context::result::{EVMError, ExecResultAndState, ExecutionResult, InvalidTransaction};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database_interface::{EmptyDB, WrapDatabaseRef};
use revm::handler::MainnetContext;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use revm::{ExecuteEvm, MainBuilder, MainContext};
use std::convert::Infallible;

use crate::view::Db;

/// The rules every block follows.
pub const SPEC: SpecId = SpecId::OSAKA;

pub type Outcome = ExecResultAndState<ExecutionResult, EvmState>;
pub type Failure = EVMError<Infallible, InvalidTransaction>;

/// How strictly a transaction is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As part of a block.
    Block,
    /// As a question: no nonce, any sender, no gas limits but the caller's.
    Call,
}

/// Runs `tx` on `db` in the block that `header` describes. Nothing is written.
pub fn run(
    db: Db<'_>,
    header: &Header,
    chain_id: u64,
    tx: TxEnv,
    mode: Mode,
) -> Result<Outcome, Failure> {
    let mut cfg = CfgEnv::new_with_spec(SPEC).with_chain_id(chain_id);
    if mode == Mode::Call {
        cfg.tx_chain_id_check = false;
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        // A call that offers no fee pays none, like geth's.
        cfg.disable_base_fee = tx.gas_price == 0;
    }
    let block = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        prevrandao: Some(header.mix_hash),
        ..BlockEnv::default()
    };
    let context: MainnetContext<EmptyDB> = Context::mainnet();
    let mut evm = context
        .with_db(WrapDatabaseRef(db))
        .with_cfg(cfg)
        .with_block(block)
        .build_mainnet();
    evm.transact(tx)
}
