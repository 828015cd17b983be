//! Taking blocks back.

use std::fmt;
use std::sync::Arc;

use crate::block::Sealed;
use crate::builder::{Builder, Refusal};
use crate::chain::Chain;
use crate::journal::Event;
use crate::tx::{Tx, TxError};

/// Why blocks cannot be taken back or replaced as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReorgError(String);

impl fmt::Display for ReorgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReorgError {}

impl From<TxError> for ReorgError {
    fn from(error: TxError) -> Self {
        Self(error.0)
    }
}

impl Chain {
    /// Takes back the newest `depth` blocks. With `keep` their transactions return to the
    /// mempool, else they are gone.
    ///
    /// # Errors
    /// When so many blocks cannot be taken back.
    pub fn rollback(&mut self, depth: u64, keep: bool) -> Result<(), ReorgError> {
        self.check_depth(depth)?;
        let dropped = self.ledger.drop_newest(depth);
        self.replaced(&dropped, &[], keep);
        Ok(())
    }

    /// Replaces the newest `depth` blocks by as many others with the same timestamps. They hold
    /// nothing but `txs`, each a raw transaction with the index of its block, 0 for the lowest.
    /// With `keep` the transactions of the old blocks return to the mempool, as on a real chain.
    ///
    /// # Errors
    /// When so many blocks cannot be taken back, or a transaction cannot be in its block; then
    /// nothing has changed.
    pub fn reorg(
        &mut self,
        depth: u64,
        txs: &[(Vec<u8>, usize)],
        keep: bool,
    ) -> Result<(), ReorgError> {
        self.check_depth(depth)?;
        let mut given = Vec::new();
        for (raw, index) in txs {
            if *index as u64 >= depth {
                return Err(ReorgError(format!(
                    "block index {index} is out of range: {depth} blocks are replaced"
                )));
            }
            given.push((Arc::new(Tx::decode(raw, &self.config)?), *index));
        }
        let before = self.ledger.clone();
        let wanted = self.wanted_base_fee.take();
        let dropped = self.ledger.drop_newest(depth);
        self.forks += 1;
        let mut added = Vec::new();
        for (index, old) in dropped.iter().enumerate() {
            let header = self.header_at(old.header.timestamp);
            let mut builder = Builder::begin(&mut self.ledger, self.config.chain_id, header);
            let mut refused = None;
            for (tx, _) in given.iter().filter(|(_, at)| *at == index) {
                if let Err(refusal) = builder.include(tx) {
                    refused = Some((tx.hash(), refusal));
                    break;
                }
            }
            if let Some((hash, refusal)) = refused {
                self.ledger = before;
                self.wanted_base_fee = wanted;
                self.forks -= 1;
                let reason = match refusal {
                    Refusal::NoRoom => "the block has no room for it".into(),
                    Refusal::Invalid(failure) => failure.to_string(),
                };
                return Err(ReorgError(format!(
                    "transaction {hash:#x} cannot be in block {index}: {reason}"
                )));
            }
            added.push(builder.seal());
        }
        self.forks -= 1;
        self.replaced(&dropped, &added, keep);
        Ok(())
    }

    fn check_depth(&self, depth: u64) -> Result<(), ReorgError> {
        let most = self.ledger.reversible();
        if depth == 0 || depth > most {
            return Err(ReorgError(format!(
                "depth must be from 1 to {most}, not {depth}: the chain has {} blocks above \
                 genesis and can take back the newest {}",
                self.height(),
                self.config.history
            )));
        }
        Ok(())
    }

    /// The blocks `dropped` are no longer part of the chain, and `added` are.
    pub(crate) fn replaced(&mut self, dropped: &[Arc<Sealed>], added: &[Arc<Sealed>], keep: bool) {
        self.forks += 1;
        self.wanted_base_fee = None;
        self.settle();
        for block in dropped {
            self.journal.push(Event::Removed(Arc::clone(block)));
        }
        for block in added {
            self.journal.push(Event::Added(Arc::clone(block)));
        }
        if keep {
            for mined in dropped.iter().flat_map(|block| &block.txs) {
                // One that the new blocks hold, or that cannot be paid any more, stays away.
                let _ = self.admit(Arc::clone(&mined.tx));
            }
        }
    }
}
