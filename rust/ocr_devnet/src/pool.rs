//! The mempool: what was sent and is in no block yet.

use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, U256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::queue::Queue;
use crate::tx::{Tx, TxError};

/// A replacement must raise both fees by this much (geth's default).
const PRICE_BUMP_PERCENT: u128 = 10;

#[derive(Clone, Debug)]
struct Entry {
    tx: Arc<Tx>,
    /// Order of arrival, which decides between equal tips.
    arrival: u64,
    /// Whether those who follow the pool have been told.
    announced: bool,
}

/// Transactions by sender, in nonce order.
pub type Waiting<'a> = BTreeMap<Address, Vec<&'a Arc<Tx>>>;

#[derive(Clone, Debug)]
pub struct Pool {
    senders: AddressMap<BTreeMap<u64, Entry>>,
    by_hash: B256Map<Arc<Tx>>,
    limit: usize,
    arrivals: u64,
}

impl Pool {
    pub fn new(limit: usize) -> Self {
        Self {
            senders: AddressMap::default(),
            by_hash: B256Map::default(),
            limit,
            arrivals: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub fn get(&self, hash: &B256) -> Option<&Arc<Tx>> {
        self.by_hash.get(hash)
    }

    /// Takes `tx`, whose sender has `nonce` and `balance` as of the newest block. A full pool
    /// makes room by dropping the one that pays least at `base_fee`, if that is less than `tx`.
    pub fn add(
        &mut self,
        tx: Arc<Tx>,
        nonce: u64,
        balance: U256,
        base_fee: u64,
    ) -> Result<(), TxError> {
        let hash = tx.hash();
        if self.by_hash.contains_key(&hash) {
            return Err(TxError("already known".into()));
        }
        if tx.nonce() < nonce {
            return Err(TxError(format!(
                "nonce too low: next nonce {nonce}, tx nonce {}",
                tx.nonce()
            )));
        }
        let queue = self.senders.get(&tx.sender);
        let replaced = queue.and_then(|queue| queue.get(&tx.nonce()));
        check_funds(&tx, balance, queue)?;
        if let Some(old) = replaced {
            if !outbids(&tx, &old.tx) {
                return Err(TxError("replacement transaction underpriced".into()));
            }
        } else if self.len() >= self.limit {
            let cheapest = self
                .cheapest(&tx, base_fee)
                .ok_or_else(|| TxError("transaction underpriced".into()))?;
            self.remove(&cheapest);
        }
        self.arrivals += 1;
        let entry = Entry {
            tx: Arc::clone(&tx),
            arrival: self.arrivals,
            announced: false,
        };
        if let Some(old) = self
            .senders
            .entry(tx.sender)
            .or_default()
            .insert(tx.nonce(), entry)
        {
            self.by_hash.remove(&old.tx.hash());
        }
        self.by_hash.insert(hash, tx);
        Ok(())
    }

    /// The one to drop for `tx`: whoever pays least, of equals the latest. Not one that `tx`
    /// itself comes after, and none that pays as much as it.
    fn cheapest(&self, tx: &Tx, base_fee: u64) -> Option<Arc<Tx>> {
        let worth = |tx: &Tx| (tx.tip_at(base_fee), tx.fee_cap());
        self.senders
            .iter()
            .flat_map(|(sender, queue)| {
                let first = if *sender == tx.sender { tx.nonce() } else { 0 };
                queue.range(first..)
            })
            .map(|(_, entry)| entry)
            .min_by_key(|entry| (worth(&entry.tx), Reverse(entry.arrival)))
            .filter(|entry| worth(&entry.tx) < worth(tx))
            .map(|entry| Arc::clone(&entry.tx))
    }

    /// Those of `sender`'s gapless run that nobody has been told of yet.
    pub fn announce(&mut self, sender: &Address, nonce: u64) -> Vec<Arc<Tx>> {
        let run = self.run(sender, nonce).count();
        let Some(queue) = self.senders.get_mut(sender) else {
            return Vec::new();
        };
        queue
            .range_mut(nonce..)
            .take(run)
            .filter_map(|(_, entry)| {
                let known = std::mem::replace(&mut entry.announced, true);
                (!known).then(|| Arc::clone(&entry.tx))
            })
            .collect()
    }

    /// Everything that waits by sender and nonce, the gapless runs and the rest apart.
    pub fn content(&self, nonce: impl Fn(&Address) -> u64) -> (Waiting<'_>, Waiting<'_>) {
        let mut pending = Waiting::new();
        let mut queued = Waiting::new();
        for (sender, queue) in &self.senders {
            let run = self.run(sender, nonce(sender)).count();
            let next = nonce(sender) + run as u64;
            for (nonce, entry) in queue {
                let part = if *nonce < next {
                    &mut pending
                } else {
                    &mut queued
                };
                part.entry(*sender).or_default().push(&entry.tx);
            }
        }
        (pending, queued)
    }

    /// Everything that waits, in the order of arrival.
    pub fn in_order(&self) -> Vec<Arc<Tx>> {
        let mut entries: Vec<&Entry> = self.senders.values().flat_map(BTreeMap::values).collect();
        entries.sort_unstable_by_key(|entry| entry.arrival);
        entries.iter().map(|entry| Arc::clone(&entry.tx)).collect()
    }

    /// The nonce after `sender`'s gapless run of transactions, which starts at `nonce`.
    pub fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        nonce + self.run(sender, nonce).count() as u64
    }

    fn run(&self, sender: &Address, nonce: u64) -> impl Iterator<Item = &Entry> {
        let entries = self
            .senders
            .get(sender)
            .into_iter()
            .flat_map(move |queue| queue.range(nonce..));
        (nonce..)
            .zip(entries)
            .take_while(|(want, (have, _))| want == *have)
            .map(|(_, (_, entry))| entry)
    }

    /// How many transactions a block could hold next, and how many wait for a nonce before them.
    pub fn status(&self, nonce: impl Fn(&Address) -> u64) -> (usize, usize) {
        let pending = self
            .senders
            .keys()
            .map(|sender| self.run(sender, nonce(sender)).count())
            .sum();
        (pending, self.len() - pending)
    }

    /// What a block with `base_fee` may hold, best tip first, each sender's in nonce order.
    pub fn executable(&self, base_fee: u64, nonce: impl Fn(&Address) -> u64) -> Queue {
        let mut queue = Queue::default();
        for sender in self.senders.keys() {
            let affordable: VecDeque<_> = self
                .run(sender, nonce(sender))
                .map_while(|entry| {
                    let tip = entry.tx.tip_at(base_fee)?;
                    Some((tip, Reverse(entry.arrival), Arc::clone(&entry.tx)))
                })
                .collect();
            queue.offer(*sender, affordable);
        }
        queue
    }

    pub fn remove(&mut self, tx: &Tx) {
        self.by_hash.remove(&tx.hash());
        if let Some(queue) = self.senders.get_mut(&tx.sender) {
            queue.remove(&tx.nonce());
            if queue.is_empty() {
                self.senders.remove(&tx.sender);
            }
        }
    }

    /// Forgets everything, or everything of one sender.
    pub fn clear(&mut self, sender: Option<&Address>) {
        let gone: Vec<Arc<Tx>> = self
            .by_hash
            .values()
            .filter(|tx| sender.is_none_or(|sender| tx.sender == *sender))
            .cloned()
            .collect();
        for tx in gone {
            self.remove(&tx);
        }
    }

    /// Forgets what a new block has made impossible.
    pub fn settle(&mut self, account: impl Fn(&Address) -> (u64, U256)) {
        let by_hash = &mut self.by_hash;
        self.senders.retain(|sender, queue| {
            let (nonce, balance) = account(sender);
            queue.retain(|tx_nonce, entry| {
                let keep = *tx_nonce >= nonce && entry.tx.cost() <= balance;
                if !keep {
                    by_hash.remove(&entry.tx.hash());
                }
                keep
            });
            !queue.is_empty()
        });
    }
}

fn check_funds(
    tx: &Tx,
    balance: U256,
    queue: Option<&BTreeMap<u64, Entry>>,
) -> Result<(), TxError> {
    let cost = tx.cost();
    if cost > balance {
        return Err(TxError(format!(
            "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, \
             overshot {}",
            cost - balance
        )));
    }
    // The ones before it must stay payable too, but for the one it replaces.
    let queued = queue
        .into_iter()
        .flatten()
        .filter(|(nonce, _)| **nonce != tx.nonce())
        .fold(U256::ZERO, |sum, (_, entry)| {
            sum.saturating_add(entry.tx.cost())
        });
    let total = queued.saturating_add(cost);
    if total > balance {
        return Err(TxError(format!(
            "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, \
             tx cost {cost}, overshot {}",
            total - balance
        )));
    }
    Ok(())
}

fn outbids(new: &Tx, old: &Tx) -> bool {
    let enough = |new: u128, old: u128| {
        new > old && new >= old.saturating_mul(100 + PRICE_BUMP_PERCENT) / 100
    };
    enough(new.fee_cap(), old.fee_cap()) && enough(new.tip_cap(), old.tip_cap())
}
