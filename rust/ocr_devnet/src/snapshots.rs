//! Copies of the chain to come back to.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::block::Sealed;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::pool::Pool;

/// How many snapshots are kept; the oldest makes room. They share the blocks, not the state.
const KEPT: usize = 64;

#[derive(Debug)]
struct Snapshot {
    id: u64,
    ledger: Ledger,
    pool: Pool,
    clock: Clock,
    wanted_base_fee: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Snapshots(VecDeque<Snapshot>);

impl Chain {
    /// Remembers blocks, state, mempool and clock; the number to come back with.
    pub fn snapshot(&mut self) -> u64 {
        let id = self.fresh_id();
        if self.snapshots.0.len() == KEPT {
            self.snapshots.0.pop_front();
        }
        self.snapshots.0.push_back(Snapshot {
            id,
            ledger: self.ledger.clone(),
            pool: self.pool.clone(),
            clock: self.clock,
            wanted_base_fee: self.wanted_base_fee,
        });
        id
    }

    /// Comes back to a snapshot, which is used up by that like all later ones. Whoever follows
    /// the chain sees a reorganisation. False when there is no such snapshot.
    pub fn revert(&mut self, id: u64) -> bool {
        let Some(at) = self.snapshots.0.iter().position(|kept| kept.id == id) else {
            return false;
        };
        let Some(kept) = self.snapshots.0.drain(at..).next() else {
            return false;
        };
        let shared = self.ledger.shared_with(&kept.ledger);
        let dropped: Vec<Arc<Sealed>> = self.ledger.blocks()[shared..].to_vec();
        let added: Vec<Arc<Sealed>> = kept.ledger.blocks()[shared..].to_vec();
        self.ledger = kept.ledger;
        self.pool = kept.pool;
        self.clock = kept.clock;
        self.replaced(&dropped, &added, false);
        self.wanted_base_fee = kept.wanted_base_fee;
        true
    }
}
