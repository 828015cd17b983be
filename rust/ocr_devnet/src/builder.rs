//! A block in the making.

use alloy_consensus::Header;
use alloy_primitives::Bloom;
use std::sync::Arc;

use crate::block::{Mined, Sealed};
use crate::exec::{Failure, Mode, run};
use crate::ledger::Ledger;
use crate::tx::Tx;
use crate::view::Db;

/// Why a transaction is not in the block.
#[derive(Debug)]
pub enum Refusal {
    /// The block has too little gas left for it.
    NoRoom,
    /// It cannot run on this state.
    Invalid(Box<Failure>),
}

/// Runs transactions one after the other on the state after the newest block.
pub struct Builder<'a> {
    ledger: &'a mut Ledger,
    chain_id: u64,
    header: Header,
    gas_used: u64,
    log_count: usize,
    mined: Vec<Mined>,
}

impl<'a> Builder<'a> {
    /// Starts the block of `header`, which is the one after the newest.
    pub fn begin(ledger: &'a mut Ledger, chain_id: u64, header: Header) -> Self {
        ledger.state.begin_block();
        Self {
            ledger,
            chain_id,
            header,
            gas_used: 0,
            log_count: 0,
            mined: Vec::new(),
        }
    }

    pub fn include(&mut self, tx: &Arc<Tx>) -> Result<(), Refusal> {
        if tx.gas_limit() > self.header.gas_limit - self.gas_used {
            return Err(Refusal::NoRoom);
        }
        let db = Db {
            view: self.ledger.state.latest(),
            hashes: self.ledger.hashes(),
        };
        let outcome = run(db, &self.header, self.chain_id, tx.env(), Mode::Block)
            .map_err(|failure| Refusal::Invalid(Box::new(failure)))?;
        self.ledger.state.apply(outcome.state);
        let result = outcome.result;
        self.gas_used += result.tx_gas_used();
        let logs = if result.is_success() {
            result.logs().to_vec()
        } else {
            Vec::new()
        };
        let base_fee = self.header.base_fee_per_gas.unwrap_or_default();
        let mined = Mined {
            success: result.is_success(),
            gas_used: result.tx_gas_used(),
            cumulative_gas_used: self.gas_used,
            effective_gas_price: u128::from(base_fee) + tx.tip_at(base_fee).unwrap_or_default(),
            contract: tx.creates(),
            bloom: logs.iter().collect::<Bloom>(),
            first_log: self.log_count,
            logs,
            tx: Arc::clone(tx),
        };
        self.log_count += mined.logs.len();
        self.mined.push(mined);
        Ok(())
    }

    /// Makes the block the newest one.
    pub fn seal(self) -> Arc<Sealed> {
        let mut header = self.header;
        let parent = self.ledger.head().header.state_root;
        header.state_root = self.ledger.state.commitment(parent);
        let block = Arc::new(Sealed::seal(header, self.mined));
        self.ledger.append(Arc::clone(&block));
        block
    }
}
