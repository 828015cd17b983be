//! The order in which a block takes transactions.

use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::tx::Tx;

/// Tip, order of arrival, transaction.
pub type Candidate = (u128, Reverse<u64>, Arc<Tx>);

/// The transactions of a block to be, in the order it would take them.
#[derive(Debug, Default)]
pub struct Queue {
    /// Each sender's next one, by tip and arrival.
    heads: BinaryHeap<Head>,
    rest: AddressMap<VecDeque<Candidate>>,
}

#[derive(Debug)]
struct Head(Candidate);

impl Head {
    fn key(&self) -> (u128, Reverse<u64>) {
        (self.0.0, self.0.1)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Queue {
    /// Adds a sender's transactions, in nonce order.
    pub fn offer(&mut self, sender: Address, txs: VecDeque<Candidate>) {
        self.rest.insert(sender, txs);
        self.advance(&sender);
    }

    /// The best one. Its sender's later ones only follow after [`Queue::advance`].
    pub fn pop(&mut self) -> Option<Arc<Tx>> {
        self.heads.pop().map(|head| head.0.2)
    }

    pub fn advance(&mut self, sender: &Address) {
        if let Some(next) = self.rest.get_mut(sender).and_then(VecDeque::pop_front) {
            self.heads.push(Head(next));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}
