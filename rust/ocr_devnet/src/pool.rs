//! The mempool: what was sent and is in no block yet.

use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, U256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::tx::{Tx, TxError};

/// A replacement must raise both fees by this much (geth's default).
const PRICE_BUMP_PERCENT: u128 = 10;

#[derive(Debug)]
struct Entry {
    tx: Arc<Tx>,
    /// Order of arrival, which decides between equal tips.
    arrival: u64,
}

#[derive(Debug)]
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

    /// Takes `tx`, whose sender has `nonce` and `balance` as of the newest block.
    pub fn add(&mut self, tx: Tx, nonce: u64, balance: U256) -> Result<(), TxError> {
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
            return Err(TxError(format!(
                "txpool is full: it holds {} transactions",
                self.limit
            )));
        }
        let tx = Arc::new(tx);
        self.arrivals += 1;
        let entry = Entry {
            tx: Arc::clone(&tx),
            arrival: self.arrivals,
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
            queue.rest.insert(*sender, affordable);
            queue.advance(sender);
        }
        queue
    }

    pub fn remove(&mut self, tx: &Tx) {
        self.by_hash.remove(&tx.hash());
        if let Some(queue) = self.senders.get_mut(&tx.sender) {
            queue.remove(&tx.nonce());
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

type Candidate = (u128, Reverse<u64>, Arc<Tx>);

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
